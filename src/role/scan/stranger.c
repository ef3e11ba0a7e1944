/* stranger.c — who a stranger's letter is from, and what follows.
 *
 * src/trust finds out (auth.h); each line `check from|spf|dkim|dmarc|arc` of the configuration makes a finding of it, as
 * the lines about the client do in smtpd.  What a friend hands on, or this machine, has its signatures looked at and
 * nothing more: a forwarder stands in no other domain's SPF. */
#include "role/scan/scan.h"

#include "base/id.h"
#include "ipc/verdict.h"
#include "role/dns_for_trust.h"
#include "spam/spam_fields.h"
#include "wire/address.h"
#include "wire/auth_results.h"
#include "wire/smtp_reply.h"

enum { RESULTS_MAX = 2000, FINDINGS_MAX = 2000, FIELD_MAX = 48 << 10 };

/* -- looking ---------------------------------------------------------------- */

/* The loopback address alone: a program of this machine, or one that fetches letters elsewhere. */
static bool is_this_machine(const uint8_t ip[16])
{
	static const uint8_t v4[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 }, v6[16] = { [15] = 1 };

	return memcmp(ip, v4, 16) == 0 || memcmp(ip, v6, 16) == 0;
}

/* -- what each line finds --------------------------------------------------- */

static void found(struct finding *f, enum finding_state state, struct str value, struct str why)
{
	f->state = state;
	f->value = value;
	f->why = why;
}

static void found_other(struct finding *f, enum conf_when when, struct str value, struct str why)
{
	found(f, FINDING_OTHER, value, why);
	f->when = when;
}

static void judge_from(const struct stranger *s, struct finding *f, struct arena *a)
{
	(void)a;
	found(f, s->auth->from_is == DMARC_FROM_ONE ? FINDING_PASS : FINDING_FOUND, s->auth->from,
	      str_from_z(dmarc_from_why(s->auth->from_is)));
}

static void judge_spf(const struct stranger *s, struct finding *f, struct arena *a)
{
	static const struct {
		enum finding_state state;
		enum conf_when when;
		const char *why;
	} rows[] = {
		[SPF_NONE] = { FINDING_OTHER, CONF_WHEN_NONE, "there is no SPF record" },
		[SPF_NEUTRAL] = { FINDING_OTHER, CONF_WHEN_NEUTRAL, "the domain does not say who sends for it" },
		[SPF_PASS] = { FINDING_PASS, 0, "" },
		[SPF_FAIL] = { FINDING_FOUND, 0, "the client may not send for the domain" },
		[SPF_SOFTFAIL] = { FINDING_OTHER, CONF_WHEN_SOFTFAIL, "the client probably may not send for the domain" },
		[SPF_TEMPERROR] = { FINDING_TEMP, 0, "the SPF record could not be asked for" },
		[SPF_PERMERROR] = { FINDING_OTHER, CONF_WHEN_PERMERROR, "the SPF record is broken" },
	};
	const struct spf_answer *r = &s->auth->mail_from;
	struct str why = str_from_z(rows[r->result].why), colon = r->problem.n ? S(": ") : S("");

	found(f, rows[r->result].state, r->domain, arena_printf(a, STR_FMT STR_FMT STR_FMT, STR_ARG(why), STR_ARG(colon), STR_ARG(r->problem)));
	f->when = rows[r->result].when;
	f->reply = r->result == SPF_PERMERROR ? REPLY_SPF_BROKEN : REPLY_SPF_FAILED;
}

static void judge_dkim(const struct stranger *s, struct finding *f, struct arena *a)
{
	const struct dkim *d = &s->auth->dkim;
	const struct dkim_checked *best = dkim_best(d);
	bool is_temporary = false;

	(void)a;
	if (!best) {
		found_other(f, CONF_WHEN_NONE, S(""), S("the letter is not signed"));
		return;
	}
	for (size_t i = 0; i < d->n; i++)
		is_temporary |= d->p[i].outcome.result == DKIM_TEMPERROR;
	found(f, best->outcome.result == DKIM_PASS ? FINDING_PASS : is_temporary ? FINDING_TEMP : FINDING_FOUND,
	      best->signature.domain, best->outcome.reason);
}

