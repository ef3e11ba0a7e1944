/* session.c — one client: welcome, dialogue, and its bytes; see session.h. */
#include "role/login/session.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/map.h"
#include "fiber/carry.h"

#include <stdlib.h>

enum { TAG_LINE_MAX = 160 };             /* IMAP_TAG_MAX, CRLF */
#define USER_WITHIN (30 * SECOND)
#define HANDSHAKE_WITHIN MINUTE

static struct session *sessions;
static struct map by_number;

/* -- life ------------------------------------------------------------------ */

/* The listen line this socket was opened for; a reload may have moved it. */
static const struct conf_listen *listen_of(const struct conf *c, uint32_t index, uint16_t port)
{
	if (index < c->listens.n && c->listens.p[index].port == port)
		return &c->listens.p[index];
	for (size_t i = 0; i < c->listens.n; i++)
		if (c->listens.p[i].port == port &&
		    (c->listens.p[i].proto == CONF_IMAP || c->listens.p[i].proto == CONF_POP3))
			return &c->listens.p[i];
	return NULL;
}

static struct str key_of(const uint64_t *number)
{
	return str_of(number, sizeof(*number));
}

struct session *session_open(const struct front_client *c, uint64_t number)
{
	const struct conf_listen *listen = listen_of(conf_now(), c->listener, c->port);
	struct session *s = listen ? calloc(1, sizeof(*s)) : NULL;

	if (!s)
		return NULL;
	conn_init(&s->conn, c->fd);
	s->conf = conf_hold();
	s->protocol = listen->proto;
	s->tls = listen->tls;
	s->dialogue = listen->proto == CONF_POP3 ? &pop3_dialogue : &imap_dialogue;
	memcpy(s->addr, c->addr, sizeof(s->addr));
	front_print_peer(c->addr, s->peer);
	s->port = c->port;
	s->number = number;
	s->stream = -1;
	map_put(&by_number, key_of(&s->number), s);
	s->next = sessions;
	if (sessions)
		sessions->prev = s;
	sessions = s;
	return s;
}

struct session *session_find(uint64_t number)
{
	return map_get(&by_number, key_of(&number));
}

void session_close(struct session *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	map_remove(&by_number, key_of(&s->number));
	conn_end(&s->conn);
	if (s->stream >= 0) {
		fd_wait_forget(s->stream);
		fd_end(&s->stream);
	}
	free(s->tag);
	conf_release(&s->conf);
	free(s);
}

void sessions_stop(void)
{
	for (struct session *s = sessions; s; s = s->next)
		if (!s->is_carried && s->fiber)
			fiber_cancel(s->fiber);
}

/* -- TLS ------------------------------------------------------------------- */

bool session_may_log_in(const struct session *s)
{
	return session_has_tls(s) || s->tls == CONF_TLS_PLAINTEXT;
}

SUSPENDS bool session_start_tls(struct session *s, struct err *e)
{
	struct tls_facts f;
	bool ok = false;

	if (!front_tls())
		return fail(e, FAULT_TEMP, "there is no usable certificate");
	WITHIN(HANDSHAKE_WITHIN)
		ok = conn_start_tls(&s->conn, front_tls(), e);
	if (!ok) {
		log_info("starttls", "peer=%s result=failed why=%s", s->peer, LOGQ(str_from_z(e->text)));
		return false;
	}
	f = conn_tls_facts(&s->conn);
	log_debug("starttls", "peer=%s tls=" STR_FMT " cipher=" STR_FMT " name=%s", s->peer, STR_ARG(f.version),
		  STR_ARG(f.cipher), LOGQ(f.sni));
	return true;
}

/* -- the story ------------------------------------------------------------- */

SUSPENDS static void turn_away(struct session *s, struct str why)
{
	struct err e;

	log_info("refused", "peer=%s protocol=%s why=%s", s->peer, s->dialogue->name, LOGQ(why));
	/* before TLS nothing can be said to who expects it */
	if (s->tls != CONF_TLS_WRAPPED && conn_put(&s->conn, s->dialogue->busy, &e) && conn_put(&s->conn, why, &e))
		conn_write(&s->conn, S("\r\n"), &e);
}

/* May it come in at all?  Nothing was said to it yet. */
SUSPENDS static bool welcome(struct session *s)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct user_connect_answer r = { 0 };
	struct err e = { 0 };
	bool ok = false;

	WITHIN(USER_WITHIN)
		ok = user_connect(link_to(ROLE_USER), &(struct user_connect){ .peer = str_from_z(s->peer) }, &r, &a, &e);
	s->is_connected = ok && r.allow;
	if (!s->is_connected)
		turn_away(s, ok ? r.why : str_from_z("out of resources, come back later"));
	return s->is_connected;
}

/* Why it ended before anybody was known. */
SUSPENDS static void say_end(struct session *s, const struct err *e)
{
	struct err lost;

	log_info("disconnect", "peer=%s protocol=%s tls=" STR_FMT " failures=%u why=%s", s->peer, s->dialogue->name,
		 STR_ARG(conn_tls_facts(&s->conn).version), s->failures, LOGQ(str_from_z(e->text)));
	if (s->conn.broken || (s->tls == CONF_TLS_WRAPPED && !session_has_tls(s)))
		return;
	if (e->fault == FAULT_CANCEL)
		conn_write(&s->conn, s->dialogue->stopping, &lost);
	else if (e->timed_out)
		conn_write(&s->conn, s->dialogue->too_slow, &lost);
}

SUSPENDS static bool log_in(struct session *s)
{
	struct err e = { 0 };
	bool ok = false;

	WITHIN(s->conf->c.login.patience) {
		ok = (s->tls != CONF_TLS_WRAPPED || session_start_tls(s, &e)) && s->dialogue->converse(s, &e);
	}
	if (!ok)
		say_end(s, &e);
	return ok;
}

/* The tag, for the mailbox to answer. */
static struct str first_line(const struct session *s, char mem[TAG_LINE_MAX])
{
	struct buf b = buf_over(mem, TAG_LINE_MAX);

	buf_addf(&b, "%s\r\n", s->tag ? s->tag : "");
	return buf_str(&b);
}

/* Its bytes, until one side ends. */
SUSPENDS static void carry_session(struct session *s)
{
	char mem[TAG_LINE_MAX];
	struct carried facts;
	struct err e;

	conf_release(&s->conf);
	s->is_carried = true;
	if (conn_flush(&s->conn, &e) && fd_set_nonblocking(s->stream, &e) &&
	    carry(&s->conn, s->stream, first_line(s, mem), &facts, &e))
		log_info("disconnect", "peer=%s protocol=%s session=%llx in=%llu out=%llu why=\"%s\"", s->peer,
			 s->dialogue->name, (unsigned long long)s->number, (unsigned long long)facts.in,
			 (unsigned long long)facts.out, facts.why);
	else
		log_info("disconnect", "peer=%s protocol=%s session=%llx why=%s", s->peer, s->dialogue->name,
			 (unsigned long long)s->number, LOGQ(str_from_z(e.text)));
}

SUSPENDS void session_run(void *session)
{
	struct session *s = session;

	s->fiber = fiber_self();
	log_debug("connect", "peer=%s port=%u", s->peer, s->port);
	if (welcome(s) && log_in(s))
		carry_session(s);
	if (s->is_logged_in)
		user_logout(link_to(ROLE_USER), &(struct user_logout){ .session = s->number });
	if (s->is_connected)
		user_disconnect(link_to(ROLE_USER), &(struct user_disconnect){ .peer = str_from_z(s->peer) });
	conn_close(&s->conn);
	session_close(s);
}
