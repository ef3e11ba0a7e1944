/* targets.c — which servers take the mail of a domain; see targets.h. */
#include "role/relay/targets.h"

#include "base/rnd.h"
#include "fiber/certificate.h"
#include "wire/address.h"

#include <arpa/inet.h>
#include <stdio.h>

const struct resolver resolver_dns = { dns_mx, dns_addresses, dns_tlsa };

enum { PORT_SMTP = 25 };

static const struct {
	uint8_t addr[16];
	uint8_t bits;
} private_nets[] = {
#define V4(a, b, bits) { { [10] = 0xff, 0xff, a, b }, 96 + (bits) }
	V4(0, 0, 8), V4(10, 0, 8), V4(100, 64, 10), V4(127, 0, 8), V4(169, 254, 16), V4(172, 16, 12),
	V4(192, 168, 16), V4(198, 18, 15), V4(224, 0, 3),
#undef V4
	{ { [10] = 0xff, 0xff, 192, 0, 0 }, 96 + 24 }, { { [10] = 0xff, 0xff, 192, 0, 2 }, 96 + 24 },
	{ { [10] = 0xff, 0xff, 198, 51, 100 }, 96 + 24 }, { { [10] = 0xff, 0xff, 203, 0, 113 }, 96 + 24 },
	/* of IPv6 only 2000::/3 is the world, without documentation, ORCHID and what wraps IPv4 */
	{ { 0 }, 96 }, { { 0x01 }, 8 }, { { 0x02 }, 7 }, { { 0x04 }, 6 }, { { 0x08 }, 5 }, { { 0x10 }, 4 },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, { { 0x20, 0x01, 0, 0 }, 23 }, { { 0x20, 0x02 }, 16 },
	{ { 0x40 }, 2 }, { { 0x80 }, 1 }, { { 0, 0x64, 0xff, 0x9b }, 32 }, { { 0, 0x01 }, 16 },
};

static bool has_prefix(const uint8_t addr[16], const uint8_t net[16], uint8_t bits)
{
	uint8_t mask = (uint8_t)(0xff << (8 - bits % 8));

	return memcmp(addr, net, bits / 8) == 0 &&
	       (bits % 8 == 0 || ((addr[bits / 8] ^ net[bits / 8]) & mask) == 0);
}

bool address_is_private(const uint8_t addr[16])
{
	for (size_t i = 0; i < ARRAY_LEN(private_nets); i++)
		if (has_prefix(addr, private_nets[i].addr, private_nets[i].bits))
			return true;
	return false;
}

static bool address_is_loopback(const uint8_t addr[16])
{
	static const uint8_t v4[16] = { [10] = 0xff, 0xff, 127 }, v6[16] = { [15] = 1 };

	return has_prefix(addr, v4, 104) || has_prefix(addr, v6, 128);
}

static bool end(struct targets *t, enum targets_end how, enum targets_end *ret, const char *code, const char *why)
{
	snprintf(t->why, sizeof(t->why), "%s %.150s", code, why);
	*ret = how;
	return true;
}

static struct target *target_add(struct targets *t, struct str name, uint16_t preference, uint16_t port, bool is_secure)
{
	struct target *to = &t->target[t->n++];

	*to = (struct target){ .name = name, .preference = preference, .port = port, .is_secure = is_secure };
	return to;
}

/* Equals in any order: each letter goes another way round (RFC 5321 §5.1). */
static void shuffle_equals(struct targets *t)
{
	for (size_t from = 0, to; from < t->n; from = to) {
		for (to = from + 1; to < t->n && t->target[to].preference == t->target[from].preference;)
			to++;
		for (size_t i = to - 1; i > from; i--) {
			size_t k = from + rnd_below((uint32_t)(i - from + 1));
			struct target was = t->target[i];

			t->target[i] = t->target[k];
			t->target[k] = was;
		}
	}
}

