/* tls_want.c — what is demanded of a server's TLS; see tls_want.h. */
#include "role/relay/tls_want.h"

enum sts_verdict sts_judge(const struct mtasts_policy *policy, struct str host)
{
	bool has;

	if (!policy || policy->mode == MTASTS_NONE)
		return STS_NOTHING;
	has = mtasts_policy_has(policy, host);
	if (policy->mode == MTASTS_TESTING)
		return has ? STS_TESTING_OK : STS_TESTING_BAD;
	return has ? STS_ENFORCE_OK : STS_ENFORCE_BAD;
}

static void demand(struct tls_want *w, enum tls_use use, enum tls_trust trust, const char *by)
{
	w->use = use;
	w->trust = trust;
	w->by = by;
}

static void take_conf(struct tls_want *w, enum conf_demand d, const char *by)
{
	switch (d) {
	case CONF_TLS_NEVER:
		demand(w, TLS_USE_NEVER, TLS_TRUST_ANYBODY, by);
		return;
	case CONF_TLS_IF_OFFERED:
		demand(w, TLS_USE_IF_OFFERED, TLS_TRUST_ANYBODY, "");
		return;
	case CONF_TLS_ENCRYPT:
		demand(w, TLS_USE_ALWAYS, TLS_TRUST_ANYBODY, by);
		return;
	case CONF_TLS_VERIFY:
		demand(w, TLS_USE_ALWAYS, TLS_TRUST_ROOTS, by);
		return;
	}
}

/* RFC 7672 §3.2: the name asked for is that of the TLSA records; those who trust the MX records may also be
 * answered in the name of the domain. */
static void take_dane(struct tls_want *w, const struct target *to, const struct targets *all)
{
	if (to->dane == DANE_ENCRYPT) {
		if (w->use != TLS_USE_ALWAYS)
			demand(w, TLS_USE_ALWAYS, TLS_TRUST_ANYBODY, "DANE");
		return;
	}
	demand(w, TLS_USE_ALWAYS, TLS_TRUST_DANE, "DANE");
	w->host = to->base;
	w->tlsa = to->tlsa;
	w->n_tlsa = to->n_tlsa;
	if (!str_eq_nocase(to->base, to->name))
		w->also[w->n_also++] = to->name;
	if (all->is_by_mx && !str_eq_nocase(all->domain, to->name))
		w->also[w->n_also++] = all->domain;
}

bool tls_want_of(const struct target *to, const struct targets *all, const struct conf_route *route,
		 enum conf_demand by_conf, const struct mtasts_policy *sts, struct tls_want *ret, struct err *e)
{
	struct tls_want w = { .host = to->name, .by = "" };
	enum sts_verdict verdict = all->is_by_mx ? sts_judge(sts, to->name) : STS_NOTHING;

	if (route && (!route->is_mx || route->has_tls))
		take_conf(&w, route->tls, "route");
	else
		take_conf(&w, by_conf, "tls");
	w.is_wrapped = route && route->is_wrapped;
	*ret = w;
	if (route && w.use == TLS_USE_NEVER)
		return true;             /* a person said so of this server */
	if (to->dane == DANE_DEFER)
		return fail(e, FAULT_TEMP, STR_FMT ": %s", STR_ARG(str_head(to->name, 60)), to->why);
	if (to->dane == DANE_VERIFY || to->dane == DANE_ENCRYPT)
		take_dane(&w, to, all);
	/* DANE that authenticates needs no policy beside it; records of no use do not put one out of force (RFC 8461 §5) */
	if (to->dane == DANE_VERIFY)
		verdict = STS_NOTHING;
	if (verdict == STS_ENFORCE_BAD)
		return fail(e, FAULT_TEMP, STR_FMT " is not named by the MTA-STS policy of the domain",
			    STR_ARG(str_head(to->name, 80)));
	if (verdict == STS_ENFORCE_OK)
		demand(&w, TLS_USE_ALWAYS, TLS_TRUST_ROOTS, "MTA-STS");
	*ret = w;
	return true;
}

const char *tls_want_name(const struct tls_want *w)
{
	switch (w->use) {
	case TLS_USE_NEVER:
		return "in the clear";
	case TLS_USE_IF_OFFERED:
		return "opportunistic";
	case TLS_USE_ALWAYS:
		break;
	}
	return w->trust == TLS_TRUST_DANE ? "verified by DANE" :
	       w->trust == TLS_TRUST_ROOTS ? "verified by name and authority" : "encrypted";
}
