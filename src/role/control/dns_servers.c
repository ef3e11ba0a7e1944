/* dns_servers.c — see dns_servers.h.
 *
 * The zone of a name is found by the NS records above it, as the resolver knows them; then each of its servers is
 * asked itself, since one that was not updated answers every second question.  Where nobody can be asked (a network
 * that lets no DNS through) the resolver has the word. */
#include "role/control/dns_servers.h"

#include "dns/ask.h"
#include "role/dns_for_trust.h"

#include <arpa/inet.h>

/* -- zones ---------------------------------------------------------------------- */

static struct dns_zone *zone_known(struct dns_survey *s, struct str name)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->zones[i]->name, name))
			return s->zones[i];
	return NULL;
}

SUSPENDS static bool add_addresses(struct dns_survey *s, struct dns_server *server, struct err *e)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct dns_addresses r;

		if (!dns_addresses(server->name, families[i], s->a, &r, e))
			return false;
		for (size_t k = 0; k < r.n && server->n < ARRAY_LEN(server->addresses); k++) {
			char z[INET6_ADDRSTRLEN] = "";

			inet_ntop(families[i], r.p[k].is_v4 ? r.p[k].addr + 12 : r.p[k].addr, z, sizeof(z));
			server->addresses[server->n++] = arena_str(s->a, str_from_z(z));
		}
	}
	if (!server->n)
		server->why = S("it has no address");
	return true;
}

/* NULL: no memory. */
SUSPENDS static bool zone_make(struct dns_survey *s, struct str name, const struct dns_records *ns, struct dns_zone **ret,
			       struct err *e)
{
	struct dns_zone *z = s->n < DNS_ZONES_MAX ? ARENA_NEW(s->a, struct dns_zone) : NULL;

	*ret = NULL;
	if (!z)
		return true;
	z->name = arena_str(s->a, name);
	for (size_t i = 0; i < ns->n && z->n < DNS_SERVERS_MAX; i++) {
		struct dns_server *server = &z->servers[z->n];

		if (!dns_target_parse(ns->p[i], s->a, &server->name))
			continue;
		z->n++;
		if (!add_addresses(s, server, e))
			return false;
	}
	s->zones[s->n++] = z;
	*ret = z;
	return true;
}

/* The closest name upwards that has NS records; *ret NULL: nobody says. */
SUSPENDS static bool zone_of(struct dns_survey *s, struct str name, struct dns_zone **ret, struct err *e)
{
	*ret = NULL;
	for (struct str at = name; at.n; str_cut(at, '.', &at)) {
		struct dns_records r;

		*ret = zone_known(s, at);
		if (*ret)
			return true;
		if (!dns_raw(at, DNS_NS, s->a, &r, e))
			return false;
		if (r.said.outcome == DNS_TEMP || r.said.outcome == DNS_BOGUS)
			return true;
		if (r.said.outcome == DNS_FOUND && str_eq_nocase(r.said.canonical, at))
			return zone_make(s, at, &r, ret, e);
	}
	return true;
}

/* -- one server ------------------------------------------------------------------ */

static void to_trust(const struct dns_records *r, struct trust_answer *ret)
{
	*ret = (struct trust_answer){ .outcome = r->said.outcome, .is_secure = r->said.is_secure, .p = r->p,
				      .n = r->said.outcome == DNS_FOUND ? r->n : 0 };
}

/* Its addresses in turn, until one answers. */
SUSPENDS static bool ask_server(struct dns_survey *s, struct dns_server *server, const struct publish_record *wish,
				struct dns_records *ret, struct err *e)
{
	for (size_t i = 0; i < server->n && !server->why.n; i++) {
		if (!dns_raw_at(server->addresses[i], wish->owner, wish->type, s->a, ret, e))
			return false;
		if (ret->said.outcome != DNS_TEMP)
			return true;
		if (i + 1 == server->n)
			server->why = ret->said.why;
	}
	return true;
}

/* Which of two says more about what is to be done. */
static int weight(const struct publish_verdict *v)
{
	switch (v->state) {
	case PUBLISH_PUBLISHED: return 1;
	case PUBLISH_UNKNOWN: return 2;
	case PUBLISH_LEFT: return 3;
	case PUBLISH_MISSING: return 4;
	default: return 5;
	}
}

struct tally {
	size_t answers, like_first;
	enum publish_state first;
};

static void take_verdict(struct dns_finding *to, struct tally *t, const struct publish_verdict *v, struct str server)
{
	if (t->answers++ == 0)
		t->first = v->state;
	t->like_first += v->state == t->first;
	if (t->answers > 1 && weight(v) <= weight(&to->verdict))
		return;
	to->verdict = *v;
	to->server = server;
}

/* A name that is another's: its records are that one's, as the resolver knows. */
static bool leads_away(const struct dns_records *r, struct str owner)
{
	return r->said.outcome == DNS_NONE && r->said.canonical.n && !str_eq_nocase(r->said.canonical, owner);
}

SUSPENDS static bool ask_zone(struct dns_survey *s, struct dns_zone *z, const struct publish_facts *f,
			      const struct publish_record *wish, const struct dns_records *cached, struct dns_finding *ret,
			      struct tally *t, struct err *e)
{
	struct trust_dns dns = dns_for_trust();

	for (size_t i = 0; i < z->n; i++) {
		struct dns_server *server = &z->servers[i];
		struct dns_records r = { 0 };
		struct publish_verdict v;
		struct trust_answer found;

		if (!ask_server(s, server, wish, &r, e))
			return false;
		if (server->why.n)
			continue;
		to_trust(leads_away(&r, wish->owner) ? cached : &r, &found);
		found.is_secure = cached->said.is_secure;
		if (!publish_compare(f, wish, &found, &dns, s->a, &v, e))
			return false;
		take_verdict(ret, t, &v, server->name);
	}
	return true;
}

bool dns_survey_find(struct dns_survey *s, const struct publish_facts *f, const struct publish_record *wish,
		     struct dns_finding *ret, struct err *e)
{
	struct trust_dns dns = dns_for_trust();
	struct publish_verdict in_cache;
	struct dns_records cached;
	struct trust_answer found;
	struct tally t = { 0 };
	struct dns_zone *z;

	*ret = (struct dns_finding){ 0 };
	if (!dns_raw(wish->owner, wish->type, s->a, &cached, e) || !zone_of(s, wish->owner, &z, e))
		return false;
	if (z && !ask_zone(s, z, f, wish, &cached, ret, &t, e))
		return false;
	to_trust(&cached, &found);
	if (!publish_compare(f, wish, &found, &dns, s->a, &in_cache, e))
		return false;
	if (!t.answers) {
		ret->verdict = in_cache;
		ret->is_only_cache = true;
		return true;
	}
	if (t.like_first == t.answers)
		ret->server = S("");
	ret->is_old_cached = ret->verdict.state == PUBLISH_PUBLISHED && !wish->is_removal &&
			     (in_cache.state == PUBLISH_MISSING || in_cache.state == PUBLISH_DIFFERS);
	ret->seconds = ret->is_old_cached ? cached.said.ttl : 0;
	return true;
}
