/* iprev.h — does the client's address have a name, and does the name lead back (RFC 8601 §3)?
 *
 * A PTR record alone is said by whoever owns the address; only a name whose own zone has that address
 * is confirmed.  The DNS that could not be asked says nothing: FAILED and DEFERRED are kept apart. */
#pragma once

#include "trust/trust_dns.h"

enum { IPREV_NAMES_MAX = 10 };           /* PTR records that are looked at (as RFC 7208 §4.6.4 has it) */

enum iprev_result {
	IPREV_PASS,
	IPREV_FAIL,              /* no name, or none that leads back */
	IPREV_TEMP,              /* not known now */
};

struct iprev {
	enum iprev_result result;
	struct str name;         /* the confirmed one; else the first that the PTR says, or empty */
	struct str why;          /* unless PASS: a sentence for the log */
};

/* addr: IPv4 as ::ffff:a.b.c.d.  Strings lie in the arena.  false as trust_dns.ask(). */
SUSPENDS bool iprev_check(const struct trust_dns *dns, const uint8_t addr[16], struct arena *a, struct iprev *ret,
			  struct err *e);
