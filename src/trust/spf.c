/* spf.c — check_host() of SPF (RFC 7208 §4); see spf.h. */
#include "trust/spf.h"

#include "base/attr.h"
#include "fiber/fiber.h"
#include "trust/spf_check.h"
#include "wire/address.h"
#include "wire/spf_record.h"

#include <stdarg.h>
#include <stdio.h>

enum { PROBLEM_MAX = 300 };

static const char *const result_names[] = {
	[SPF_NONE] = "none", [SPF_NEUTRAL] = "neutral", [SPF_PASS] = "pass", [SPF_FAIL] = "fail",
	[SPF_SOFTFAIL] = "softfail", [SPF_TEMPERROR] = "temperror", [SPF_PERMERROR] = "permerror",
};

const char *spf_result_name(enum spf_result r)
{
	return (unsigned)r < ARRAY_LEN(result_names) ? result_names[r] : "?";
}

/* The first problem is the one that is told.  Terms of a record that was read and names as text are printable. */
enum spf_match spf_problem(struct spf_check *c, enum spf_match how, const char *fmt, ...)
{
	char text[PROBLEM_MAX];
	va_list args;

	if (c->problem.n)
		return how;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->problem = arena_str(c->keep, str_from_z(text));
	return how;
}

/* -- one record ------------------------------------------------------------- */

/* What came of a domain's record. */
struct verdict {
	enum spf_result result;
	struct str exp, domain;          /* for FAIL: the exp= that holds and the domain it stands in */
	struct str matched;
};

SUSPENDS static bool check_host(struct spf_check *c, struct str domain, struct verdict *ret);

static enum spf_match count_term(struct spf_check *c)
{
	if (c->terms++ < SPF_TERMS_MAX)
		return SPF_MATCH_YES;
	return spf_problem(c, SPF_MATCH_PERM, "more than %d terms ask the DNS", SPF_TERMS_MAX);
}

/* §5.2 */
SUSPENDS static enum spf_match match_include(struct spf_check *c, struct str target, struct str name)
{
	struct verdict v;

	if (!check_host(c, target, &v))
		return SPF_MATCH_STOP;
	switch (v.result) {
	case SPF_PASS: return SPF_MATCH_YES;
	case SPF_TEMPERROR: return SPF_MATCH_TEMP;
	case SPF_PERMERROR: return SPF_MATCH_PERM;
	case SPF_NONE: return spf_problem(c, SPF_MATCH_PERM, STR_FMT " has no SPF record to include", STR_ARG(name));
	default: return SPF_MATCH_NO;
	}
}

/* §5.7: A, for IPv6 clients too. */
SUSPENDS static enum spf_match match_exists(struct spf_check *c, struct str name)
{
	struct trust_answer r;
	enum spf_match how = spf_ask(c, name, DNS_A, &r);

	return how == SPF_MATCH_NO ? spf_count_void(c, name) : how;
}

SUSPENDS static enum spf_match match_asking(struct spf_check *c, const struct spf_term *t, struct str domain)
{
	enum spf_match how = count_term(c);
	struct str target, name;

	if (how == SPF_MATCH_YES)
		how = spf_target(c, t->domain, domain, &target);
	if (how == SPF_MATCH_NO && t->kind == SPF_TERM_INCLUDE)
		return spf_problem(c, SPF_MATCH_PERM, STR_FMT " names no domain", STR_ARG(t->text));
	if (how != SPF_MATCH_YES)
		return how;
	name = spf_name_text(target, &c->tmp);
	switch (t->kind) {
	case SPF_TERM_INCLUDE: return match_include(c, target, name);
	case SPF_TERM_A: return spf_match_hosts(c, name, t->bits4, t->bits6);
	case SPF_TERM_MX: return spf_match_mx(c, name, t->bits4, t->bits6);
	case SPF_TERM_PTR: return spf_match_ptr(c, name);
	default: return match_exists(c, name);
	}
}

SUSPENDS static enum spf_match match(struct spf_check *c, const struct spf_term *t, struct str domain)
{
	bool is_v4 = spf_client_is_v4(c);

	switch (t->kind) {
	case SPF_TERM_ALL:
		return SPF_MATCH_YES;
	case SPF_TERM_IP4:
		return is_v4 && spf_is_in_network(c->q->ip, t->addr, 96U + t->bits4) ? SPF_MATCH_YES : SPF_MATCH_NO;
	case SPF_TERM_IP6:
		return !is_v4 && spf_is_in_network(c->q->ip, t->addr, t->bits6) ? SPF_MATCH_YES : SPF_MATCH_NO;
	case SPF_TERM_REDIRECT: case SPF_TERM_EXP: case SPF_TERM_OTHER:
		return SPF_MATCH_NO;
	default:
		return match_asking(c, t, domain);
	}
}

