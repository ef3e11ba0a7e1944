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

static struct iprev no_answer(enum dns_outcome outcome)
{
	switch (outcome) {
	case DNS_TEMP: return (struct iprev){ .result = IPREV_TEMPERROR, .why = S("its name (PTR) could not be asked for") };
	case DNS_BOGUS: return (struct iprev){ .result = IPREV_TEMPERROR, .why = S("its name (PTR) is bogus by DNSSEC") };
	default: return (struct iprev){ .result = IPREV_PERMERROR, .why = S("it has no name (PTR)") };
	}
}

SUSPENDS static bool confirm(const struct trust_dns *dns, const uint8_t ip[16], const struct trust_texts *names,
			     struct arena *a, struct iprev *ret, struct err *e)
{
	bool is_v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;
	struct str wanted = is_v4 ? str_of(ip + 12, 4) : str_of(ip, 16);

	*ret = (struct iprev){ IPREV_FAIL, names->p[0], S("its name does not lead back to it") };
	for (size_t i = 0; i < names->n && i < IPREV_NAMES_MAX; i++) {
		struct trust_answer r;

		if (!dns->ask(dns->ctx, names->p[i], is_v4 ? DNS_A : DNS_AAAA, a, &r, e))
			return false;
		if (r.outcome == DNS_TEMP || r.outcome == DNS_BOGUS)
			*ret = (struct iprev){ IPREV_TEMPERROR, names->p[0], S("whether its name leads back to it could not be asked") };
		if (has_address(&r, wanted)) {
			*ret = (struct iprev){ IPREV_PASS, names->p[i], { 0 } };
			return true;
		}
	}
	return true;
}

SUSPENDS static bool ask(const struct trust_dns *dns, const uint8_t ip[16], struct arena *a, struct iprev *ret, struct err *e)
{
	struct trust_texts names;

	if (!trust_ask_ptr(dns, ip, a, &names, e))
		return false;
	if (names.outcome == DNS_FOUND)
		return confirm(dns, ip, &names, a, ret, e);
	*ret = no_answer(names.outcome);
	return true;
}

SUSPENDS bool iprev_check(const struct trust_dns *dns, const uint8_t ip[16], struct arena *a, struct iprev *ret,
			  struct err *e)
{
	AUTO(arena_end) struct arena tmp = { 0 };
	struct iprev got = no_answer(DNS_TEMP);
	struct err why = { 0 };
	bool ok = true;

	WITHIN(IPREV_WITHIN)
		ok = ask(dns, ip, &tmp, &got, &why);
	if (!ok && !trust_is_late(&why, e))
		return false;
	if (!ok)
		got = no_answer(DNS_TEMP);
	got.name = arena_str(a, got.name);
	*ret = got;
	return true;
}
