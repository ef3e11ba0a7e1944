/* conn.h — a conversation's byte stream: buffered, encrypted when asked for.
 *
 * It owns its descriptor, a non-blocking stream socket.  Reading and writing try
 * first, wait only if they must, and try again.  What waits for its peer holds
 * no buffers: bytes come in through one static block of the process and are
 * copied to memory of the size they need, which is freed before the next wait.
 *
 * The process ignores SIGPIPE. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct ssl_st;
struct tls_server;

enum {
	CONN_READ_MAX = 16384,           /* one TLS record */
	CONN_INPUT_MAX = 96 * 1024,      /* read and not yet eaten */
	CONN_GATHER_MAX = 4096,          /* conn_put sends by itself from here on */
};

struct conn {
	int fd;
	struct ssl_st *ssl;      /* NULL: in the clear */
	char *in;                /* NULL while nothing is pending and we wait */
	uint32_t in_at, in_n;    /* the pending bytes are in[in_at] … in[in_n - 1] */
	uint32_t in_cap;
	uint32_t streak;         /* bytes read since others ran */
	struct buf out;
	bool is_drained;         /* the last read took all there was: the next one waits first */
	bool eof;                /* the peer has ended its direction (TCP or close_notify) */
	bool broken;             /* nothing more can be sent */
};

struct tls_facts {
	struct str version;      /* "TLSv1.3"; empty in the clear */
	struct str cipher;       /* "TLS_AES_256_GCM_SHA384" */
	struct str sni;          /* the name the client asked for, if it looks like one */
};

/* Takes fd over. */
void conn_init(struct conn *c, int fd);
/* Frees everything and closes at once; unsent output is lost. */
void conn_end(struct conn *c);
/* Sends what is gathered and says goodbye (close_notify), for at most a second; then conn_end. */
SUSPENDS void conn_close(struct conn *c);

/* Read what there is, at least one byte.  Before it waits it sends what conn_put gathered, so
 * that the answers to pipelined commands leave together.  At the end of the stream: false,
 * FAULT_PEER, and c->eof. */
SUSPENDS bool conn_fill(struct conn *c, struct err *e);

/* The bytes read and not eaten; the slice holds until the next conn_fill or conn_start_tls. */
static inline struct str conn_pending(const struct conn *c)
{
	return (struct str){ c->in ? c->in + c->in_at : NULL, c->in_n - c->in_at };
}
/* n ≤ what is pending; slices stay good. */
void conn_eat(struct conn *c, size_t n);

/* Gather output; large amounts are sent on the way. */
SUSPENDS bool conn_put(struct conn *c, struct str s, struct err *e);
/* Send all that is gathered. */
SUSPENDS bool conn_flush(struct conn *c, struct err *e);
/* Put and flush. */
SUSPENDS bool conn_write(struct conn *c, struct str s, struct err *e);

/* Send what is gathered in the clear, then shake hands as the server.  Fails, having sent
 * nothing, if bytes are pending that came in the clear: they are an injected command (RFC 3207
 * §4.2) and the caller closes.  After any failure the caller closes. */
SUSPENDS bool conn_start_tls(struct conn *c, struct tls_server *t, struct err *e);
/* The same as the client: send what is gathered in the clear, then shake hands in a session of tls_client_session(),
 * which is taken over, also on failure.  Bytes that came behind the server's "go ahead" are refused. */
SUSPENDS bool conn_start_tls_client(struct conn *c, struct ssl_st *ssl, struct err *e);
/* The slices hold as long as the connection. */
struct tls_facts conn_tls_facts(const struct conn *c);

/* For channel binding: tls-exporter (RFC 9266), false without TLS 1.3; and tls-server-end-point, the
 * hash of our certificate (RFC 5929 §4): its length, 0 without TLS. */
enum { CONN_EXPORTER = 32, CONN_END_POINT_MAX = 64 };
bool conn_tls_exporter(const struct conn *c, uint8_t ret[CONN_EXPORTER]);
size_t conn_tls_end_point(const struct conn *c, uint8_t ret[CONN_END_POINT_MAX]);

/* What was eaten was a secret: overwrite it. */
void conn_wipe_eaten(struct conn *c);
