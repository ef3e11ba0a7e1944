/* conn.c — a conversation's byte stream; see conn.h.
 *
 * OpenSSL works on the socket itself and says WANT_READ or WANT_WRITE; we wait
 * outside of it, so that it can free its record buffers meanwhile
 * (SSL_MODE_RELEASE_BUFFERS).  Its error queue belongs to the thread and so to
 * all fibers: it is cleared right before each call. */
#include "fiber/conn.h"

#include "base/fd.h"
#include "base/time.h"
#include "fiber/conn_try.h"
#include "fiber/fiber.h"
#include "fiber/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	STREAK_MAX = 64 * 1024,          /* after so many bytes without a wait the others run */
	GOODBYE_US = 1000000,
	DRAIN_MAX = 16 * 1024 * 1024,    /* bytes read behind our last words */
};

/* Where bytes come in, of whichever connection: copied before the others run. */
static _Alignas(SCRATCH_ALIGN) char block[CONN_READ_MAX];

void conn_init(struct conn *c, int fd)
{
	struct err e;

	*c = (struct conn){ .fd = fd, .out = buf_on_heap(2 * CONN_GATHER_MAX) };
	must(fd_set_nonblocking(fd, &e), "a connection is no descriptor");
	loop_scratch(block, sizeof(block));
}

void conn_end(struct conn *c)
{
	SSL_free(c->ssl);
	if (c->fd > 0) {
		fd_wait_forget(c->fd);
		fd_end(&c->fd);
	}
	free(c->in);
	buf_end(&c->out);
	*c = (struct conn){ .fd = -1 };
}

/* Is this errno only "not now"? */
static bool is_later(int sys)
{
	return sys == EAGAIN || sys == EINTR;
}

/* Our own signer's failure is not the client's fault. */
static bool fail_tls(struct err *e, const char *what)
{
	const char *data;
	int flags;
	unsigned long code = ERR_peek_error_data(&data, &flags);

	if (ERR_GET_LIB(code) == ERR_LIB_USER)
		return fail(e, FAULT_TEMP, "%s: %s", what, flags & ERR_TXT_STRING ? data : "no signature");
	data = code ? ERR_reason_error_string(code) : NULL;
	return fail(e, FAULT_PEER, "%s: %s", what, data ? data : "the connection broke");
}

/* How the SSL call that returned r ended. */
static enum outcome tls_outcome(struct conn *c, int r, const char *what, struct try *ret, struct err *e)
{
	int sys = errno;

	switch (SSL_get_error(c->ssl, r)) {
	case SSL_ERROR_NONE:
		ret->n = r > 0 ? (size_t)r : 0;
		return OUTCOME_DONE;
	case SSL_ERROR_WANT_READ:
		ret->events = POLLIN;
		return OUTCOME_WAIT;
	case SSL_ERROR_WANT_WRITE:
		ret->events = POLLOUT;
		return OUTCOME_WAIT;
	case SSL_ERROR_ZERO_RETURN:
		return OUTCOME_END;
	case SSL_ERROR_SYSCALL:
		c->broken = true;
		fail_sys(e, FAULT_PEER, sys, "%s", what);
		return OUTCOME_FAILED;
	default:
		/* after this OpenSSL allows no SSL_shutdown either */
		c->broken = true;
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return OUTCOME_END;
		fail_tls(e, what);
		return OUTCOME_FAILED;
	}
}

enum outcome conn_try_read(struct conn *c, char *to, size_t n, struct try *ret, struct err *e)
{
	ssize_t got;

	if (c->ssl) {
		ERR_clear_error();
		errno = 0;
		return tls_outcome(c, SSL_read(c->ssl, to, (int)n), "read", ret, e);
	}
	if (c->is_drained) {
		c->is_drained = false;
		ret->events = POLLIN;
		return OUTCOME_WAIT;
	}
	got = recv(c->fd, to, n, 0);
	if (got > 0) {
		c->is_drained = (size_t)got < n;
		ret->n = (size_t)got;
		return OUTCOME_DONE;
	}
	if (got == 0)
		return OUTCOME_END;
	ret->events = POLLIN;
	if (is_later(errno))
		return OUTCOME_WAIT;
	c->broken = true;
	fail_sys(e, FAULT_PEER, errno, "read");
	return OUTCOME_FAILED;
}

