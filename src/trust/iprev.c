/* iprev.c — see iprev.h. */
#include "trust/iprev.h"

static bool is_v4(const uint8_t addr[16])
{
	return memcmp(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

static bool has_address(const struct trust_answer *r, const uint8_t addr[16])
{
	size_t n = is_v4(addr) ? 4 : 16;

	for (size_t i = 0; i < r->n; i++)
		if (str_eq(r->p[i], str_of(addr + 16 - n, n)))
			return true;
	return false;
}

static bool end(struct iprev *ret, enum iprev_result result, struct str name, struct str why)
{
	*ret = (struct iprev){ result, name, why };
	return true;
}

/* Does the name lead back?  The outcome says why not. */
SUSPENDS static bool confirm(const struct trust_dns *dns, struct str name, const uint8_t addr[16],
		    struct arena *a, bool *ret_has, enum dns_outcome *ret, struct err *e)
{
	struct trust_answer r;

	if (!dns->ask(dns->ctx, name, is_v4(addr) ? DNS_A : DNS_AAAA, a, &r, e))
		return false;
	*ret_has = has_address(&r, addr);
	*ret = r.outcome;
	return true;
}

bool iprev_check(const struct trust_dns *dns, const uint8_t addr[16], struct arena *a,
		 struct iprev *ret, struct err *e)
{
	struct trust_texts names;
	bool is_unsure = false;

	if (!trust_ask_ptr(dns, addr, a, &names, e))
		return false;
	if (names.outcome == DNS_TEMP || names.outcome == DNS_BOGUS)
		return end(ret, IPREV_TEMP, S(""),
			   names.outcome == DNS_BOGUS
				   ? S("the name of the address is bogus (DNSSEC)")
				   : S("the name of the address could not be asked for"));
	if (names.n == 0)
		return end(ret, IPREV_FAIL, S(""), S("the address has no name (PTR)"));
	for (size_t i = 0; i < names.n && i < IPREV_NAMES_MAX; i++) {
		enum dns_outcome outcome;
		bool has;

		if (!confirm(dns, names.p[i], addr, a, &has, &outcome, e))
			return false;
		if (has)
			return end(ret, IPREV_PASS, names.p[i], S(""));
		is_unsure |= outcome == DNS_TEMP || outcome == DNS_BOGUS;
	}
	if (is_unsure)
		return end(ret, IPREV_TEMP, names.p[0],
			   S("whether its name leads back to the address could not be asked"));
	return end(ret, IPREV_FAIL, names.p[0], S("its name does not lead back to the address"));
}
