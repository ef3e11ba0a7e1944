/* credentials.h — what a client says to prove who it is, and what `user` thinks of it.
 *
 * For all roles in which somebody logs in: `login` (IMAP, POP3) and `smtpd` (AUTH). */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "conf/conf.h"
#include "user/login_result.h"

struct conn;

/* Who wants to log in on a connection; its owner embeds it. */
struct claimant {
	struct conn *conn;
	const char *peer;
	uint64_t session;
	enum conf_proto protocol;
	bool is_clear_fine;              /* the listen line takes passwords without TLS */
	struct str challenge;            /* in front of what SASL says: "+ ", "334 " */
	/* The password was right: wait for what follows from it.  It is not wanted any more.  Both may be NULL. */
	SUSPENDS bool (*admit)(struct claimant *c, struct err *e);
	void (*give_back)(struct claimant *c);
	unsigned failures;               /* wrong passwords */
	bool is_logged_in;               /* `user` counts it as a session of an account */
};

struct credentials {
	struct str mechanism;    /* for the log: "PLAIN", "LOGIN", "USER", "SCRAM-SHA-256" … */
	struct str name;
	struct str password;     /* or, for SCRAM: */
	struct str auth_message, proof;
};

struct verdict {
	enum login_result result;
	struct str text;         /* for the client */
	struct str server_signature;
};

/* The sentence for whoever is unknown or has a wrong password. */
extern const struct str login_failed_text;

/* In prepare(): `user` says whether SCRAM may be offered. */
void credentials_hear(void);
bool scram_is_offered(void);

/* May a password be said now?  Not in the clear, but where the listen line allows it. */
bool claimant_may_log_in(const struct claimant *c);
/* A wrong password takes its time, and is counted. false: the conversation cannot go on. */
SUSPENDS bool credentials_check(struct claimant *c, const struct credentials *q, struct arena *a, struct verdict *ret,
				struct err *e);
/* Its session does not count any more. */
void claimant_log_out(struct claimant *c);
