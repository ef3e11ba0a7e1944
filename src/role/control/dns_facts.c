/* dns_facts.c — see dns_facts.h.
 *
 * Addresses: those that the configuration names; where it names none, the one from which the system would send.  A
 * machine that has a private one only (NAT) cannot know how the world sees it: then it is what the DNS says. */
#include "role/control/dns_facts.h"

#include "dns/ask.h"
#include "ipc/dkim_say.h"
#include "queue/destination.h"
#include "role/control/control.h"
#include "role/relay/targets.h"
#include "trust/psl.h"
#include "wire/address.h"

enum { ADDRESSES_MAX = 64, SMARTHOSTS_MAX = 16, KEYS_MAX = 256, TLS_KEYS_MAX = 64 };

/* By what an authority calls itself in certificates: its name in CAA records, as it documents it. */
static const struct {
	const char *organisation, *name;
} authorities[] = {
	{ "Let's Encrypt", "letsencrypt.org" }, { "ZeroSSL", "sectigo.com" }, { "Sectigo Limited", "sectigo.com" },
	{ "DigiCert Inc", "digicert.com" }, { "Google Trust Services", "pki.goog" }, { "Buypass AS-983163327", "buypass.com" },
	{ "GlobalSign nv-sa", "globalsign.com" }, { "Actalis S.p.A.", "actalis.it" }, { "SSL Corporation", "ssl.com" },
};

struct gather {
	const struct conf *c;
	struct arena *a;
	struct publish_facts *f;
	struct publish_address *addresses;
	struct str *smarthosts;
	struct publish_key *keys;
	uint8_t (*tls_keys)[PUBLISH_KEY_DIGEST];
};

static const struct psl_ctx_st *suffixes;

void dns_facts_prepare(void)
{
	suffixes = psl_list_open();
}

const struct psl_ctx_st *dns_facts_suffixes(void)
{
	return suffixes;
}

static bool is_v4(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };

	return memcmp(addr, mapped, sizeof(mapped)) == 0;
}

/* -- addresses ----------------------------------------------------------------- */

/* Do others reach it?  Networks to which the DNS may lead are a world of their own. */
static bool is_public(const struct gather *g, const uint8_t addr[16])
{
	return !address_is_private(addr) || conf_nets_has(&g->c->outbound.allow_private, addr);
}

static void add_address(struct gather *g, const uint8_t addr[16], unsigned flags)
{
	for (size_t i = 0; i < g->f->n_addresses; i++)
		if (memcmp(g->addresses[i].addr, addr, 16) == 0) {
			g->addresses[i].flags |= flags;
			return;
		}
	if (g->f->n_addresses == ADDRESSES_MAX || !is_public(g, addr))
		return;
	memcpy(g->addresses[g->f->n_addresses].addr, addr, 16);
	g->addresses[g->f->n_addresses++].flags = flags;
}

static bool is_anywhere(struct str addr)
{
	return str_eq(addr, S("*")) || str_eq(addr, S("0.0.0.0")) || str_eq(addr, S("::"));
}

static bool is_reachable(const struct gather *g, const struct conf_listen *l)
{
	uint8_t addr[16];

	if (l->port == 0 || is_anywhere(l->addr))
		return l->port != 0;
	/* behind NAT an address is private and is reached nevertheless */
	return dns_address_read(l->addr, addr) &&
	       (is_public(g, addr) || !(str_starts(l->addr, S("127.")) || str_eq(l->addr, S("::1"))));
}

/* Which addresses take SMTP; *ret_any: all that the machine has. */
static void add_listeners(struct gather *g, bool *ret_any)
{
	*ret_any = false;
	for (size_t i = 0; i < g->c->listens.n; i++) {
		const struct conf_listen *l = &g->c->listens.p[i];
		uint8_t addr[16];

		if (l->proto != CONF_SMTP || !is_reachable(g, l))
			continue;
		g->f->takes_mail = true;
		if (is_anywhere(l->addr))
			*ret_any = true;
		else if (dns_address_read(l->addr, addr))
			add_address(g, addr, PUBLISH_LISTENS);
	}
}

/* From where the system sends to the world; false: not at all by this family. */
SUSPENDS static bool own_source(struct gather *g, bool want_v4, uint8_t ret[16])
{
	struct parent_sources_answer r;
	struct err e;

	return parent_sources(self.parent, &(struct parent_sources){ 0 }, &r, g->a, &e) &&
	       dns_address_read(want_v4 ? r.v4 : r.v6, ret);
}

/* Behind NAT the world sees another address than we do. */
SUSPENDS static bool add_from_dns(struct gather *g, unsigned flags, struct err *e)
{
	struct dns_addresses r;

	if (!dns_addresses(g->f->host, AF_INET, g->a, &r, e))
		return false;
	for (size_t i = 0; i < r.n; i++)
		add_address(g, r.p[i].addr, flags | PUBLISH_FROM_DNS);
	return true;
}

