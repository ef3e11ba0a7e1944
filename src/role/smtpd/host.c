/* host.c — the name of a client, and whether it leads back to the client. */
#include "role/smtpd/standing.h"

#include "role/dns_for_trust.h"
#include "trust/iprev.h"

#include <stdlib.h>

SUSPENDS struct str host_find(const uint8_t addr[16], bool *ret_is_confirmed, struct arena *a)
{
	struct trust_dns dns = dns_for_trust();
	struct iprev r = { .result = IPREV_TEMPERROR };
	struct err ignored;

	(void)iprev_check(&dns, addr, a, &r, &ignored);
	*ret_is_confirmed = r.result == IPREV_PASS;
	return r.name;
}

SUSPENDS void session_find_host(struct session *s)
{
	AUTO(arena_end) struct arena a = { .limit = 256 * 1024 };
	struct str name;

	if (s->host_is_known)
		return;
	s->host_is_known = true;
	name = host_find(s->addr, &s->host_is_confirmed, &a);
	s->host = name.n ? strndup(name.p, name.n) : NULL;
	s->host_is_confirmed &= s->host != NULL;
}
