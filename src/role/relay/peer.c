/* peer.c — a conversation with another server; see peer.h. */
#include "role/relay/peer.h"

#include "base/fd.h"
#include "fiber/fiber.h"
#include "role/relay/relay.h"
#include "role/runtime.h"
#include "trust/dane.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEP_TEXT_MAX = 2000, LINE_OUT_MAX = 1024 };

/* -- what is told ----------------------------------------------------------------- */

void steps_add(struct peer_steps *to, const char *what, bool is_good, struct str text)
{
	if (!to || to->n == PEER_STEPS_MAX)
		return;
	if (!to->p)
		to->p = ARENA_ARRAY(to->a, struct peer_step, PEER_STEPS_MAX);
	if (to->p)
		to->p[to->n++] = (struct peer_step){ what, is_good, arena_str(to->a, str_head(text, STEP_TEXT_MAX)) };
}

void steps_addf(struct peer_steps *to, const char *what, bool is_good, const char *fmt, ...)
{
	char mem[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(mem, sizeof(mem), fmt, ap);
	va_end(ap);
	steps_add(to, what, is_good, str_of(mem, n < 0 ? 0 : (size_t)n < sizeof(mem) ? (size_t)n : sizeof(mem) - 1));
}

int64_t peer_patience(int64_t us)
{
	return us / 100 * conf_now()->outbound.patience;
}

bool peer_refused(struct peer *s, const char *what, struct err *e)
{
	struct buf b = buf_over((char[150]){ 0 }, 150);

	client_reply_print(s->r, &b, 120);
	return fail(e, FAULT_PEER, "%s: " STR_FMT, what, STR_ARG(buf_str(&b)));
}

/* -- lines and replies ------------------------------------------------------------- */

SUSPENDS bool peer_put(struct peer *s, struct str line, struct err *e)
{
	/* who builds a line has looked at each part; this is the last fence against a second command */
	must(!str_has(line, '\n') && !str_has(line, '\r') && line.n < LINE_OUT_MAX, "a command is one line");
	steps_add(s->steps, "client", true, line);
	if (conn_put(&s->c, line, e) && conn_put(&s->c, S("\r\n"), e))
		return true;
	s->is_broken = true;
	return false;
}

static void note_reply(struct peer *s)
{
	struct buf b = buf_on_heap(CLIENT_REPLY_TEXT_MAX + 16);

	if (s->steps) {
		buf_addf(&b, "%u ", s->r->code);
		buf_add(&b, client_reply_text(s->r));
		steps_add(s->steps, "server", client_reply_class(s->r) < 4, buf_str(&b));
	}
	buf_end(&b);
	if (s->r->code == 421)
		s->was_421 = s->is_broken = true;
}

SUSPENDS static bool read_reply(struct peer *s, struct err *e)
{
	for (;;) {
		struct str in = conn_pending(&s->c), rest = in;
		enum client_reply_state state = client_reply_feed(s->r, &rest);

		conn_eat(&s->c, in.n - rest.n);
		if (state == CLIENT_REPLY_DONE)
			return true;
		if (state == CLIENT_REPLY_NONSENSE)
			return fail(e, FAULT_PEER, "the server's answer is no SMTP");
		if (state == CLIENT_REPLY_ENDLESS)
			return fail(e, FAULT_PEER, "the server's answer has no end");
		if (!conn_fill(&s->c, e))
			return false;
	}
}

SUSPENDS bool peer_read(struct peer *s, int64_t within, struct err *e)
{
	bool ok = false;

	if (s->is_broken && s->was_421)
		return fail(e, FAULT_PEER, "the server has closed the conversation (421)");
	client_reply_begin(s->r);
	WITHIN(peer_patience(within))
		ok = conn_flush(&s->c, e) && read_reply(s, e);
	if (ok) {
		note_reply(s);
		return true;
	}
	if (e->timed_out)
		fail(e, FAULT_PEER, "no answer within %lld s", (long long)(peer_patience(within) / SECOND));
	s->is_broken = true;
	steps_add(s->steps, "server", false, str_from_z(e->text));
	return false;
}

SUSPENDS bool peer_last_words(struct peer *s)
{
	struct err e;
	bool ok = false;

	s->is_broken = true;
	buf_clear(&s->c.out);
	client_reply_begin(s->r);
	WITHIN(WAIT_QUIT)
		ok = read_reply(s, &e);
	if (ok)
		note_reply(s);
	return ok;
}

SUSPENDS bool peer_ask(struct peer *s, struct str line, int64_t within, struct err *e)
{
	return peer_put(s, line, e) && peer_read(s, within, e);
}

SUSPENDS bool peer_ask_secret(struct peer *s, struct str line, int64_t within, struct err *e)
{
	bool ok;

	steps_add(s->steps, "client", true, S("(a line with a secret)"));
	ok = conn_put(&s->c, line, e) && conn_put(&s->c, S("\r\n"), e);
	ok = ok && conn_flush(&s->c, e);
	if (!ok)
		s->is_broken = true;
	return ok && peer_read(s, within, e);
}

/* -- connect ----------------------------------------------------------------------- */

union any_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t fill_address(union any_address *to, const uint8_t addr[16], bool is_v4, uint16_t port)
{
	*to = (union any_address){ 0 };
	if (!is_v4) {
		to->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		memcpy(&to->v6.sin6_addr, addr, 16);
		return sizeof(to->v6);
	}
	to->v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	memcpy(&to->v4.sin_addr, addr + 12, 4);
	return sizeof(to->v4);
}

static void note_from(struct peer *s, int fd)
{
	union any_address own;
	socklen_t n = sizeof(own);

	if (getsockname(fd, &own.sa, &n))
		return;
	if (own.sa.sa_family == AF_INET6) {
		memcpy(s->from, &own.v6.sin6_addr, 16);
		return;
	}
	s->from[10] = s->from[11] = 0xff;
	memcpy(s->from + 12, &own.v4.sin_addr, 4);
}

SUSPENDS static bool connect_fd(const struct peer_call *c, int fd, struct err *e)
{
	union any_address to, from;
	socklen_t n = fill_address(&to, c->address->addr, c->address->is_v4, c->port), size = sizeof(int);
	int sys = 0, one = 1;

	if (c->source) {
		socklen_t own = fill_address(&from, c->source->addr, c->address->is_v4, 0);

		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (bind(fd, &from.sa, own))
			return fail_sys(e, FAULT_TEMP, errno, "our address (source)");
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, &to.sa, n) == 0)
		return true;
	if (errno != EINPROGRESS)
		return fail_sys(e, FAULT_PEER, errno, "connect");
	if (!fd_wait(fd, POLLOUT, "connect", e))
		return e->timed_out ? fail(e, FAULT_PEER, "connect: no answer") : false;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &size) || sys)
		return fail_sys(e, FAULT_PEER, sys, "connect");
	return true;
}