static enum spf_result result_of(char qualifier)
{
	switch (qualifier) {
	case '-': return SPF_FAIL;
	case '~': return SPF_SOFTFAIL;
	case '?': return SPF_NEUTRAL;
	default: return SPF_PASS;
	}
}

/* Left to right, the first that matches (§4.6.2).  *ret_done: the record has decided. */
SUSPENDS static bool walk(struct spf_check *c, struct str terms, struct str domain, bool *ret_done, struct verdict *v)
{
	struct spf_term t;

	*ret_done = true;
	while (spf_term_next(&terms, &t)) {
		struct arena_mark mark = arena_mark(&c->tmp);
		enum spf_match how = match(c, &t, domain);

		arena_rewind(&c->tmp, mark);
		switch (how) {
		case SPF_MATCH_NO: continue;
		case SPF_MATCH_YES: v->result = result_of(t.qualifier); break;
		case SPF_MATCH_TEMP: v->result = SPF_TEMPERROR; break;
		case SPF_MATCH_PERM: v->result = SPF_PERMERROR; break;
		case SPF_MATCH_STOP: return false;
		}
		v->matched = t.text;
		return true;
	}
	*ret_done = false;
	return true;
}

/* The one record among a domain's TXT records (§4.5).  YES; NO: there is none; TEMP, PERM, STOP. */
SUSPENDS static enum spf_match record_find(struct spf_check *c, struct str domain, struct str *ret)
{
	struct str name = spf_name_text(domain, &c->tmp);
	struct trust_texts r;

	*ret = (struct str){ 0 };
	if (!name.n || !str_has(name, '.'))
		return SPF_MATCH_NO;
	if (!trust_ask_txt(&c->counted, name, &c->tmp, &r, c->e))
		return SPF_MATCH_STOP;
	if (r.outcome == DNS_TEMP || r.outcome == DNS_BOGUS)
		return spf_problem(c, SPF_MATCH_TEMP, "the DNS says nothing useful about " STR_FMT " (%s)", STR_ARG(name),
				   dns_outcome_name(r.outcome));
	for (size_t i = 0; i < r.n; i++) {
		if (!spf_record_is(r.p[i]))
			continue;
		if (ret->n)
			return spf_problem(c, SPF_MATCH_PERM, STR_FMT " has more than one SPF record", STR_ARG(name));
		*ret = r.p[i];
	}
	return ret->n ? SPF_MATCH_YES : SPF_MATCH_NO;
}

SUSPENDS static enum spf_match record_get(struct spf_check *c, struct str domain, struct spf_record *ret)
{
	struct str text;
	enum spf_match how = record_find(c, domain, &text);
	struct str name;
	struct err e;

	if (how != SPF_MATCH_YES || spf_record_read(text, ret, &e))
		return how;
	name = spf_name_text(domain, &c->tmp);
	return spf_problem(c, SPF_MATCH_PERM, STR_FMT ", %s", STR_ARG(name), e.text);
}

/* §6.1: nothing has matched; who decides instead. */
SUSPENDS static enum spf_match redirect(struct spf_check *c, struct str spec, struct str domain, struct str *ret)
{
	enum spf_match how = count_term(c);

	if (how == SPF_MATCH_YES)
		how = spf_target(c, spec, domain, ret);
	if (how == SPF_MATCH_NO)
		return spf_problem(c, SPF_MATCH_PERM, "redirect=" STR_FMT " names no domain", STR_ARG(spec));
	return how;
}

/* What cannot match is an error or no record. */
static bool verdict_of(enum spf_match how, bool is_redirected, struct verdict *v)
{
	switch (how) {
	case SPF_MATCH_TEMP: v->result = SPF_TEMPERROR; break;
	case SPF_MATCH_PERM: v->result = SPF_PERMERROR; break;
	default: v->result = is_redirected ? SPF_PERMERROR : SPF_NONE; break;
	}
	return how != SPF_MATCH_STOP;
}

/* A redirect is a loop; includes nest, at most as deep as terms may ask (SPF_TERMS_MAX). */
SUSPENDS bool check_host(struct spf_check *c, struct str domain, struct verdict *ret)
{
	for (bool is_redirected = false;; is_redirected = true) {
		struct spf_record record;
		enum spf_match how = record_get(c, domain, &record);
		struct str name;
		bool is_done;

		*ret = (struct verdict){ .domain = domain };
		if (how == SPF_MATCH_NO && is_redirected) {
			name = spf_name_text(domain, &c->tmp);
			spf_problem(c, how, STR_FMT " has no SPF record to redirect to", STR_ARG(name));
		}
		if (how != SPF_MATCH_YES)
			return verdict_of(how, is_redirected, ret);
		if (!walk(c, record.terms, domain, &is_done, ret))
			return false;
		ret->exp = record.exp;
		if (!is_done && !record.redirect.n)
			ret->result = SPF_NEUTRAL;
		if (is_done || !record.redirect.n)
			return true;
		how = redirect(c, record.redirect, domain, &domain);
		if (how != SPF_MATCH_YES)
			return verdict_of(how, true, ret);
	}
}

