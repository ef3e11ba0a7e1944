/* spf_ask.c — the mechanisms of SPF that ask the DNS for addresses and names (RFC 7208 §5.3 to §5.5). */
#include "trust/spf_check.h"

static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };

/* A mapped address is IPv4, however it came (§5). */
bool spf_client_is_v4(const struct spf_check *c)
{
	return memcmp(c->q->ip, mapped, sizeof(mapped)) == 0;
}

bool spf_is_in_network(const uint8_t ip[16], const uint8_t addr[16], unsigned bits)
{
	size_t whole = bits / 8;
	unsigned rest = bits % 8;

	if (memcmp(ip, addr, whole) != 0)
		return false;
	return rest == 0 || (unsigned)(ip[whole] ^ addr[whole]) >> (8 - rest) == 0;
}

SUSPENDS enum spf_match spf_ask(struct spf_check *c, struct str name, uint16_t type, struct trust_answer *ret)
{
	if (!c->counted.ask(c->counted.ctx, name, type, &c->tmp, ret, c->e))
		return SPF_MATCH_STOP;
	switch (ret->outcome) {
	case DNS_FOUND: return SPF_MATCH_YES;
	case DNS_NONE: case DNS_NO_NAME: return SPF_MATCH_NO;
	default: return spf_problem(c, SPF_MATCH_TEMP, "the DNS says nothing useful about " STR_FMT " (%s)", STR_ARG(name),
				    dns_outcome_name(ret->outcome));
	}
}

enum spf_match spf_count_void(struct spf_check *c, struct str name)
{
	if (c->voids++ < SPF_VOIDS_MAX)
		return SPF_MATCH_NO;
	return spf_problem(c, SPF_MATCH_PERM, "more than %d questions find nothing, the last one for " STR_FMT, SPF_VOIDS_MAX,
			   STR_ARG(name));
}

/* Is one of the addresses in the client's network? */
static bool answer_has(const struct spf_check *c, const struct trust_answer *r, unsigned bits4, unsigned bits6)
{
	bool is_v4 = spf_client_is_v4(c);
	size_t octets = is_v4 ? 4 : 16;

	for (size_t i = 0; i < r->n; i++) {
		uint8_t addr[16];

		if (r->p[i].n != octets)
			continue;
		memcpy(addr, mapped, sizeof(mapped));
		memcpy(addr + 16 - octets, r->p[i].p, octets);
		if (spf_is_in_network(c->q->ip, addr, is_v4 ? 96 + bits4 : bits6))
			return true;
	}
	return false;
}

static uint16_t address_type(const struct spf_check *c)
{
	return spf_client_is_v4(c) ? DNS_A : DNS_AAAA;
}

SUSPENDS enum spf_match spf_match_hosts(struct spf_check *c, struct str name, unsigned bits4, unsigned bits6)
{
	struct trust_answer r;
	enum spf_match how = spf_ask(c, name, address_type(c), &r);

	if (how == SPF_MATCH_NO)
		return spf_count_void(c, name);
	if (how != SPF_MATCH_YES)
		return how;
	return answer_has(c, &r, bits4, bits6) ? SPF_MATCH_YES : SPF_MATCH_NO;
}

/* No MX is no reason to look at the name's own addresses (§5.4).  Too many are an error whatever their order. */
SUSPENDS enum spf_match spf_match_mx(struct spf_check *c, struct str name, unsigned bits4, unsigned bits6)
{
	struct trust_answer r;
	enum spf_match how = spf_ask(c, name, DNS_MX, &r);

	if (how == SPF_MATCH_NO)
		return spf_count_void(c, name);
	if (how == SPF_MATCH_YES && r.n > SPF_HOSTS_MAX)
		return spf_problem(c, SPF_MATCH_PERM, STR_FMT " has more than %d MX records", STR_ARG(name), SPF_HOSTS_MAX);
	for (size_t i = 0; how == SPF_MATCH_YES && i < r.n; i++) {
		struct dns_mx mx;
		enum spf_match one;

		if (!dns_mx_parse(r.p[i], &c->tmp, &mx) || str_eq(mx.host, S(".")))
			continue;
		one = spf_match_hosts(c, mx.host, bits4, bits6);
		if (one != SPF_MATCH_NO)
			return one;
	}
	return how == SPF_MATCH_YES ? SPF_MATCH_NO : how;
}

/* -- the client's own names ------------------------------------------------- */

/* Once for a check.  The client's owner publishes them, so that no error and no void of theirs is held against the
 * domain: what fails is no name, what is too much is not looked at (§4.6.4, §5.5). */
SUSPENDS static bool ptr_names_ask(struct spf_check *c)
{
	struct trust_texts r;

	if (c->has_ptr_names)
		return true;
	if (!trust_ask_ptr(&c->counted, c->q->ip, &c->tmp, &r, c->e))
		return false;
	c->has_ptr_names = true;
	for (size_t i = 0; i < r.n && c->n_ptr_names < SPF_HOSTS_MAX; i++)
		c->ptr_names[c->n_ptr_names++].name = arena_str(c->keep, r.p[i]);
	return true;
}

/* Does the name lead back to the client? */
SUSPENDS static enum spf_match ptr_is_valid(struct spf_check *c, struct spf_ptr_name *p)
{
	struct trust_answer r;

	if (p->state == PTR_UNKNOWN) {
		if (!c->counted.ask(c->counted.ctx, p->name, address_type(c), &c->tmp, &r, c->e))
			return SPF_MATCH_STOP;
		p->state = r.outcome == DNS_FOUND && answer_has(c, &r, 32, 128) ? PTR_VALID : PTR_INVALID;
	}
	return p->state == PTR_VALID ? SPF_MATCH_YES : SPF_MATCH_NO;
}

enum ptr_closeness { PTR_EQUAL, PTR_BELOW, PTR_ANY };

static bool is_close(struct str name, struct str domain, enum ptr_closeness how)
{
	bool ends = str_ends_nocase(name, domain);

	if (how == PTR_ANY)
		return true;
	return ends && (how == PTR_EQUAL ? name.n == domain.n : name.n > domain.n && name.p[name.n - domain.n - 1] == '.');
}

/* The first valid name, the closest first; none further away than `last`. */
SUSPENDS static enum spf_match ptr_find(struct spf_check *c, struct str domain, enum ptr_closeness last, struct str *ret)
{
	if (!ptr_names_ask(c))
		return SPF_MATCH_STOP;
	for (enum ptr_closeness how = PTR_EQUAL; how <= last; how++)
		for (size_t i = 0; i < c->n_ptr_names; i++) {
			struct spf_ptr_name *p = &c->ptr_names[i];
			enum spf_match valid = is_close(p->name, domain, how) ? ptr_is_valid(c, p) : SPF_MATCH_NO;

			if (valid == SPF_MATCH_YES)
				*ret = p->name;
			if (valid != SPF_MATCH_NO)
				return valid;
		}
	return SPF_MATCH_NO;
}

SUSPENDS enum spf_match spf_match_ptr(struct spf_check *c, struct str domain)
{
	struct str name;

	return ptr_find(c, domain, PTR_BELOW, &name);
}

SUSPENDS enum spf_match spf_ptr_name(struct spf_check *c, struct str domain, struct str *ret)
{
	enum spf_match how = ptr_find(c, spf_name_text(domain, &c->tmp), PTR_ANY, ret);

	if (how == SPF_MATCH_NO)
		*ret = S("unknown");
	return how == SPF_MATCH_STOP ? how : SPF_MATCH_YES;
}
