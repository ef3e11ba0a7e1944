/* credentials.h — what a client says to prove who it is, and what `user` thinks of it. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "user/login_result.h"

struct guest;

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

/* After LOGIN_OK g->stream is there.  A wrong password takes its time, and is counted. false: the
 * conversation cannot go on. */
SUSPENDS bool credentials_check(struct guest *g, const struct credentials *c, struct arena *a, struct verdict *ret,
				struct err *e);