static void judge_dmarc(const struct stranger *s, struct finding *f, struct arena *a)
{
	const struct dmarc_answer *r = &s->auth->dmarc;
	struct str by = s->auth->vouched_by;

	if (s->auth->from_is != DMARC_FROM_ONE)
		return;          /* `check from` says it */
	if (r->result == DMARC_NONE)
		found_other(f, CONF_WHEN_NONE, s->auth->from, S("the domain has no DMARC record"));
	else if (r->result == DMARC_PERMERROR)
		found_other(f, CONF_WHEN_PERMERROR, s->auth->from, r->problem);
	else if (r->result == DMARC_TEMPERROR)
		found(f, FINDING_TEMP, s->auth->from, r->problem);
	else if (r->result == DMARC_PASS || by.n)
		found(f, FINDING_PASS, s->auth->from,
		      by.n ? arena_printf(a, STR_FMT " saw it pass (ARC)", STR_ARG(by)) : S(""));
	else
		found(f, FINDING_FOUND, s->auth->from,
		      arena_printf(a, "nothing that passes is aligned; policy %s of " STR_FMT ", for this letter %s",
				   dmarc_policy_name(r->policy), STR_ARG(r->published_at), dmarc_policy_name(r->disposition)));
}

static void judge_arc(const struct stranger *s, struct finding *f, struct arena *a)
{
	const struct arc *r = &s->auth->arc;
	struct str by = r->n ? r->sets[r->n - 1].sealed.domain : (struct str){ 0 };

	(void)a;
	if (r->result == ARC_NONE)
		found_other(f, CONF_WHEN_NONE, S(""), S("nobody has sealed it"));
	else
		found(f, r->result == ARC_PASS ? FINDING_PASS : r->result == ARC_FAIL ? FINDING_FOUND : FINDING_TEMP, by, r->reason);
}

static void judge_header_address(const struct stranger *s, struct finding *f, struct arena *a)
{
	static const enum finding_state states[] = { [HEADER_SENDER_GOOD] = FINDING_PASS, [HEADER_SENDER_BAD] = FINDING_FOUND,
						     [HEADER_SENDER_TEMP] = FINDING_TEMP };

	(void)a;
	found(f, states[s->sender.result], s->sender.piece, s->sender.why);
}

static const struct rule {
	void (*judge)(const struct stranger *s, struct finding *f, struct arena *a);
	enum reply_id refused;
} rules[CONF_CHECK_KINDS] = {
	[CONF_CHECK_FROM] = { judge_from, REPLY_FROM_BAD },
	[CONF_CHECK_SPF] = { judge_spf, REPLY_SPF_FAILED },
	[CONF_CHECK_DKIM] = { judge_dkim, REPLY_DKIM_FAILED },
	[CONF_CHECK_DMARC] = { judge_dmarc, REPLY_DMARC_FAILED },
	[CONF_CHECK_ARC] = { judge_arc, REPLY_ARC_FAILED },
	[CONF_CHECK_HEADER_ADDRESS] = { judge_header_address, REPLY_HEADER_SENDER },
};

/* -- what follows ------------------------------------------------------------ */

/* What could not be asked for a day counts for nothing. */
static void wait_or_not(struct stranger *s, const struct scan_letter *q, struct finding *f)
{
	const struct conf_outcome *o = finding_outcome(f);

	if (f->state != FINDING_TEMP || !o || o->action != CONF_DEFER)
		return;
	s->is_temporary = true;
	if (!q->is_patient)
		return;
	f->state = FINDING_NONE;
	f->why = S("it could not be asked for more than a day, and counts for nothing");
}

static const struct finding *obeyed(const struct stranger *s, enum dmarc_policy policy)
{
	for (size_t i = 0; i < s->n_found; i++) {
		const struct conf_outcome *o = finding_outcome(&s->found[i]);

		if (o && o->action == CONF_OBEY && s->auth->dmarc.disposition == policy)
			return &s->found[i];
	}
	return NULL;
}

static bool judge(struct stranger *s, const struct scan_letter *q, struct arena *a)
{
	const struct conf_checks *lines = &conf_now()->inbound.checks;
	const struct finding *forged;
	const struct conf_outcome *o;

	s->found = ARENA_ARRAY(a, struct finding, lines->n + 1);
	if (!s->found)
		return false;
	for (size_t i = 0; i < lines->n; i++) {
		struct finding *f = &s->found[s->n_found];

		if (!conf_check_is_of_letter(&lines->p[i]))
			continue;
		s->n_found++;
		*f = (struct finding){ .check = &lines->p[i], .reply = (uint16_t)rules[lines->p[i].kind].refused };
		rules[lines->p[i].kind].judge(s, f, a);
		wait_or_not(s, q, f);
	}
	s->refusal = spam_verdict_of(s->found, s->n_found).refusal;
	o = s->refusal ? finding_outcome(s->refusal) : NULL;
	forged = obeyed(s, DMARC_POLICY_REJECT);
	if (forged && (!o || o->action != CONF_REJECT))
		s->refusal = forged;
	s->is_junk = obeyed(s, DMARC_POLICY_QUARANTINE);
	return true;
}

static bool wants(enum conf_check_kind kind)
{
	const struct conf_checks *lines = &conf_now()->inbound.checks;

	for (size_t i = 0; i < lines->n; i++)
		if (lines->p[i].kind == kind)
			return true;
	return false;
}