enum outcome conn_try_write(struct conn *c, struct str s, struct try *ret, struct err *e)
{
	ssize_t put;

	if (c->ssl) {
		ERR_clear_error();
		errno = 0;
		return tls_outcome(c, SSL_write(c->ssl, s.p, (int)str_head(s, CONN_READ_MAX).n),
			"write", ret, e);
	}
	put = send(c->fd, s.p, s.n, MSG_NOSIGNAL);
	if (put >= 0) {
		ret->n = (size_t)put;
		return OUTCOME_DONE;
	}
	ret->events = POLLOUT;
	if (is_later(errno))
		return OUTCOME_WAIT;
	c->broken = true;
	fail_sys(e, FAULT_PEER, errno, "write");
	return OUTCOME_FAILED;
}

/* Add to the pending bytes; the memory is of the size that is needed. */
static bool input_add(struct conn *c, struct str s, struct err *e)
{
	size_t pending = c->in_n - c->in_at, need = pending + s.n, cap = 512;

	if (need > c->in_cap) {
		char *p;

		while (cap < need)
			cap *= 2;
		p = malloc(cap);
		if (!p)
			return fail(e, FAULT_TEMP, "no memory for input");
		if (pending)
			memcpy(p, c->in + c->in_at, pending);
		free(c->in);
		c->in = p;
		c->in_cap = (uint32_t)cap;
		c->in_at = 0;
	} else if (c->in_at && c->in_n + s.n > c->in_cap) {
		memmove(c->in, c->in + c->in_at, pending);
		c->in_at = 0;
	}
	c->in_n = c->in_at + (uint32_t)pending;
	memcpy(c->in + c->in_n, s.p, s.n);
	c->in_n += (uint32_t)s.n;
	return true;
}

void conn_input_release(struct conn *c)
{
	free(c->in);
	c->in = NULL;
	c->in_at = c->in_n = c->in_cap = 0;
}

/* The others run once in a while, even if the peer is always faster than we. */
SUSPENDS static void take_turns(struct conn *c, size_t n)
{
	c->streak += (uint32_t)n;
	if (c->streak >= STREAK_MAX) {
		c->streak = 0;
		breathe();
	}
}

SUSPENDS static bool fill_wait(struct conn *c, short events, struct err *e)
{
	if (!conn_flush(c, e))
		return false;
	if (c->in_at == c->in_n)
		conn_input_release(c);
	c->streak = 0;
	return fd_wait(c->fd, events, "read", e);
}

SUSPENDS bool conn_fill(struct conn *c, struct err *e)
{
	size_t room = CONN_INPUT_MAX - (c->in_n - c->in_at);
	struct try try = { 0 };

	must(room > 0, "a reader lets its input grow without end");
	while (!c->eof) {
		if (!fiber_check(e))
			return false;
		switch (conn_try_read(c, block, room < sizeof(block) ? room : sizeof(block), &try, e)) {
		case OUTCOME_DONE:
			if (!input_add(c, str_of(block, try.n), e))
				return false;
			take_turns(c, try.n);
			return true;
		case OUTCOME_END:
			c->eof = true;
			break;
		case OUTCOME_WAIT:
			if (!fill_wait(c, try.events, e))
				return false;
			break;
		case OUTCOME_FAILED:
			return false;
		}
	}
	return fail(e, FAULT_PEER, "the peer closed the connection");
}

void conn_eat(struct conn *c, size_t n)
{
	must(n <= c->in_n - c->in_at, "more eaten than was read");
	c->in_at += (uint32_t)n;
}

