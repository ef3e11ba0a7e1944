/* session.h — IMAP and POP3 sessions of this account.
 *
 * The parent hands over one end of a stream; at the other end `login` carries the bytes to and
 * from a client whose password was right.  Each session is a fiber; all of the account's live in
 * this process.  TLS, pre-authentication and the client's address are login's matter. */
#pragma once

#include "conf/conf.h"
#include "fiber/fiber.h"

struct conn;
struct store;

struct session_facts {
	enum conf_proto protocol;
	struct str tag;          /* of the command that logged in: IMAP answers it first */
	struct str peer;         /* the client's address */
	struct str tls;          /* "TLSv1.3"; empty in the clear */
	uint32_t login;          /* which copy of login carries it, and its number there */
	uint64_t number;
	bool is_idle;            /* set by the session while it waits for its client's next command */
};

/* The whole conversation; both return when it is over, and write their last words themselves.
 * FAULT_CANCEL from a wait: the server stops, the client is told BYE. */
SUSPENDS void imap_session(struct conn *c, struct session_facts *f);
SUSPENDS void pop3_session(struct conn *c, struct session_facts *f);

/* `s` stays the caller's. */
void sessions_hear(struct store *s);
struct store *sessions_store(void);
size_t sessions_n(void);
/* The server stops: a session that comes back from a command says goodbye. */
bool sessions_are_leaving(void);
/* At the end of the process: wait for those that are still there. */
SUSPENDS void sessions_end(void);