SUSPENDS bool stranger_look(const struct scan_letter *q, struct str head, const struct letter_src *src, struct arena *a,
			    struct stranger *ret, struct err *e)
{
	struct trust_dns dns = dns_for_trust();
	struct auth_means m = auth_means_of(&dns);

	*ret = (struct stranger){ 0 };
	if (q->peer.n == 0 || conf_now()->dns.resolver.kind == CONF_RESOLVER_OFF)
		return true;
	if (!auth_client_read(q->peer, q->helo, q->mail_from, a, &ret->client, e))
		return false;
	ret->client.is_handed_on = q->is_friend || is_this_machine(ret->client.ip);
	ret->client.is_known = !ret->client.is_handed_on;
	ret->auth = ARENA_NEW(a, struct auth);
	if (!ret->auth)
		return fail(e, FAULT_TEMP, "no memory for the letter");
	if (!auth_check(&m, &ret->client, head, src, a, ret->auth, e))
		return false;
	ret->is_looked_at = true;
	if (!ret->client.is_handed_on && wants(CONF_CHECK_HEADER_ADDRESS) &&
	    !header_sender_check(&dns, head, a, &ret->sender, e))
		return false;
	return ret->client.is_handed_on || judge(ret, q, a) || fail(e, FAULT_TEMP, "no memory for the checks");
}

/* What is wrong is quoted; the domain's own words stand behind whose they are (RFC 7208 §8.4). */
static struct str words_of(const struct stranger *s, enum reply_id id, struct arena *a)
{
	const struct spf_answer *spf = &s->auth->mail_from;

	if (id == REPLY_SPF_FAILED && spf->explanation.n)
		return arena_printf(a, "%s; the domain " STR_FMT " explains: " STR_FMT, reply_row(id)->text, STR_ARG(spf->domain),
				    STR_ARG(spf->explanation));
	if (id == REPLY_HEADER_SENDER)
		return arena_printf(a, "%s: " STR_FMT, reply_row(id)->text, STR_ARG(s->sender.why));
	return str_from_z(reply_row(id)->text);
}

void stranger_refuse(const struct stranger *s, const struct scan_letter *q, struct scan_letter_answer *r, struct arena *a)
{
	const struct finding *f = s->refusal;
	const struct conf_outcome *o = finding_outcome(f);
	enum reply_id id = o->action == CONF_DEFER ? f->state == FINDING_TEMP ? REPLY_DNS_LATER : REPLY_NOT_NOW
						   : (enum reply_id)f->reply;
	struct str text = o->text.n ? o->text : words_of(s, id, a), label = f->check->label, name = conf_check_name(f->check->kind);

	r->verdict = VERDICT_REFUSE;
	r->is_check = true;
	r->reply = (uint16_t)id;
	r->text = arena_printf(a, STR_FMT " (%s)", STR_ARG(text), ID_Z(q->id));
	r->why = arena_printf(a, "check " STR_FMT "%s" STR_FMT ": " STR_FMT "%s" STR_FMT, STR_ARG(name), label.n ? " " : "",
			      STR_ARG(label), STR_ARG(f->value), f->value.n ? ": " : "", STR_ARG(f->why));
}

/* -- telling ----------------------------------------------------------------- */

bool stranger_add_fields(const struct stranger *s, struct buf *b, struct arena *a)
{
	struct auth_results field;
	size_t before = b->n;

	if (!s->is_looked_at)
		return true;
	if (!auth_tell(&s->client, s->auth, conf_now()->hostname, a, &field))
		return false;
	buf_add(b, S("Authentication-Results: "));
	auth_results_add(b, &field);
	buf_add(b, S("\r\n"));
	if (b->n - before > FIELD_MAX)
		b->n = before;
	auth_add_received_spf(b, &s->client, s->auth, conf_now()->hostname);
	return true;
}

static void results_add(struct buf *b, const struct stranger *s)
{
	const struct auth *x = s->auth;

	if (s->client.is_known)
		buf_addf(b, "iprev=%s spf=%s helo=%s ", iprev_result_name(x->iprev.result), spf_result_name(x->mail_from.result),
			 spf_result_name(x->helo.result));
	for (size_t i = 0; i < x->dkim.n; i++)
		buf_addf(b, "dkim=%s(" STR_FMT ") ", dkim_result_name(x->dkim.p[i].outcome.result),
			 STR_ARG(x->dkim.p[i].signature.domain));
	buf_addf(b, "%sarc=%s", x->dkim.n ? "" : "dkim=none ", arc_result_name(x->arc.result));
	if (s->client.is_handed_on)
		return;
	if (x->from_is != DMARC_FROM_ONE)
		buf_add(b, S(" dmarc=permerror"));
	else
		buf_addf(b, " dmarc=%s", dmarc_result_name(x->dmarc.result));
	if (x->dmarc.published_at.n)
		buf_addf(b, "(p=%s dis=%s)", dmarc_policy_name(x->dmarc.policy), dmarc_policy_name(x->dmarc.disposition));
}