void conn_wipe_eaten(struct conn *c)
{
	if (c->in)
		explicit_bzero(c->in, c->in_at);
	explicit_bzero(block, sizeof(block));
}

SUSPENDS static bool send_all(struct conn *c, struct str s, struct err *e)
{
	struct try try = { 0 };

	if (c->broken)
		return fail(e, FAULT_PEER, "write: the connection is broken");
	while (s.n)
		switch (conn_try_write(c, s, &try, e)) {
		case OUTCOME_DONE:
			s = str_from(s, try.n);
			break;
		case OUTCOME_WAIT:
			if (!fd_wait(c->fd, try.events, "write", e)) {
				/* part of it may have left: what follows would be read as its rest */
				c->broken = true;
				return false;
			}
			break;
		case OUTCOME_END:
			c->broken = true;
			return fail(e, FAULT_PEER, "write: the peer closed the connection");
		case OUTCOME_FAILED:
			return false;
		}
	return true;
}

SUSPENDS bool conn_flush(struct conn *c, struct err *e)
{
	bool ok;

	if (c->out.n == 0)
		return true;
	ok = send_all(c, buf_str(&c->out), e);
	buf_end(&c->out);
	c->out = buf_on_heap(2 * CONN_GATHER_MAX);
	return ok;
}

SUSPENDS bool conn_put(struct conn *c, struct str s, struct err *e)
{
	if (c->out.n + s.n > CONN_GATHER_MAX && !conn_flush(c, e))
		return false;
	if (s.n > CONN_GATHER_MAX)
		return send_all(c, s, e);
	buf_add(&c->out, s);
	if (c->out.full)
		return fail(e, FAULT_TEMP, "no memory for output");
	return true;
}

SUSPENDS bool conn_write(struct conn *c, struct str s, struct err *e)
{
	return conn_put(c, s, e) && conn_flush(c, e);
}

struct handshake {
	SSL *ssl;
	int r, sys;
};

/* A client follows the chain of a stranger, to unknown depths. */
static void handshake_step(void *arg)
{
	struct handshake *h = arg;

	ERR_clear_error();
	errno = 0;
	h->r = SSL_do_handshake(h->ssl);
	h->sys = errno;
}

SUSPENDS static bool handshake(struct conn *c, struct err *e)
{
	struct try try = { 0 };

	for (;;) {
		struct handshake h = { .ssl = c->ssl };

		if (SSL_is_server(c->ssl))
			handshake_step(&h);
		else
			on_loop_stack(handshake_step, &h);
		errno = h.sys;
		switch (tls_outcome(c, h.r, "TLS handshake", &try, e)) {
		case OUTCOME_DONE:
			return true;
		case OUTCOME_WAIT:
			if (!fd_wait(c->fd, try.events, "TLS handshake", e))
				return fail_in(e, "TLS handshake");
			break;
		case OUTCOME_END:
			c->eof = true;
			return fail(e, FAULT_PEER, "TLS handshake: the peer closed the connection");
		case OUTCOME_FAILED:
			/* if the signer was told to stop, that is what went wrong */
			fiber_check(e);
			return false;
		}
	}
}

/* Until the ClientHello begins: who asked for TLS and then says nothing costs no session. */
SUSPENDS static bool hello_wait(struct conn *c, struct err *e)
{
	char first;

	while (recv(c->fd, &first, 1, MSG_PEEK) < 0) {
		if (!is_later(errno))
			return fail_sys(e, FAULT_PEER, errno, "TLS handshake");
		if (!fd_wait(c->fd, POLLIN, "TLS handshake", e))
			return fail_in(e, "TLS handshake");
	}
	return true;
}

