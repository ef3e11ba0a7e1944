/* doctor_domain.c — what a domain publishes about its mail: mx, dmarc, mta-sts. */
#include "role/control/doctor.h"

#include "ipc/relay_say.h"
#include "trust/dmarc.h"
#include "trust/mtasts.h"
#include "trust/psl.h"

enum { URIS_MAX = 10 };

/* -- mx -------------------------------------------------------------------------- */

static bool is_sorted_before(const struct dns_mx *x, const struct dns_mx *y)
{
	return x->preference < y->preference;
}

/* Is the best one ours?  *ret_other: some server is that is not. */
SUSPENDS static bool judge_host(struct patient *p, const struct dns_mx *mx, bool *ret_ours, struct err *e)
{
	struct trust_answer alias;
	struct addresses to;

	*ret_ours = str_eq_nocase(mx->host, p->hostname);
	if (!ask_addresses(p, mx->host, &to, e) || !p->dns.ask(p->dns.ctx, mx->host, DNS_CNAME, p->a, &alias, e))
		return false;
	for (size_t i = 0; i < to.n; i++)
		*ret_ours |= patient_has(p, to.p[i].addr);
	if (!to.n && to.outcome != DNS_TEMP && to.outcome != DNS_BOGUS) {
		note(p, GRADE_FAIL, "the server " STR_FMT " of the MX records has no address", STR_ARG(mx->host));
		remedy(p, "Publish an A record for " STR_FMT ", or take the MX record away.", STR_ARG(mx->host));
	} else if (alias.outcome == DNS_FOUND && alias.n) {
		note(p, GRADE_WARN, "the server " STR_FMT " of the MX records is an alias (CNAME), which it must not be (RFC 2181)",
		     STR_ARG(mx->host));
		remedy(p, "Name the server itself in the MX record, by the name that has its address.");
	}
	return true;
}

SUSPENDS static void ask_for_mx(struct patient *p)
{
	if (remedy_publish(p, PUBLISH_MX, S("")))
		return;
	remedy(p, "Publish  " STR_FMT ". MX 10 " STR_FMT ".", STR_ARG(p->domain), STR_ARG(p->hostname));
}

SUSPENDS static bool judge_hosts(struct patient *p, const struct dns_mx *mx, size_t n, struct err *e)
{
	const struct dns_mx *best = NULL;
	bool any = false, is_best_ours = false;

	for (size_t i = 0; i < n; i++) {
		bool is_ours;

		if (!judge_host(p, &mx[i], &is_ours, e))
			return false;
		any |= is_ours;
		if (!best || is_sorted_before(&mx[i], best)) {
			best = &mx[i];
			is_best_ours = is_ours;
		}
	}
	if (!any) {
		note(p, GRADE_FAIL, "the MX records of " STR_FMT " lead to others (" STR_FMT "), none to us", STR_ARG(p->domain),
		     STR_ARG(best->host));
		ask_for_mx(p);
	} else if (!is_best_ours) {
		note(p, GRADE_OK, "the best MX of " STR_FMT " is " STR_FMT "; we are behind it", STR_ARG(p->domain), STR_ARG(best->host));
	} else {
		note(p, GRADE_OK, STR_FMT " has the MX " STR_FMT, STR_ARG(p->domain), STR_ARG(best->host));
	}
	return true;
}

SUSPENDS bool doctor_mx(struct patient *p, struct err *e)
{
	struct trust_answer found;
	struct dns_mx *mx;
	size_t n = 0;

	if (!p->dns.ask(p->dns.ctx, p->domain, DNS_MX, p->a, &found, e))
		return false;
	if (found.outcome == DNS_TEMP || found.outcome == DNS_BOGUS)
		return note_unclear(p, p->domain, "MX", found.outcome);
	if (!found.n) {
		note(p, GRADE_FAIL, STR_FMT " has no MX record (%s)", STR_ARG(p->domain), dns_outcome_name(found.outcome));
		ask_for_mx(p);
		return true;
	}
	mx = ARENA_ARRAY(p->a, struct dns_mx, found.n);
	for (size_t i = 0; mx && i < found.n; i++) {
		n += dns_mx_parse(found.p[i], p->a, &mx[n]);
		if (n && str_eq(mx[n - 1].host, S("."))) {
			note(p, GRADE_FAIL, STR_FMT " has a null MX: it says that it takes no mail", STR_ARG(p->domain));
			ask_for_mx(p);
			return true;
		}
	}
	return n == 0 || judge_hosts(p, mx, n, e);
}

