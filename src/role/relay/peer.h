/* peer.h — a conversation with another server, from connect to QUIT.
 *
 * It says what is asked for and reads replies; what follows from them for a
 * letter says transaction.h.  A session that is not broken may carry the next
 * letter (pool.h). */
#pragma once

#include "base/time.h"
#include "conf/conf.h"
#include "dns/ask.h"
#include "fiber/conn.h"
#include "role/relay/tls_want.h"
#include "wire/smtp_client_reply.h"
#include "wire/smtp_extensions.h"

/* How long each answer may take (RFC 5321 §4.5.3.2), scaled by `patience`; connect and TLS are our own. */
#define WAIT_CONNECT (30 * SECOND)
#define WAIT_TLS (60 * SECOND)
#define WAIT_GREETING (5 * MINUTE)
#define WAIT_HELLO (5 * MINUTE)
#define WAIT_MAIL (5 * MINUTE)
#define WAIT_RCPT (5 * MINUTE)
#define WAIT_DATA (2 * MINUTE)
#define WAIT_BLOCK (3 * MINUTE)
#define WAIT_END (10 * MINUTE)
#define WAIT_QUIT (5 * SECOND)
#define WAIT_RSET (20 * SECOND)
#define WAIT_AUTH (2 * MINUTE)

enum { PEER_NAME_MAX = 255, PEER_ADDRESS_MAX = 56, PEER_TLS_MAX = 160, PEER_STEPS_MAX = 200 };

/* What happened, for `waxwing test smtp`. */
struct peer_step {
	const char *what;        /* "client", "server", "tls" … */
	bool is_good;
	struct str text;
};
struct peer_steps {
	struct arena *a;
	struct peer_step *p;
	size_t n;
};
void steps_add(struct peer_steps *to, const char *what, bool is_good, struct str text);
PRINTF_LIKE(4, 5) void steps_addf(struct peer_steps *to, const char *what, bool is_good, const char *fmt, ...);

/* How far it came; what failed there says whether another server or way is tried. */
enum peer_stage {
	STAGE_CONNECT,
	STAGE_GREETING,          /* until EHLO is answered */
	STAGE_STARTTLS,          /* until TLS stands */
	STAGE_AUTH,
	STAGE_READY,
};

struct peer {
	struct conn c;
	struct client_reply *r;          /* while it is in use */
	struct smtp_extensions ext;
	char host[PEER_NAME_MAX + 1]; /* whom we called */
	char server[PEER_NAME_MAX + 1];       /* what it calls itself */
	char address[PEER_ADDRESS_MAX];       /* "192.0.2.1:25", "[2001:db8::1]:25" */
	char tls[PEER_TLS_MAX];       /* "TLSv1.3 TLS_AES_256_GCM_SHA384, verified (DANE)"; empty: in the clear */
	uint8_t from[16];                /* our address */
	bool is_verified, is_loopback;
	bool is_esmtp;
	bool is_broken;                  /* it cannot be used again */
	bool was_421;                    /* the server wants to be left alone */
	enum peer_stage stage;
	unsigned permanent;              /* the code that ended it before a letter, if it was 5xx; else 0 */
	unsigned letters;
	struct str helo;                 /* of the call */
	bool may_be_us;
	struct peer_steps *steps;     /* NULL: nobody listens */
};

/* Opens the connection and goes as far as EHLO, TLS and AUTH demand.  source: ours, or NULL.  On failure *e says why,
 * s->stage how far it came; peer_end() is called in either case. */
struct peer_call {
	struct str host;
	const struct dns_address *address;
	uint16_t port;
	const struct conf_net *source;   /* or NULL */
	const struct tls_want *tls;
	struct str user, password;       /* empty user: no AUTH */
	struct str helo;                 /* how we greet; empty: by our host name */
	bool may_be_us;                  /* to be greeted by ourselves is no loop */
	/* Is this address of ours good enough to be seen?  NULL: any. */
	SUSPENDS bool (*may_come_from)(const uint8_t ours[16]);
};
SUSPENDS bool peer_open(struct peer *s, const struct peer_call *c, struct err *e);
void peer_end(struct peer *s);
/* QUIT, then the end. */
SUSPENDS void peer_quit(struct peer *s);

/* Put a line, without CRLF; it leaves with the next read. */
SUSPENDS bool peer_put(struct peer *s, struct str line, struct err *e);
/* The next reply, into s->r.  False: there was none, and the session is broken. */
SUSPENDS bool peer_read(struct peer *s, int64_t within, struct err *e);
/* The server stopped taking what we send: what it said about that, if anything, into s->r. */
SUSPENDS bool peer_last_words(struct peer *s);
/* Both. */
SUSPENDS bool peer_ask(struct peer *s, struct str line, int64_t within, struct err *e);
/* The same for a line with a secret: it is neither shown nor left in memory. */
SUSPENDS bool peer_ask_secret(struct peer *s, struct str line, int64_t within, struct err *e);
/* Time as `patience` scales it. */
int64_t peer_patience(int64_t us);
/* Fail with the last reply. */
bool peer_refused(struct peer *s, const char *what, struct err *e);

/* login.c: AUTH with what the server and we know best.  Only where the password is safe. */
SUSPENDS bool peer_login(struct peer *s, struct str user, struct str password, struct err *e);