SUSPENDS bool conn_start_tls(struct conn *c, struct tls_server *t, struct err *e)
{
	must(!c->ssl, "TLS inside TLS");
	if (conn_pending(c).n)
		return fail(e, FAULT_PEER, "bytes in the clear behind STARTTLS");
	if (!tls_server_is_set(t))
		return fail(e, FAULT_TEMP, "no certificate yet");
	if (!conn_flush(c, e))
		return false;
	conn_input_release(c);
	if (!hello_wait(c, e))
		return false;
	c->ssl = tls_server_session(t, c->fd);
	if (!c->ssl)
		return fail(e, FAULT_TEMP, "no memory for TLS");
	if (handshake(c, e))
		return true;
	c->broken = true;
	return false;
}

SUSPENDS bool conn_start_tls_client(struct conn *c, struct ssl_st *ssl, struct err *e)
{
	bool ok = true;

	must(!c->ssl, "TLS inside TLS");
	if (conn_pending(c).n)
		ok = fail(e, FAULT_PEER, "bytes in the clear behind STARTTLS");
	else if (!conn_flush(c, e))
		ok = false;
	else if (!SSL_set_fd(ssl, c->fd))
		ok = fail(e, FAULT_TEMP, "no memory for TLS");
	if (!ok) {
		SSL_free(ssl);
		return false;
	}
	conn_input_release(c);
	c->is_drained = false;
	c->ssl = ssl;
	if (handshake(c, e))
		return true;
	c->broken = true;
	if (e->fault == FAULT_PEER && SSL_get_verify_result(ssl) != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
		fail(e, FAULT_PEER, "the certificate is not believed: %s",
		     X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
	return false;
}

struct tls_facts conn_tls_facts(const struct conn *c)
{
	if (!c->ssl)
		return (struct tls_facts){ 0 };
	return (struct tls_facts){
		.version = str_from_z(SSL_get_version(c->ssl)),
		.cipher = str_from_z(SSL_get_cipher_name(c->ssl)),
		.sni = tls_session_name(c->ssl),
	};
}

bool conn_tls_exporter(const struct conn *c, uint8_t ret[CONN_EXPORTER])
{
	static const char label[] = "EXPORTER-Channel-Binding";

	return c->ssl && SSL_version(c->ssl) >= TLS1_3_VERSION &&
	       SSL_export_keying_material(c->ssl, ret, CONN_EXPORTER, label, sizeof(label) - 1, NULL, 0, 1) == 1;
}

/* The hash is that of the certificate's signature, SHA-256 in place of MD5 and SHA-1   RFC 5929 §4.1 */
size_t conn_tls_end_point(const struct conn *c, uint8_t ret[CONN_END_POINT_MAX])
{
	X509 *own = c->ssl ? SSL_get_certificate(c->ssl) : NULL;
	int digest = NID_undef;
	const EVP_MD *md;
	unsigned n = 0;

	if (!own)
		return 0;
	OBJ_find_sigid_algs(X509_get_signature_nid(own), &digest, NULL);
	md = digest == NID_undef || digest == NID_md5 || digest == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(digest);
	if (!md || EVP_MD_get_size(md) > CONN_END_POINT_MAX || !X509_digest(own, md, ret, &n))
		n = 0;
	ERR_clear_error();
	return n;
}

/* Unread input makes close() send a reset, which may overtake our last words: who is still
 * sending is read on for a while. */
SUSPENDS static void drain(struct conn *c)
{
	char waste[2048];
	ssize_t n;
	struct err e;

	shutdown(c->fd, SHUT_WR);
	WITHIN(GOODBYE_US)
		for (size_t all = 0; all < DRAIN_MAX; all += n > 0 ? (size_t)n : 0) {
			n = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);
			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
				return;
			if (n < 0 && (all == 0 || !fiber_inside() || !fd_wait(c->fd, POLLIN, "the peer's end", &e)))
				return;
		}
}

SUSPENDS void conn_close(struct conn *c)
{
	struct err e;

	if (c->fd < 0)
		return;
	WITHIN(GOODBYE_US) {
		if (conn_flush(c, &e) && c->ssl && !c->broken) {
			ERR_clear_error();
			SSL_shutdown(c->ssl);    /* tried once: a peer that does not read gets none */
		}
	}
	drain(c);
	conn_end(c);
}