/* Our own name: this one and all that are no better go. */
static void cut_ourselves(struct targets *t, const struct target_rules *rules)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq_nocase(t->target[i].name, rules->hostname)) {
			uint16_t preference = t->target[i].preference;

			t->met_ourselves = true;
			while (t->n && t->target[t->n - 1].preference >= preference)
				t->n--;
			return;
		}
}

static bool take_hosts(struct targets *t, const struct target_rules *rules, const struct dns_hosts *hosts,
		       enum targets_end *ret)
{
	t->is_mx_secure = hosts->said.is_secure;
	for (size_t i = 0; i < hosts->n; i++)
		if (hosts->p[i].is_host && t->n == TARGETS_MAX)
			t->is_cut = true;
		else if (hosts->p[i].is_host)
			target_add(t, hosts->p[i].host, hosts->p[i].preference, PORT_SMTP, hosts->said.is_secure);
	if (t->n == 0)
		return end(t, TARGETS_LATER, ret, "451 4.4.4", "the MX records of the domain name no host");
	shuffle_equals(t);
	cut_ourselves(t, rules);
	*ret = TARGETS_FOUND;
	return true;
}

/* No such name, as far as MX goes: only if it has no address either it is certain. */
SUSPENDS static bool no_name(const struct resolver *r, struct targets *t, struct arena *a, enum targets_end *ret,
			     struct err *e)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct dns_addresses found;

		if (!r->addresses(t->domain, families[i], a, &found, e))
			return false;
		if (found.said.outcome != DNS_NO_NAME)
			return end(t, TARGETS_LATER, ret, "451 4.4.3", "the DNS contradicts itself about the domain");
	}
	return end(t, TARGETS_NEVER, ret, "550 5.1.2", "there is no such domain");
}

SUSPENDS static bool find_by_mx(const struct resolver *r, const struct target_rules *rules, struct arena *a,
				struct targets *t, enum targets_end *ret, struct err *e)
{
	struct dns_hosts hosts;
	char why[160];

	t->is_by_mx = true;
	if (!r->mx(t->domain, a, &hosts, e))
		return false;
	switch (hosts.said.outcome) {
	case DNS_FOUND:
		if (hosts.is_null)
			return end(t, TARGETS_NEVER, ret, "556 5.1.10", "the domain takes no mail (null MX)");
		return take_hosts(t, rules, &hosts, ret);
	case DNS_NONE:                   /* implicit MX */
		t->is_mx_secure = hosts.said.is_secure;
		target_add(t, t->domain, 0, PORT_SMTP, hosts.said.is_secure);
		cut_ourselves(t, rules);
		*ret = TARGETS_FOUND;
		return true;
	case DNS_NO_NAME:
		return no_name(r, t, a, ret, e);
	case DNS_BOGUS:
		snprintf(why, sizeof(why), "the MX records are forged or broken (DNSSEC): " STR_FMT,
			 STR_ARG(str_head(hosts.said.why, 80)));
		return end(t, TARGETS_LATER, ret, "451 4.4.3", why);
	case DNS_TEMP:
	case DNS_OUTCOME_COUNT:
		break;
	}
	snprintf(why, sizeof(why), "the MX records cannot be looked up now: " STR_FMT, STR_ARG(str_head(hosts.said.why, 100)));
	return end(t, TARGETS_LATER, ret, "451 4.4.3", why);
}

static void fill_literal(struct target *t, const uint8_t *addr, bool is_v4)
{
	t->address[0] = (struct dns_address){ .is_v4 = is_v4 };
	memcpy(t->address[0].addr + (is_v4 ? 12 : 0), addr, is_v4 ? 4 : 16);
	if (is_v4)
		t->address[0].addr[10] = t->address[0].addr[11] = 0xff;
	t->n = 1;
	t->is_resolved = true;
}

static bool is_refused(const struct target_rules *rules, const uint8_t addr[16])
{
	return address_is_private(addr) && !conf_nets_has(rules->allow_private, addr);
}

static bool find_literal(const struct target_rules *rules, struct str literal, struct arena *a, struct targets *t,
			 enum targets_end *ret)
{
	unsigned char addr[16];
	struct target *to;
	size_t n;
	char z[INET6_ADDRSTRLEN];

