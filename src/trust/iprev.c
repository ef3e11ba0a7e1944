/* iprev.c — see iprev.h. */
#include "trust/iprev.h"

#include "fiber/fiber.h"

static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };

const char *iprev_result_name(enum iprev_result r)
{
	static const char *const names[] = { "pass", "fail", "temperror", "permerror" };

	return (unsigned)r < ARRAY_LEN(names) ? names[r] : "?";
}

static bool has_address(const struct trust_answer *r, struct str wanted)
{
	for (size_t i = 0; i < r->n; i++)
		if (str_eq(r->p[i], wanted))
			return true;
	return false;
}

SUSPENDS static bool confirm(const uint8_t ip[16], const struct trust_texts *names, const struct trust_dns *dns,
			     struct arena *a, struct iprev_answer *ret, struct err *e)
{
	bool is_v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;
	struct str wanted = is_v4 ? str_of(ip + 12, 4) : str_of(ip, 16);

	*ret = (struct iprev_answer){ IPREV_FAIL, names->p[0] };
	for (size_t i = 0; i < names->n && i < IPREV_NAMES_MAX; i++) {
		struct trust_answer r;

		if (!dns->ask(dns->ctx, names->p[i], is_v4 ? DNS_A : DNS_AAAA, a, &r, e))
			return false;
		if (r.outcome == DNS_TEMP || r.outcome == DNS_BOGUS)
			ret->result = IPREV_TEMPERROR;
		if (has_address(&r, wanted)) {
			*ret = (struct iprev_answer){ IPREV_PASS, names->p[i] };
			return true;
		}
	}
	return true;
}

SUSPENDS static bool ask(const uint8_t ip[16], const struct trust_dns *dns, struct arena *a, struct iprev_answer *ret,
			 struct err *e)
{
	struct trust_texts names;

	if (!trust_ask_ptr(dns, ip, a, &names, e))
		return false;
	if (names.outcome == DNS_FOUND)
		return confirm(ip, &names, dns, a, ret, e);
	ret->result = names.outcome == DNS_TEMP || names.outcome == DNS_BOGUS ? IPREV_TEMPERROR : IPREV_PERMERROR;
	return true;
}

SUSPENDS bool iprev_check(const uint8_t ip[16], const struct trust_dns *dns, struct arena *a, struct iprev_answer *ret,
			  struct err *e)
{
	AUTO(arena_end) struct arena tmp = { 0 };
	struct iprev_answer got = { 0 };
	struct err why = { 0 };
	bool ok = true;

	WITHIN(IPREV_WITHIN)
		ok = ask(ip, dns, &tmp, &got, &why);
	if (!ok && !trust_is_late(&why, e))
		return false;
	if (!ok)
		got = (struct iprev_answer){ .result = IPREV_TEMPERROR };
	got.name = arena_str(a, got.name);
	*ret = got;
	return true;
}
