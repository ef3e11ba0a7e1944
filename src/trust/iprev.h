/* iprev.h — has the client a name that leads back to it?  RFC 8601 §3, "forward-confirmed reverse DNS". */
#pragma once

#include "base/time.h"
#include "trust/trust_dns.h"

enum { IPREV_NAMES_MAX = 10 };           /* PTR names whose addresses are asked for */
#define IPREV_WITHIN (20 * SECOND)

enum iprev_result {      /* RFC 8601 §2.7.3 */
	IPREV_PASS,
	IPREV_FAIL,      /* it has names, none of them leads back */
	IPREV_TEMPERROR, /* the DNS does not say: this may change */
	IPREV_PERMERROR, /* it has no name */
};

struct iprev {
	enum iprev_result result;
	struct str name;         /* the confirmed one; with FAIL and perhaps TEMPERROR the first of the others */
	struct str why;          /* unless PASS: a sentence for the log */
};

const char *iprev_result_name(enum iprev_result r);
/* ip: IPv4 as ::ffff:a.b.c.d.  The name lies in the arena.  false only if the fiber was cancelled or an outer deadline
 * passed. */
SUSPENDS bool iprev_check(const struct trust_dns *dns, const uint8_t ip[16], struct arena *a, struct iprev *ret,
			  struct err *e);