/* -- dmarc ----------------------------------------------------------------------- */

SUSPENDS static void ask_for_dmarc(struct patient *p)
{
	if (remedy_publish(p, PUBLISH_DMARC, S("")))
		return;
	remedy(p, "Publish  _dmarc." STR_FMT ". TXT \"v=DMARC1; p=none; rua=mailto:dmarc-reports@" STR_FMT "\"  and, when the reports show that "
		  "all is well, p=quarantine or p=reject.", STR_ARG(p->domain), STR_ARG(p->domain));
}

/* The domain of "mailto:a@b"; empty: it is no such address. */
static struct str domain_of_uri(struct str uri)
{
	size_t at = str_rfind(uri, '@');

	return str_starts_nocase(uri, S("mailto:")) && at < uri.n ? str_from(uri, at + 1) : S("");
}

/* RFC 7489 §7.1: who gets reports of a stranger must have said that he wants them. */
SUSPENDS static bool judge_uri(struct patient *p, struct str at, struct str uri, const struct psl_ctx_st *list, struct err *e)
{
	struct str to = domain_of_uri(uri), name;
	struct trust_texts found;
	bool is_wanted = false;

	if (!to.n) {
		note(p, GRADE_WARN, "reports to " STR_FMT " arrive nowhere: only mailto: addresses are written to", STR_ARG(uri));
		remedy(p, "Write rua=mailto:NAME@DOMAIN into the record.");
		return true;
	}
	if (dmarc_is_aligned(at, to, false, list)) {
		note(p, GRADE_OK, "reports go to " STR_FMT, STR_ARG(uri));
		return true;
	}
	name = arena_printf(p->a, STR_FMT "._report._dmarc." STR_FMT, STR_ARG(at), STR_ARG(to));
	if (!trust_ask_txt(&p->dns, name, p->a, &found, e))
		return false;
	if (found.outcome == DNS_TEMP || found.outcome == DNS_BOGUS)
		return note_unclear(p, name, "TXT", found.outcome);
	for (size_t i = 0; i < found.n; i++)
		is_wanted |= dmarc_record_is(found.p[i]);
	if (is_wanted) {
		note(p, GRADE_OK, "reports go to " STR_FMT ", who has agreed", STR_ARG(uri));
		return true;
	}
	note(p, GRADE_FAIL, "reports to " STR_FMT " are not sent: " STR_FMT " has not said that it wants those about " STR_FMT, STR_ARG(uri),
	     STR_ARG(to), STR_ARG(at));
	remedy(p, "The owner of " STR_FMT " publishes  " STR_FMT ". TXT \"v=DMARC1\"  — or have the reports sent to an address of " STR_FMT
		  ".", STR_ARG(to), STR_ARG(name), STR_ARG(at));
	ticket(p, "Please publish the TXT record \"v=DMARC1\" at " STR_FMT ", so that DMARC reports about our domain reach you.",
	       STR_ARG(name));
	return true;
}

SUSPENDS static bool judge_uris(struct patient *p, const struct dmarc_answer *r, const struct psl_ctx_st *list, struct err *e)
{
	struct str rest = r->record.rua, uri;
	size_t n = 0;

	while (n < URIS_MAX && dmarc_uri_next(&rest, &uri)) {
		n++;
		if (!judge_uri(p, r->published_at, uri, list, e))
			return false;
	}
	if (n == 0) {
		note(p, GRADE_WARN, "the record asks for no reports: nobody sees what is sent in the name of " STR_FMT, STR_ARG(p->domain));
		remedy(p, "Add  rua=mailto:dmarc-reports@" STR_FMT "  to the record.", STR_ARG(p->domain));
	}
	return true;
}

