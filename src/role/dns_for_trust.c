/* dns_for_trust.c — see dns_for_trust.h.
 *
 * The rules ask the same again and again: the records of one domain for letter after letter.  So an answer is kept here
 * for seconds, which spares the way to `dns`; each has one place, where the next one with that hash takes it. */
#include "role/dns_for_trust.h"

#include "base/map.h"
#include "base/time.h"
#include "dns/ask.h"

#include <stdlib.h>

enum { KEPT_SLOTS = 512, KEPT_BYTES_MAX = 4096 };
#define KEPT_FOR (20 * SECOND)           /* at most, or as long as its TTL */

struct kept {
	int64_t until;           /* time_mono() */
	uint16_t type;
	enum dns_outcome outcome;
	bool is_secure;
	struct str name;         /* it and the records lie behind */
	size_t n;
	struct str p[];
};

static struct kept *slots[KEPT_SLOTS];

static struct kept **slot_of(struct str name, uint16_t type)
{
	return &slots[(hash_keyed(name) ^ type) % KEPT_SLOTS];
}

/* A copy: whoever waits meanwhile does not see the slot change. */
static bool find(struct str name, uint16_t type, struct arena *a, struct trust_answer *ret)
{
	const struct kept *k = *slot_of(name, type);
	struct trust_answer r;

	if (!k || k->type != type || !str_eq(k->name, name) || time_mono() >= k->until)
		return false;
	r = (struct trust_answer){ .outcome = k->outcome, .is_secure = k->is_secure,
				   .p = k->n ? ARENA_ARRAY(a, struct str, k->n) : NULL };
	for (; r.p && r.n < k->n; r.n++)
		r.p[r.n] = arena_str(a, k->p[r.n]);
	*ret = r;
	return r.n == k->n && !a->full;
}

static void keep(struct str name, uint16_t type, uint32_t ttl, const struct trust_answer *r)
{
	struct kept **slot = slot_of(name, type), *k;
	size_t bytes = name.n;
	char *to;

	for (size_t i = 0; i < r->n; i++)
		bytes += r->p[i].n;
	if (!ttl || r->outcome == DNS_TEMP || r->outcome == DNS_BOGUS || bytes + r->n * sizeof(struct str) > KEPT_BYTES_MAX)
		return;
	k = malloc(sizeof(*k) + r->n * sizeof(struct str) + bytes);
	if (!k)
		return;
	*k = (struct kept){ .until = time_mono() + (ttl < KEPT_FOR / SECOND ? ttl * SECOND : KEPT_FOR), .type = type,
			    .outcome = r->outcome, .is_secure = r->is_secure, .n = r->n };
	to = (char *)&k->p[r->n];
	memcpy(to, name.p, name.n);
	k->name = str_of(to, name.n);
	to += name.n;
	for (size_t i = 0; i < r->n; i++) {
		if (r->p[i].n)
			memcpy(to, r->p[i].p, r->p[i].n);
		k->p[i] = str_of(to, r->p[i].n);
		to += r->p[i].n;
	}
	free(*slot);
	*slot = k;
}

SUSPENDS static bool ask(void *unused, struct str name, uint16_t type, struct arena *a, struct trust_answer *ret,
			 struct err *e)
{
	struct dns_records r;

	(void)unused;
	if (find(name, type, a, ret))
		return true;
	if (!dns_raw(name, type, a, &r, e))
		return false;
	*ret = (struct trust_answer){ .outcome = r.said.outcome, .is_secure = r.said.is_secure, .p = r.p, .n = r.n };
	if (r.said.outcome != DNS_FOUND)
		ret->n = 0;
	keep(name, type, r.said.ttl, ret);
	return true;
}

struct trust_dns dns_for_trust(void)
{
	return (struct trust_dns){ .ask = ask };
}