SUSPENDS static bool add_family(struct gather *g, bool want_v4, bool listens_anywhere, struct err *e)
{
	const struct conf_nets *sources = &g->c->outbound.sources;
	unsigned flags = listens_anywhere ? PUBLISH_LISTENS : 0;
	bool sends = want_v4 || g->c->outbound.ipv6 != CONF_IPV6_OFF, is_named = false, has_own;
	uint8_t addr[16];

	for (size_t i = 0; i < sources->n; i++)
		if (is_v4(sources->p[i].addr) == want_v4) {
			is_named = true;
			add_address(g, sources->p[i].addr, sends ? PUBLISH_SENDS : 0);
		}
	if (is_named && !listens_anywhere)
		return true;
	has_own = own_source(g, want_v4, addr);
	if (sends && !is_named)
		flags |= PUBLISH_SENDS;
	if (has_own && flags)
		add_address(g, addr, flags);
	if (!want_v4 || (has_own && is_public(g, addr)) || is_named)
		return true;
	/* no IPv4 at all is no NAT, unless nobody knows */
	return !has_own && g->f->n_addresses ? true : add_from_dns(g, flags, e);
}

SUSPENDS static bool add_addresses(struct gather *g, struct err *e)
{
	bool anywhere;

	add_listeners(g, &anywhere);
	g->f->ipv6_waits = g->c->outbound.ipv6 == CONF_IPV6_IF_PTR;
	return add_family(g, true, anywhere, e) && add_family(g, false, anywhere, e);
}

/* -- services, ways out ---------------------------------------------------------- */

static int service_of(const struct conf_listen *l)
{
	bool is_wrapped = l->tls == CONF_TLS_WRAPPED;

	switch (l->proto) {
	case CONF_SUBMISSION: return is_wrapped ? PUBLISH_SUBMISSIONS : PUBLISH_SUBMISSION;
	case CONF_IMAP: return is_wrapped ? PUBLISH_IMAPS : PUBLISH_IMAP;
	case CONF_POP3: return is_wrapped ? PUBLISH_POP3S : PUBLISH_POP3;
	default: return -1;
	}
}

/* The first line of a protocol is the one that is told. */
static void add_services(struct gather *g)
{
	for (size_t i = 0; i < g->c->listens.n; i++) {
		const struct conf_listen *l = &g->c->listens.p[i];
		int service = service_of(l);

		if (service >= 0 && is_reachable(g, l) && !g->f->ports[service])
			g->f->ports[service] = l->port;
	}
}

static void add_smarthost(struct gather *g, struct str host)
{
	for (size_t i = 0; i < g->f->n_smarthosts; i++)
		if (str_eq(g->smarthosts[i], host))
			return;
	if (g->f->n_smarthosts < SMARTHOSTS_MAX)
		g->smarthosts[g->f->n_smarthosts++] = arena_str(g->a, host);
}

static bool is_within(struct str host, struct str domain)
{
	return str_eq(host, domain) ||
	       (host.n > domain.n && str_ends(host, domain) && str_at(host, host.n - domain.n - 1) == '.');
}

/* By which line a letter of the domain leaves for another one. */
static const struct conf_route *route_to(struct gather *g, struct str domain)
{
	struct destination to;

	destination_of(g->c, arena_printf(g->a, "x@" STR_FMT, STR_ARG(g->f->domain)), arena_printf(g->a, "x@" STR_FMT, STR_ARG(domain)), &to);
	return to.is_named ? conf_route_at(g->c, to.route) : NULL;
}

/* A line that leads to the recipients' own server passes nothing on. */
static void add_ways_out(struct gather *g)
{
	const struct conf_route *all = route_to(g, S("invalid"));

	g->f->sends_directly = !all;
	if (all)
		add_smarthost(g, all->host);
	for (size_t i = 0; i < g->c->outbound.routes.n; i++) {
		const struct conf_route *r = &g->c->outbound.routes.p[i];
		struct str domain = str_starts(r->destination, S("*.")) ? str_from(r->destination, 2) : r->destination;

		if (!r->is_mx && r->host.n && !str_eq(domain, S("*")) && route_to(g, domain) == r && !is_within(r->host, domain))
			add_smarthost(g, r->host);
	}
}

/* -- names and keys ------------------------------------------------------------------ */

static void visit_domains(const struct conf *c, void (*fn)(void *arg, struct str name), void *arg)
{
	for (size_t i = 0; i < c->domains.n; i++) {
		const struct conf_names *also = &c->domains.p[i].alias_domains;

		fn(arg, c->domains.p[i].name);
		for (size_t k = 0; k < also->n; k++)
			fn(arg, also->p[k].text);
	}
}

struct list {
	struct str *p;
	size_t n, room;
	struct arena *a;
};

static void count_domain(void *arg, struct str name)
{
	(void)name;
	((struct list *)arg)->room++;
}

static void list_domain(void *arg, struct str name)
{
	struct list *l = arg;

	if (!address_domain_fold(name, l->a, &l->p[l->n]))
		return;
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->p[i], l->p[l->n]))
			return;
	l->n++;
}