SUSPENDS bool doctor_dmarc(struct patient *p, struct err *e)
{
	struct dmarc_question q = { .from = p->domain };
	struct dmarc_answer r;

	if (!dmarc_check(&q, &p->dns, p->suffixes, p->a, &r, e))
		return false;
	if (r.result == DMARC_NONE || r.result == DMARC_PERMERROR) {
		note(p, GRADE_FAIL, r.result == DMARC_NONE ? STR_FMT " has no DMARC record" STR_FMT : "the DMARC record of " STR_FMT
		     " cannot be used: " STR_FMT, STR_ARG(p->domain), STR_ARG(r.problem));
		ask_for_dmarc(p);
		return true;
	}
	if (r.result == DMARC_TEMPERROR) {
		note(p, GRADE_WARN, STR_FMT, STR_ARG(r.problem));
		remedy(p, "Try again later; if it stays so, mend the name servers of the zone.");
		return true;
	}
	if (r.problem.n) {
		note(p, GRADE_FAIL, STR_FMT, STR_ARG(r.problem));
		ask_for_dmarc(p);
	}
	note(p, GRADE_OK, STR_FMT " asks for p=%s", STR_ARG(r.published_at), dmarc_policy_name(r.policy));
	return judge_uris(p, &r, p->suffixes, e);
}

/* -- mta-sts ---------------------------------------------------------------------- */

SUSPENDS static bool judge_policy(struct patient *p, const struct relay_policy_answer *r, struct err *e)
{
	struct mtasts_policy *policy = ARENA_NEW(p->a, struct mtasts_policy);
	struct trust_answer found;
	struct dns_mx mx;

	if (!policy || !mtasts_policy_parse(r->policy, policy)) {
		note(p, GRADE_FAIL, "what stands there is no policy");
		return true;
	}
	if (!p->dns.ask(p->dns.ctx, p->domain, DNS_MX, p->a, &found, e))
		return false;
	for (size_t i = 0; policy->mode != MTASTS_NONE && i < found.n; i++) {
		if (!dns_mx_parse(found.p[i], p->a, &mx) || mtasts_policy_has(policy, mx.host))
			continue;
		note(p, policy->mode == MTASTS_ENFORCE ? GRADE_FAIL : GRADE_WARN, "the policy (%s) does not name the MX " STR_FMT,
		     mtasts_mode_name(policy->mode), STR_ARG(mx.host));
		remedy(p, "Add the line  mx: " STR_FMT "  to https://mta-sts." STR_FMT "/.well-known/mta-sts.txt, then give _mta-sts." STR_FMT
			  " a new id=.", STR_ARG(mx.host), STR_ARG(p->domain), STR_ARG(p->domain));
	}
	note(p, GRADE_OK, "policy " STR_FMT ", mode %s, for %u s", STR_ARG(r->id), mtasts_mode_name(policy->mode), policy->max_age);
	return true;
}

SUSPENDS bool doctor_mta_sts(struct patient *p, struct err *e)
{
	struct relay_policy_answer r = { 0 };

	if (!relay_policy(link_to_instance(ROLE_RELAY, RELAY_WEB), &(struct relay_policy){ .domain = p->domain }, &r, p->a, e)) {
		note(p, GRADE_WARN, "the policy cannot be asked for: %s", e->text);
		return e->fault != FAULT_CANCEL;
	}
	if (r.outcome == RELAY_POLICY_NEW)
		return judge_policy(p, &r, e);
	if (r.outcome == RELAY_POLICY_NONE) {
		note(p, GRADE_SKIPPED, "no policy is announced at _mta-sts." STR_FMT ": MTA-STS is not used, and need not be",
		     STR_ARG(p->domain));
		return true;
	}
	note(p, GRADE_FAIL, "a policy is announced at _mta-sts." STR_FMT " and cannot be had: " STR_FMT, STR_ARG(p->domain), STR_ARG(r.why));
	remedy(p, "Serve it at https://mta-sts." STR_FMT "/.well-known/mta-sts.txt with a certificate for that name, as text/plain; or take the "
		  "TXT record away.", STR_ARG(p->domain));
	return true;
}
