/* host.c — the name of a client, and whether it leads back to the client (RFC 8601 §2.7.3, "iprev"). */
#include "role/smtpd/standing.h"

#include "dns/ask.h"

#include <stdlib.h>

enum { NAMES_MAX = 10 };                 /* PTR records that are looked at */
#define DNS_WITHIN (20 * SECOND)

SUSPENDS static bool leads_back(const struct session *s, struct str name, struct arena *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool is_v4 = memcmp(s->addr, mapped, sizeof(mapped)) == 0;
	struct dns_addresses found = { 0 };
	struct err e;

	if (!dns_addresses(name, is_v4 ? AF_INET : AF_INET6, a, &found, &e))
		return false;
	for (size_t i = 0; i < found.n; i++)
		if (memcmp(found.p[i].addr, s->addr, sizeof(s->addr)) == 0)
			return true;
	return false;
}

static void keep(struct session *s, struct str name, bool is_confirmed)
{
	free(s->host);
	s->host = strndup(name.p, name.n);
	s->host_is_confirmed = is_confirmed && s->host;
}

SUSPENDS void session_find_host(struct session *s)
{
	AUTO(arena_end) struct arena a = { .limit = 256 * 1024 };
	struct dns_names names = { 0 };
	struct err e;

	if (s->host_is_known)
		return;
	s->host_is_known = true;
	WITHIN(DNS_WITHIN) {
		(void)dns_ptr(str_from_z(s->peer), &a, &names, &e);
		for (size_t i = 0; i < names.n && i < NAMES_MAX && !s->host_is_confirmed; i++) {
			bool is_good = leads_back(s, names.p[i], &a);

			if (is_good || i == 0)
				keep(s, names.p[i], is_good);
		}
	}
}
