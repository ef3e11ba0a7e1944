/* sender_domain.h — is there such a domain, and could it receive an answer (RFC 5321 §5.1, RFC 7505)? */
#pragma once

#include "trust/trust_dns.h"

enum sender_domain_result {
	SENDER_DOMAIN_GOOD,
	SENDER_DOMAIN_NONE,      /* no such domain, or neither MX nor address records */
	SENDER_DOMAIN_NULL_MX,   /* it says itself that it takes no mail */
	SENDER_DOMAIN_TEMP,      /* not known now */
};

struct sender_domain {
	enum sender_domain_result result;
	struct str why;          /* unless GOOD: a sentence for the log */
};

/* Whether the hosts that its MX records name exist is not asked: that is the sender's postmaster's matter.
 * false as trust_dns.ask(). */
SUSPENDS bool sender_domain_check(const struct trust_dns *dns, struct str domain, struct arena *a,
				  struct sender_domain *ret, struct err *e);