/* The owner's label, else "SPF_SOFTFAIL". */
static void symbol_add(struct buf *b, const struct finding *f)
{
	struct str when = f->state == FINDING_OTHER ? conf_when_name(f->when)
			  : f->state == FINDING_TEMP ? S("temperror") : S("fail");

	finding_add_symbol(b, f->check);
	if (f->check->label.n)
		return;
	buf_add_char(b, '_');
	for (size_t i = 0; i < when.n; i++)
		buf_add_char(b, (char)ascii_upper(str_at(when, i)));
}

static bool tell_signals(const struct stranger *s, const struct scan_letter *q, struct scan_letter_answer *r, struct arena *a)
{
	size_t n = q->signals.n;
	struct ipc_signal *p = ARENA_ARRAY(a, struct ipc_signal, n + s->n_found + 1);

	if (!p)
		return false;
	for (size_t i = 0; i < n; i++)
		p[i] = q->signals.p[i];
	for (size_t i = 0; i < s->n_found && !q->is_exempt; i++) {
		const struct conf_outcome *o = finding_outcome(&s->found[i]);
		char mem[CHECK_SYMBOL_MAX];
		struct buf symbol = buf_over(mem, sizeof(mem));

		if (!o || (o->action != CONF_SCORE && o->action != CONF_TAG))
			continue;
		symbol_add(&symbol, &s->found[i]);
		p[n++] = (struct ipc_signal){ arena_str(a, buf_str(&symbol)), o->score };
	}
	r->signals.p = p;
	r->signals.n = n;
	return true;
}

/* Signatures are counted of who is judged: decoded, for white space in b= is anybody's. */
static bool tell_signers(const struct stranger *s, const struct scan_letter *q, struct scan_letter_answer *r, struct arena *a)
{
	bool is_judged = !q->is_exempt && !s->client.is_handed_on;

	r->signers.p = ARENA_ARRAY(a, struct ipc_text, DKIM_SIGNATURES_MAX);
	r->signatures.p = ARENA_ARRAY(a, struct ipc_text, DKIM_SIGNATURES_MAX);
	for (size_t i = 0; r->signers.p && r->signatures.p && i < s->auth->dkim.n; i++) {
		const struct dkim_signature *x = &s->auth->dkim.p[i].signature;

		if (s->auth->dkim.p[i].outcome.result != DKIM_PASS)
			continue;
		r->signers.p[r->signers.n++].text = x->domain;
		if (is_judged)
			r->signatures.p[r->signatures.n++].text = x->b;
	}
	return r->signers.p && r->signatures.p;
}

/* Each finding that something follows from: "SPF_SOFTFAIL score 2: …". */
static void findings_add(struct buf *b, const struct stranger *s)
{
	static const char *const words[] = { "", "reject", "defer", "score", "tag", "pass", "obey" };

	for (size_t i = 0; i < s->n_found; i++) {
		const struct finding *f = &s->found[i];
		const struct conf_outcome *o = finding_outcome(f);

		if (!o)
			continue;
		buf_add(b, b->n ? S("; ") : S(""));
		symbol_add(b, f);
		buf_addf(b, " %s", words[o->action]);
		if (o->action == CONF_SCORE) {
			buf_add_char(b, ' ');
			conf_score_print(o->score, b);
		}
		buf_addf(b, ": " STR_FMT, STR_ARG(str_head(f->why, 300)));
	}
	if (s->auth->vouched_by.n)
		buf_addf(b, "%sDMARC set aside: " STR_FMT " saw it pass (ARC)", b->n ? "; " : "", STR_ARG(s->auth->vouched_by));
}

bool stranger_tell(const struct stranger *s, const struct scan_letter *q, struct scan_letter_answer *r, struct arena *a)
{
	AUTO(buf_end) struct buf results = buf_on_heap(RESULTS_MAX), findings = buf_on_heap(FINDINGS_MAX);

	if (!tell_signals(s, q, r, a))
		return false;
	if (!s->is_looked_at)
		return true;
	results_add(&results, s);
	findings_add(&findings, s);
	r->author = s->auth->from;
	r->results = arena_str(a, buf_str(&results));
	r->findings = findings.n ? arena_str(a, buf_str(&findings)) : s->client.is_handed_on ? S("handed on, so nothing") : S("nothing");
	r->is_temporary = s->is_temporary;
	return tell_signers(s, q, r, a) && !a->full;
}