	if (!address_literal_parse(literal, addr, &n))
		return end(t, TARGETS_NEVER, ret, "550 5.1.2", "the domain is no address literal that we know");
	inet_ntop(n == 4 ? AF_INET : AF_INET6, addr, z, sizeof(z));
	to = target_add(t, arena_str(a, str_from_z(z)), 0, PORT_SMTP, false);
	fill_literal(to, addr, n == 4);
	if (rules->is_ours && rules->is_ours(to->address[0].addr, PORT_SMTP))
		return end(t, TARGETS_NEVER, ret, "554 5.4.6", "the address literal is ourselves");
	if (is_refused(rules, to->address[0].addr))
		return end(t, TARGETS_NEVER, ret, "550 5.4.4", "the address literal is private (allow-private)");
	*ret = TARGETS_FOUND;
	return true;
}

static void find_route(const struct conf_route *route, struct targets *t)
{
	struct target *to = target_add(t, route->host, 0, route->port, true);
	unsigned char addr[16];
	char z[INET6_ADDRSTRLEN];

	if (route->host.n >= sizeof(z))
		return;
	memcpy(z, route->host.p, route->host.n);
	z[route->host.n] = '\0';
	if (inet_pton(AF_INET, z, addr) == 1)
		fill_literal(to, addr, true);
	else if (inet_pton(AF_INET6, z, addr) == 1)
		fill_literal(to, addr, false);
}

SUSPENDS bool targets_find(const struct resolver *r, const struct target_rules *rules, struct str destination,
			   const struct conf_route *route, struct arena *a, struct targets *ret,
			   enum targets_end *ret_end, struct err *e)
{
	*ret = (struct targets){ .domain = destination };
	if (route && !route->is_mx) {
		find_route(route, ret);
		*ret_end = TARGETS_FOUND;
		return true;
	}
	if (str_starts(destination, S("[")))
		return find_literal(rules, destination, a, ret, ret_end);
	if (!address_domain_fold(destination, a, &ret->domain))
		return end(ret, TARGETS_NEVER, ret_end, "550 5.1.2", "this is no domain");
	if (!find_by_mx(r, rules, a, ret, ret_end, e))
		return false;
	if (*ret_end == TARGETS_FOUND && ret->n == 0 && ret->met_ourselves)
		return end(ret, TARGETS_NEVER, ret_end, "554 5.4.6",
			   "the MX records lead to this server, which does not take the domain: a loop");
	return true;
}

/* -- addresses ------------------------------------------------------------------ */

/* May we go there?  A server that a route names always. */
static bool address_take(const struct target_rules *rules, struct targets *t, struct target *to,
			 const struct dns_address *address)
{
	if (t->is_by_mx) {
		if ((rules->is_ours && rules->is_ours(address->addr, to->port)) ||
		    (address_is_loopback(address->addr) && is_refused(rules, address->addr)))
			return false;
		if (is_refused(rules, address->addr)) {
			snprintf(to->why, sizeof(to->why), "its address is private (allow-private)");
			return true;
		}
	}
	if (to->n < TARGET_ADDRESSES_MAX)
		to->address[to->n++] = *address;
	return true;
}

/* Records stand under the name at the end of a secure chain of CNAMEs, or else under the host's own (RFC 7672 §2.2.3). */
SUSPENDS static bool resolve_tlsa(const struct resolver *r, struct target *to, struct str canonical, struct arena *a,
				  struct err *e)
{
	struct str names[2] = { canonical, to->name };

	for (size_t i = str_eq_nocase(canonical, to->name); i < ARRAY_LEN(names); i++) {
		struct str name = arena_printf(a, "_%u._tcp." STR_FMT, to->port, STR_ARG(names[i]));
		struct dns_tlsas found;

		if (!r->tlsa(name, a, &found, e))
			return false;
		to->dane = dane_judge(found.said.outcome != DNS_TEMP && found.said.outcome != DNS_BOGUS,
				      found.said.is_secure, found.p, found.n);
		to->base = names[i];
		to->tlsa = found.p;
		to->n_tlsa = found.n;
		if (to->dane == DANE_DEFER)
			snprintf(to->why, sizeof(to->why), "its TLSA records cannot be had (DNS: %s)",
				 dns_outcome_name(found.said.outcome));
		if (to->dane != DANE_NONE)
			return true;
	}
	return true;
}