struct str *dns_facts_domains(struct arena *a, size_t *ret_n)
{
	struct list l = { .a = a };

	visit_domains(conf_now(), count_domain, &l);
	l.p = ARENA_ARRAY(a, struct str, l.room + 1);
	if (l.p)
		visit_domains(conf_now(), list_domain, &l);
	*ret_n = l.n;
	return l.p;
}

static void add_reports(struct gather *g)
{
	struct str *ours, at;
	size_t n;

	g->f->reports = arena_printf(g->a, "dmarc-reports@" STR_FMT, STR_ARG(g->f->domain));
	g->f->tls_reports = g->c->contact.n ? arena_str(g->a, g->c->contact) : arena_printf(g->a, "postmaster@" STR_FMT, STR_ARG(g->f->domain));
	for (size_t i = 0; i < g->c->domains.n; i++)
		if (g->c->domains.p[i].dmarc_reports.n && str_eq_nocase(g->c->domains.p[i].name, g->f->domain))
			g->f->reports = arena_str(g->a, g->c->domains.p[i].dmarc_reports);
	at = str_from(g->f->reports, str_rfind(g->f->reports, '@') + 1);
	ours = dns_facts_domains(g->a, &n);
	for (size_t i = 0; ours && i < n; i++)
		g->f->owns_reports |= str_eq(ours[i], at);
}

static enum publish_key_state state_of(const struct ipc_dkim_key *k)
{
	switch (k->state) {
	case DKIM_NEW: return PUBLISH_KEY_WAITING;
	case DKIM_RETIRED: return PUBLISH_KEY_RETIRED;
	case DKIM_REMOVABLE: return PUBLISH_KEY_GONE;
	default: return PUBLISH_KEY_USED;
	}
}

static void add_keys(struct gather *g, const struct keys_dkim_answer *r)
{
	for (size_t i = 0; i < r->keys.n && g->f->n_keys < KEYS_MAX; i++) {
		const struct ipc_dkim_key *k = &r->keys.p[i];

		if (k->state != DKIM_GONE && k->record.n)
			g->keys[g->f->n_keys++] = (struct publish_key){ k->domain, k->selector, k->record, state_of(k) };
	}
}

SUSPENDS static bool ask_keys(struct gather *g, struct err *e)
{
	struct keys_dkim q = { .domain = g->f->domain };
	struct keys_dkim_answer r = { .more = 1 };

	while (r.more) {
		if (!keys_dkim(link_to(ROLE_KEYS), &q, &r, g->a, e))
			return fail_in(e, "the DKIM keys");
		add_keys(g, &r);
		q.from += (uint32_t)r.keys.n;
		r.more = r.more && r.keys.n;
	}
	return true;
}

SUSPENDS static bool ask_tls(struct gather *g, struct err *e)
{
	struct keys_tls_answer r;

	if (!keys_tls(link_to(ROLE_KEYS), &(struct keys_tls){ .host = g->f->host }, &r, g->a, e))
		return fail_in(e, "the keys of certificates");
	for (size_t i = 0; i < r.keys.n && i < TLS_KEYS_MAX; i++) {
		if (r.keys.p[i].digest.n == PUBLISH_KEY_DIGEST)
			memcpy(g->tls_keys[g->f->n_tls_keys++], r.keys.p[i].digest.p, PUBLISH_KEY_DIGEST);
		for (size_t k = 0; k < ARRAY_LEN(authorities); k++)
			if (str_eq(r.keys.p[i].issuer, str_from_z(authorities[k].organisation)))
				g->f->authority = str_from_z(authorities[k].name);
	}
	return true;
}

bool dns_facts(struct str domain, struct arena *a, struct publish_facts *ret, struct err *e)
{
	struct conf_held *held = conf_hold();
	struct publish_facts f = { .domain = arena_str(a, domain), .takes_domain = true, .suffixes = suffixes };
	struct gather g = { .c = &held->c, .a = a, .f = &f, .addresses = ARENA_ARRAY(a, struct publish_address, ADDRESSES_MAX),
			    .smarthosts = ARENA_ARRAY(a, struct str, SMARTHOSTS_MAX), .keys = ARENA_ARRAY(a, struct publish_key, KEYS_MAX),
			    .tls_keys = arena_alloc(a, TLS_KEYS_MAX, PUBLISH_KEY_DIGEST) };
	bool ok = g.addresses && g.smarthosts && g.keys && g.tls_keys && address_domain_fold(held->c.hostname, a, &f.host);

	if (!ok)
		fail(e, FAULT_TEMP, "no memory for what is known about a domain");
	f.addresses = g.addresses;
	f.smarthosts = g.smarthosts;
	f.keys = g.keys;
	f.tls_keys = (const uint8_t(*)[PUBLISH_KEY_DIGEST])g.tls_keys;
	if (ok) {
		add_services(&g);
		add_ways_out(&g);
		add_reports(&g);
		ok = add_addresses(&g, e) && ask_keys(&g, e) && ask_tls(&g, e);
	}
	conf_release(&held);
	if (ok)
		*ret = f;
	return ok;
}