SUSPENDS static bool open_connection(struct peer *s, const struct peer_call *c, struct err *e)
{
	int fd = socket(c->address->is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool ok = false;

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "socket");
	WITHIN(WAIT_CONNECT)
		ok = connect_fd(c, fd, e);
	if (!ok) {
		fd_wait_forget(fd);
		fd_end(&fd);
		return false;
	}
	note_from(s, fd);
	conn_init(&s->c, fd);
	if (c->may_come_from && !c->may_come_from(s->from))
		return fail(e, FAULT_PEER, "our IPv6 address has no name (ipv6 only-if-ptr)");
	return true;
}

/* -- TLS ---------------------------------------------------------------------------- */

static struct ssl_st *tls_session(const struct peer *s, const struct tls_want *w, struct err *e)
{
	char mem[380];
	struct buf key = buf_over(mem, sizeof(mem));
	struct ssl_st *ssl;

	buf_addf(&key, "%s %d %s " STR_FMT, s->address, (int)w->trust, s->host, STR_ARG(str_head(w->host, PEER_NAME_MAX)));
	ssl = tls_client_session(relay_tls(), w->host, w->trust, key.full ? S("") : buf_str(&key), e);
	if (ssl && w->trust == TLS_TRUST_DANE &&
	    !dane_demand(ssl, w->host, w->also, w->n_also, w->tlsa, w->n_tlsa, e)) {
		tls_client_drop(ssl);
		return NULL;
	}
	return ssl;
}