/* -- the explanation -------------------------------------------------------- */

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < 32 || str_at(s, i) > 126)
			return false;
	return true;
}

/* Whatever is wrong with it, there is none (§6.2).  Not counted: the result is there already. */
SUSPENDS static enum spf_match explain(struct spf_check *c, const struct verdict *v, struct str *ret)
{
	AUTO(buf_end) struct buf b = buf_on_heap(SPF_EXPLANATION_MAX);
	struct str problem = c->problem, target;
	enum spf_match how = spf_target(c, v->exp, v->domain, &target);
	struct trust_texts r;

	c->problem = problem;
	if (how != SPF_MATCH_YES)
		return how;
	if (!trust_ask_txt(&c->counted, spf_name_text(target, &c->tmp), &c->tmp, &r, c->e))
		return SPF_MATCH_STOP;
	if (r.n != 1)
		return SPF_MATCH_NO;
	how = spf_explain(c, r.p[0], v->domain, &b);
	if (how == SPF_MATCH_YES && !b.full && is_plain(buf_str(&b)))
		*ret = arena_str(c->keep, buf_str(&b));
	return how;
}

/* -- a check ---------------------------------------------------------------- */

/* The limits of terms and hosts keep below the most already; macros of names and an explanation come on top. */
SUSPENDS static bool counted_ask(void *ctx, struct str name, uint16_t type, struct arena *a, struct trust_answer *ret,
				 struct err *e)
{
	struct spf_check *c = ctx;

	if (c->questions < SPF_QUESTIONS_MAX) {
		c->questions++;
		return c->q_dns->ask(c->q_dns->ctx, name, type, a, ret, e);
	}
	*ret = (struct trust_answer){ .outcome = DNS_TEMP };
	return true;
}

/* §4.3: no domain of several labels has no record.  A literal is no domain. */
static bool domain_of(struct str domain, struct arena *a, struct str *ret)
{
	if (str_ends(domain, S(".")))
		domain.n--;
	return str_at(domain, 0) != '[' && address_domain_fold(domain, a, ret);
}

SUSPENDS static bool judge(struct spf_check *c, struct spf_answer *r)
{
	struct verdict v;

	if (!check_host(c, r->domain, &v))
		return false;
	r->result = v.result;
	r->matched = arena_str(c->keep, v.matched);
	r->matched_in = v.matched.n ? arena_str(c->keep, v.domain) : (struct str){ 0 };
	return v.result != SPF_FAIL || !v.exp.n || explain(c, &v, &r->explanation) != SPF_MATCH_STOP;
}

SUSPENDS static bool check(struct spf_check *c, enum spf_identity identity, struct spf_answer *ret, struct err *e)
{
	struct spf_answer r = { .identity = identity };
	struct err why = { 0 };
	bool ok = true;

	c->e = &why;
	c->counted = (struct trust_dns){ .ask = counted_ask, .ctx = c };
	if (!domain_of(c->sender_domain, c->keep, &r.domain)) {
		r.domain = arena_str(c->keep, c->sender_domain);
		spf_problem(c, SPF_MATCH_NO, "not a domain name");
	} else {
		c->sender_domain = r.domain;
		WITHIN(SPF_WITHIN)
			ok = judge(c, &r);
	}
	arena_end(&c->tmp);
	if (!ok && !trust_is_late(&why, e))
		return false;
	if (!ok) {
		spf_problem(c, SPF_MATCH_TEMP, "the DNS takes longer than %d s", (int)(SPF_WITHIN / SECOND));
		r = (struct spf_answer){ .identity = identity, .domain = r.domain, .result = SPF_TEMPERROR };
	}
	if (r.result == SPF_TEMPERROR || r.result == SPF_PERMERROR || r.result == SPF_NONE)
		r.problem = c->problem;
	r.terms = c->terms;
	r.voids = c->voids;
	*ret = r;
	return true;
}

SUSPENDS bool spf_check_helo(const struct spf_question *q, const struct trust_dns *dns, struct arena *a, struct spf_answer *ret,
		    struct err *e)
{
	struct spf_check c = { .q = q, .q_dns = dns, .local = S("postmaster"), .sender_domain = q->helo, .keep = a,
			       .tmp = { .limit = SPF_BYTES_MAX } };

	return check(&c, SPF_HELO, ret, e);
}

SUSPENDS bool spf_check_mail_from(const struct spf_question *q, const struct trust_dns *dns, struct arena *a,
			 struct spf_answer *ret, struct err *e)
{
	struct spf_check c = { .q = q, .q_dns = dns, .local = q->local.n ? q->local : S("postmaster"),
			       .sender_domain = q->domain.n ? q->domain : q->helo, .keep = a,
			       .tmp = { .limit = SPF_BYTES_MAX } };

	return check(&c, SPF_MAIL_FROM, ret, e);
}