static bool is_certainly_none(enum dns_outcome outcome)
{
	return outcome == DNS_NONE || outcome == DNS_NO_NAME;
}

/* There is nothing that we may use; is there nothing at all? */
SUSPENDS static bool judge_absent(const struct resolver *r, const struct target_rules *rules, struct target *to,
				  struct arena *a, struct err *e)
{
	struct dns_addresses found;

	to->has_no_address = true;
	if (rules->use_v6)
		return true;
	if (!r->addresses(to->name, AF_INET6, a, &found, e))
		return false;
	to->has_no_address = is_certainly_none(found.said.outcome);
	if (found.said.outcome == DNS_FOUND)
		snprintf(to->why, sizeof(to->why), "it has IPv6 addresses only (ipv6 off)");
	return true;
}

SUSPENDS static bool resolve_one(const struct resolver *r, const struct target_rules *rules, struct targets *t,
				 struct target *to, struct arena *a, bool *ret_ours, struct err *e)
{
	static const int families[] = { AF_INET6, AF_INET };
	bool is_secure = to->is_secure, found_any = false, is_certain = true;
	struct str canonical = to->name;

	to->is_resolved = true;
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		struct dns_addresses found;

		if (families[f] == AF_INET6 && !rules->use_v6)
			continue;
		if (!r->addresses(to->name, families[f], a, &found, e))
			return false;
		is_certain &= is_certainly_none(found.said.outcome);
		if (found.said.outcome == DNS_TEMP || found.said.outcome == DNS_BOGUS) {
			snprintf(to->why, sizeof(to->why), "its address cannot be looked up (DNS: %s)",
				 dns_outcome_name(found.said.outcome));
			if (found.said.outcome == DNS_TEMP)
				continue;
			to->n = 0;               /* not this server, for it may be another's (RFC 7672 §2.1.2) */
			return true;
		}
		for (size_t i = 0; i < found.n; i++) {
			if (!address_take(rules, t, to, &found.p[i])) {
				*ret_ours = true;
				return true;
			}
			found_any = true;
		}
		if (found.said.outcome == DNS_FOUND) {
			is_secure &= found.said.is_secure;
			canonical = found.said.canonical;
		}
	}
	if (!found_any && !to->why[0])
		snprintf(to->why, sizeof(to->why), "it has no address");
	if (!found_any && is_certain)
		return judge_absent(r, rules, to, a, e);
	to->is_secure = is_secure;
	if (to->n)
		to->why[0] = '\0';
	/* without DNSSEC nobody publishes TLSA, and some name servers are silent when asked (RFC 7672 §2.2.2) */
	return !to->n || !to->is_secure || resolve_tlsa(r, to, canonical, a, e);
}

SUSPENDS bool targets_resolve(const struct resolver *r, const struct target_rules *rules, struct targets *t, size_t i,
			      struct arena *a, struct err *e)
{
	uint16_t preference = t->target[i].preference;

	for (size_t k = 0; k < t->n; k++) {
		bool is_ours = false;

		if (t->target[k].preference != preference || t->target[k].is_resolved)
			continue;
		if (!resolve_one(r, rules, t, &t->target[k], a, &is_ours, e))
			return false;
		if (!is_ours)
			continue;
		t->met_ourselves = true;
		while (t->n && t->target[t->n - 1].preference >= preference)
			t->n--;
		return true;
	}
	return true;
}

bool targets_have_no_address(const struct targets *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (!t->target[i].is_resolved || !t->target[i].has_no_address)
			return false;
	return t->n > 0 && t->is_by_mx && !t->is_cut;
}
