/* sasl_exchange.h — AUTHENTICATE and AUTH: SASL between a client and `user`.
 *
 * IMAP, POP3 and SMTP write it alike: "+ " or "334 " and base64, and a line of base64 or "*" back. */
#pragma once

#include "role/credentials.h"
#include "wire/sasl.h"

struct buf;

/* The mechanisms that may be offered now, `before` in front of each: " AUTH=SCRAM-SHA-256 AUTH=PLAIN".
 * Nothing while no password may be said. */
void sasl_add_offers(struct buf *b, const struct claimant *c, struct str before);
/* May this one be used now? */
bool sasl_is_offered(const struct claimant *c, enum sasl_mechanism m);

struct sasl_end {
	enum sasl_why why;       /* the exchange itself failed, unless it is NONE */
	bool is_for_other;       /* it wanted to act for another user */
	struct verdict verdict;  /* else; LOGIN_OK: it is logged in */
};
/* `initial` is base64 as it was written.  false: the conversation cannot go on. */
SUSPENDS bool sasl_exchange(struct claimant *c, enum sasl_mechanism m, bool has_initial, struct str initial,
			    struct arena *a, struct sasl_end *ret, struct err *e);