static void note_tls(struct peer *s, const struct tls_want *w)
{
	struct tls_facts f = conn_tls_facts(&s->c);
	struct str trouble = tls_client_trouble(s->c.ssl);
	struct buf chain = buf_on_heap(4096);

	s->is_verified = tls_client_is_verified(s->c.ssl);
	snprintf(s->tls, sizeof(s->tls), STR_FMT " " STR_FMT ", %s%s", STR_ARG(f.version), STR_ARG(f.cipher),
		 s->is_verified ? "verified" : "not verified", w->trust == TLS_TRUST_DANE ? " (DANE)" : "");
	if (s->steps) {
		steps_addf(s->steps, "tls", true, "%s%s", s->tls, tls_client_is_resumed(s->c.ssl) ? ", resumed" : "");
		tls_client_print_chain(s->c.ssl, &chain);
		steps_add(s->steps, "certificate", s->is_verified, buf_str(&chain));
		if (trouble.n)
			steps_add(s->steps, "certificate", false, trouble);
	}
	buf_end(&chain);
}

SUSPENDS static bool start_tls(struct peer *s, const struct tls_want *w, struct err *e)
{
	struct ssl_st *ssl = tls_session(s, w, e);
	bool ok = false;

	if (ssl)
		WITHIN(peer_patience(WAIT_TLS))
			ok = conn_start_tls_client(&s->c, ssl, e);
	if (ok) {
		note_tls(s, w);
		return true;
	}
	if (e->timed_out)
		fail(e, FAULT_PEER, "TLS handshake: no answer");
	s->is_broken = true;
	steps_add(s->steps, "tls", false, str_from_z(e->text));
	return false;
}

/* -- hello ---------------------------------------------------------------------------- */

/* A reply that ends it here: 5xx is remembered. */
static bool refuse(struct peer *s, const char *what, struct err *e)
{
	if (client_reply_class(s->r) == 5)
		s->permanent = s->r->code;
	return peer_refused(s, what, e);
}

/* A server that greets us with our own name is ourselves (RFC 5321 §6.3). */
static bool is_ourselves(const char *server)
{
	return str_eq_nocase(str_from_z(server), conf_now()->hostname);
}

static void note_server(struct peer *s, struct str text)
{
	struct str rest, first = str_cut(text, '\n', &rest), name = str_head(str_word(&first), PEER_NAME_MAX);

	snprintf(s->server, sizeof(s->server), STR_FMT, STR_ARG(name));
}

SUSPENDS static bool hello(struct peer *s, bool may_helo, struct err *e)
{
	char line[300];
	struct buf b = buf_over(line, sizeof(line));

	buf_addf(&b, "EHLO " STR_FMT, STR_ARG(s->helo.n ? s->helo : conf_now()->hostname));
	s->ext = (struct smtp_extensions){ 0 };
	if (!peer_ask(s, buf_str(&b), WAIT_HELLO, e))
		return false;
	s->is_esmtp = client_reply_class(s->r) == 2;
	if (!s->is_esmtp) {
		/* who does not know EHLO; but nobody talks us out of TLS and AUTH */
		if (client_reply_class(s->r) == 5 && !may_helo)
			return peer_refused(s, "EHLO", e);
		if (client_reply_class(s->r) != 5 || s->is_broken)
			return refuse(s, "EHLO", e);
		memcpy(line, "HELO", 4);
		if (!peer_ask(s, buf_str(&b), WAIT_HELLO, e))
			return false;
		if (client_reply_class(s->r) != 2)
			return refuse(s, "HELO", e);
	} else {
		smtp_extensions_parse(client_reply_text(s->r), &s->ext);
	}
	note_server(s, client_reply_text(s->r));
	s->ext.name = (struct str){ 0 };         /* it pointed into the reply */
	if (!s->may_be_us && is_ourselves(s->server)) {
		s->permanent = 554;
		return fail(e, FAULT_PERM, "this server is ourselves: a loop");
	}
	return true;
}

