/* dmarc.c — see dmarc.h. */
#include "trust/dmarc.h"

#include "fiber/fiber.h"
#include "trust/psl.h"

enum { PCT_ALL = 100 };

const char *dmarc_result_name(enum dmarc_result r)
{
	static const char *const names[] = { "none", "pass", "fail", "temperror", "permerror" };

	return (unsigned)r < ARRAY_LEN(names) ? names[r] : "?";
}

bool dmarc_is_aligned(struct str x, struct str y, bool is_strict, const struct psl_ctx_st *list)
{
	if (!x.n || str_eq_nocase(x, y))
		return x.n;
	return !is_strict && str_eq_nocase(psl_organization(list, x), psl_organization(list, y));
}

/* -- the record (§6.6.3) ---------------------------------------------------- */

enum found { FOUND, NOT_FOUND, FOUND_BROKEN, STOPPED };

/* The one record at _dmarc.DOMAIN. */
SUSPENDS static enum found ask(const struct trust_dns *dns, struct str domain, struct arena *a, struct dmarc_answer *r,
			       struct err *e)
{
	struct str name = arena_printf(a, "_dmarc." STR_FMT, STR_ARG(domain)), text = { 0 };
	struct trust_texts texts;
	size_t count = 0;

	if (!trust_ask_txt(dns, name, a, &texts, e))
		return STOPPED;
	if (texts.outcome == DNS_TEMP || texts.outcome == DNS_BOGUS) {
		r->result = DMARC_TEMPERROR;
		r->problem = arena_printf(a, "the DNS says nothing useful about " STR_FMT " (%s)", STR_ARG(name),
					  dns_outcome_name(texts.outcome));
		return FOUND_BROKEN;
	}
	for (size_t i = 0; i < texts.n; i++)
		if (dmarc_record_is(texts.p[i]) && count++ == 0)
			text = texts.p[i];
	if (count == 0)
		return NOT_FOUND;
	r->published_at = domain;
	r->result = DMARC_PERMERROR;
	if (count > 1) {
		r->problem = arena_printf(a, STR_FMT " has %zu DMARC records", STR_ARG(name), count);
		return FOUND_BROKEN;
	}
	dmarc_record_read(text, &r->record);
	if (r->record.problem)
		r->problem = arena_printf(a, STR_FMT ": %s", STR_ARG(name), r->record.problem);
	return r->record.is_usable ? FOUND : FOUND_BROKEN;
}

/* At the domain itself, then at its organisation's. */
SUSPENDS static enum found record_find(const struct dmarc_question *q, const struct trust_dns *dns,
				       const struct psl_ctx_st *list, struct arena *a, struct dmarc_answer *r, struct err *e)
{
	enum found found = ask(dns, q->from, a, r, e);
	struct str organization;

	r->policy = r->record.p;
	if (found != NOT_FOUND)
		return found;
	organization = psl_organization(list, q->from);
	if (organization.n < q->from.n) {
		found = ask(dns, organization, a, r, e);
		r->policy = r->record.sp;
	}
	return found;
}

/* -- the verdict ------------------------------------------------------------ */

/* §6.6.4: of those that fail, pct in a hundred get the policy and the others the next weaker one. */
static enum dmarc_policy disposition(enum dmarc_policy p, unsigned pct, unsigned dice)
{
	if (p == DMARC_POLICY_NONE || dice % PCT_ALL < pct)
		return p;
	return p == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE : DMARC_POLICY_NONE;
}

/* What has passed for an aligned domain; *ret_may: what failed for now only might still. */
static void align(const struct dmarc_question *q, const struct psl_ctx_st *list, struct dmarc_answer *r, bool *ret_may)
{
	*ret_may = false;
	for (size_t i = 0; i < q->n_signatures; i++) {
		const struct dmarc_signature *s = &q->signatures[i];

		if (!dmarc_is_aligned(s->domain, q->from, r->record.is_dkim_strict, list))
			continue;
		*ret_may |= s->is_temporary;
		if (s->has_passed && !r->is_dkim_aligned) {
			r->is_dkim_aligned = true;
			r->aligned = s->domain;
		}
	}
	if (!q->spf || !dmarc_is_aligned(q->spf->domain, q->from, r->record.is_spf_strict, list))
		return;
	*ret_may |= q->spf->result == SPF_TEMPERROR;
	r->is_spf_aligned = q->spf->result == SPF_PASS;
	if (r->is_spf_aligned && !r->is_dkim_aligned)
		r->aligned = q->spf->domain;
}

static void judge(const struct dmarc_question *q, const struct psl_ctx_st *list, struct arena *a, struct dmarc_answer *r)
{
	bool may_pass;

	align(q, list, r, &may_pass);
	if (r->is_dkim_aligned || r->is_spf_aligned) {
		r->result = DMARC_PASS;
		r->aligned = arena_str(a, r->aligned);
	} else if (may_pass) {
		r->result = DMARC_TEMPERROR;
		r->problem = arena_str(a, S("what could pass for the domain could not be had from the DNS"));
	} else {
		r->result = DMARC_FAIL;
		r->disposition = disposition(r->policy, r->record.pct, q->dice);
	}
}

SUSPENDS bool dmarc_check(const struct dmarc_question *q, const struct trust_dns *dns, const struct psl_ctx_st *list,
			  struct arena *a, struct dmarc_answer *ret, struct err *e)
{
	struct dmarc_answer r = { 0 };
	enum found found = STOPPED;
	struct err why = { 0 };

	WITHIN(DMARC_WITHIN)
		found = record_find(q, dns, list, a, &r, &why);
	if (found == STOPPED) {
		if (!trust_is_late(&why, e))
			return false;
		r = (struct dmarc_answer){ .result = DMARC_TEMPERROR, .problem = S("the DNS takes too long") };
	}
	r.published_at = arena_str(a, r.published_at);
	if (found == FOUND)
		judge(q, list, a, &r);
	*ret = r;
	return true;
}