SUSPENDS static bool greeting(struct peer *s, struct err *e)
{
	if (!peer_read(s, WAIT_GREETING, e))
		return false;
	return s->r->code == 220 || refuse(s, "greeting", e);
}

/* RFC 3207 §4; what was learnt before is forgotten (§4.2). */
SUSPENDS static bool upgrade(struct peer *s, const struct tls_want *w, struct err *e)
{
	if (!(s->ext.set & SMTP_EXT_STARTTLS)) {
		if (w->use != TLS_USE_ALWAYS)
			return true;
		return fail(e, FAULT_PEER, "TLS is demanded (%s) and not offered", w->by);
	}
	s->stage = STAGE_STARTTLS;
	if (!peer_ask(s, S("STARTTLS"), WAIT_HELLO, e))
		return false;
	if (s->r->code != 220) {
		if (w->use != TLS_USE_ALWAYS && !s->is_broken)
			return true;
		return peer_refused(s, "STARTTLS", e);
	}
	if (!start_tls(s, w, e))
		return false;
	s->stage = STAGE_GREETING;
	return hello(s, false, e);
}

static void note_call(struct peer *s, const struct peer_call *c)
{
	char z[INET6_ADDRSTRLEN] = "";
	const uint8_t *addr = c->address->addr;
	static const uint8_t loopback6[16] = { [15] = 1 };

	inet_ntop(c->address->is_v4 ? AF_INET : AF_INET6, c->address->is_v4 ? addr + 12 : addr, z, sizeof(z));
	snprintf(s->address, sizeof(s->address), c->address->is_v4 ? "%s:%u" : "[%s]:%u", z, c->port);
	snprintf(s->host, sizeof(s->host), STR_FMT, STR_ARG(str_head(c->host, PEER_NAME_MAX)));
	s->is_loopback = (c->address->is_v4 && addr[12] == 127) || memcmp(addr, loopback6, 16) == 0;
}

SUSPENDS bool peer_open(struct peer *s, const struct peer_call *c, struct err *e)
{
	const struct tls_want *w = c->tls;
	struct peer_steps *steps = s->steps;

	*s = (struct peer){ .c = { .fd = -1 }, .steps = steps, .helo = c->helo, .may_be_us = c->may_be_us };
	note_call(s, c);
	s->r = calloc(1, sizeof(*s->r));
	if (!s->r)
		return fail(e, FAULT_TEMP, "no memory for a conversation");
	steps_addf(s->steps, "connect", true, "%s, %s", s->host, s->address);
	if (!open_connection(s, c, e)) {
		steps_add(s->steps, "connect", false, str_from_z(e->text));
		return false;
	}
	s->stage = w->is_wrapped ? STAGE_STARTTLS : STAGE_GREETING;
	if (w->is_wrapped && !start_tls(s, w, e))
		return false;
	s->stage = STAGE_GREETING;
	if (!greeting(s, e) || !hello(s, w->use != TLS_USE_ALWAYS && !c->user.n, e))
		return false;
	if (!w->is_wrapped && w->use != TLS_USE_NEVER && !upgrade(s, w, e))
		return false;
	s->stage = STAGE_AUTH;
	if (c->user.n && !peer_login(s, c->user, c->password, e))
		return false;
	s->stage = STAGE_READY;
	return true;
}

void peer_end(struct peer *s)
{
	conn_end(&s->c);
	free(s->r);
	s->r = NULL;
	s->is_broken = true;
}

SUSPENDS void peer_quit(struct peer *s)
{
	struct err e;

	if (!s->r)
		s->r = calloc(1, sizeof(*s->r));
	if (s->r && s->c.fd >= 0 && !s->is_broken) {
		peer_ask(s, S("QUIT"), WAIT_QUIT, &e);
		conn_close(&s->c);
	}
	peer_end(s);
}
