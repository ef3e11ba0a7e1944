/* checks.c — see checks.h.
 *
 * Each question about the client is a probe with a fiber of its own; several lines about one list
 * share a probe.  checks_decide() is the one place where a stranger is refused for what a check
 * found. */
#include "role/smtpd/checks.h"

#include "base/id.h"
#include "base/map.h"
#include "role/dns_for_trust.h"
#include "role/smtpd/lists.h"
#include "role/smtpd/session.h"
#include "spam/helo.h"
#include "spam/patience.h"
#include "trust/iprev.h"
#include "trust/sender_domain.h"
#include "user/domain_name.h"

#include <stdlib.h>

enum { PROBE_MEMORY = 128 * 1024, LETTER_MEMORY = 256 * 1024, PROBE_BLOCK = 2048 };
/* Fibers of probes, of all sessions: a flood of connections takes no more memory for stacks than this.
 * What has none is asked by its session when somebody wants to know. */
enum { ASKING_MAX = 256 };
#define ASK_WITHIN (20 * SECOND)

struct probe {
	struct checks *of;
	const struct conf_check *check; /* the first line that asks this */
	struct arena a;
	bool is_begun, is_done;
	struct iprev iprev;
	struct dns_list_answer answer; /* of a list */
	struct str why;
};

struct checks {
	const struct conf *conf;
	uint8_t addr[16], ours[16];
	bool is_real;
	struct nursery asking;
	uint64_t letter; /* which `found` is about; 0: none yet */
	struct arena a;  /* the letter's */
	struct finding *found;
	size_t n_probes;
	struct probe probes[];
};

static struct patience patience;
static unsigned n_asking;                /* of ASKING_MAX */

/* -- about the client ------------------------------------------------------ */

SUSPENDS static void probe_ask(struct probe *p)
{
	struct trust_dns dns = dns_for_trust();
	struct list *list = p->check->zone.n ? list_of(p->check) : NULL;
	struct err e = { 0 };

	p->is_begun = true;
	p->iprev = (struct iprev){ IPREV_TEMPERROR, S(""),
				   S("the name of the address could not be asked for in time") };
	p->answer.word = DNS_LIST_NO_ANSWER;
	WITHIN(ASK_WITHIN)
		p->is_done = list ? list_ask(list, p->of->addr, &p->answer, &p->why, &p->a, &e)
				  : p->check->zone.n == 0 &&
					     iprev_check(&dns, p->of->addr, &p->a, &p->iprev, &e);
}

SUSPENDS static void probe_run(void *probe)
{
	probe_ask(probe);
	n_asking--;
}

static struct probe *probe_of(struct checks *c, const struct conf_check *check)
{
	for (size_t i = 0; i < c->n_probes; i++)
		if (c->probes[i].check->kind == check->kind &&
		    str_eq(c->probes[i].check->zone, check->zone))
			return &c->probes[i];
	return NULL;
}

static bool is_about_client(const struct conf_check *k)
{
	return k->zone.n || k->kind == CONF_CHECK_RDNS;
}

struct checks *checks_open(const struct conf *conf, const uint8_t addr[16], const uint8_t ours[16],
			   bool is_real)
{
	const struct conf_checks *lines = &conf->inbound.checks;
	struct checks *c = NULL;

	for (size_t i = 0; i < lines->n && !c; i++)
		if (!conf_check_is_of_letter(&lines->p[i]))
			c = calloc(1, sizeof(*c) + lines->n * sizeof(c->probes[0]));
	if (!c)
		return NULL;
	c->conf = conf;
	memcpy(c->addr, addr, 16);
	memcpy(c->ours, ours, 16);
	c->is_real = is_real;
	c->a.limit = LETTER_MEMORY;
	for (size_t i = 0; i < lines->n; i++) {
		struct probe *p = &c->probes[c->n_probes];

		if (!is_about_client(&lines->p[i]) || probe_of(c, &lines->p[i]))
			continue;
		*p = (struct probe){ .of = c,
				     .check = &lines->p[i],
				     .a = { .limit = PROBE_MEMORY, .block = PROBE_BLOCK } };
		c->n_probes++;
		p->is_begun = n_asking < ASKING_MAX && fiber_start(&c->asking, "check", probe_run, p);
		n_asking += p->is_begun;
	}
	return c;
}

void checks_close(struct checks **c)
{
	if (!*c)
		return;
	nursery_end(&(*c)->asking);
	for (size_t i = 0; i < (*c)->n_probes; i++)
		arena_end(&(*c)->probes[i].a);
	arena_end(&(*c)->a);
	free(*c);
	*c = NULL;
}

/* -- what each line finds -------------------------------------------------- */

typedef bool judge_fn(struct checks *c, const struct checks_letter *l, struct finding *f,
		      struct err *e); /* SUSPENDS */

static bool judge_rdns(struct checks *c, const struct checks_letter *l, struct finding *f,
		       struct err *e)
{
	const struct probe *p = probe_of(c, f->check);

	(void)l, (void)e;
	f->state = !p->is_done || p->iprev.result == IPREV_TEMPERROR ? FINDING_TEMP
		   : p->iprev.result == IPREV_PASS                   ? FINDING_PASS
								     : FINDING_FOUND;
	f->value = p->iprev.name;
	f->why = p->is_done ? p->iprev.why
			    : S("the name of the address could not be asked for in time");
	return true;
}

static bool judge_list(struct checks *c, const struct checks_letter *l, struct finding *f,
		       struct err *e)
{
	const struct probe *p = probe_of(c, f->check);
	char mem[DNS_LIST_CODES_MAX * sizeof("255.255.255.255")];
	struct buf codes = buf_over(mem, sizeof(mem));

	(void)l, (void)e;
	f->state = p->answer.word == DNS_LIST_CLEAN ? FINDING_PASS : FINDING_NONE;
	f->why = p->answer.word == DNS_LIST_NO_ANSWER
			 ? p->why.n ? p->why : S("the list could not be asked")
			 : S("");
	if (p->answer.word != DNS_LIST_LISTED)
		return true;
	dns_list_add_codes(&codes, &p->answer);
	f->value = arena_str(&c->a, buf_str(&codes));
	f->state = dns_list_counts(&p->answer, f->check) ? FINDING_FOUND : FINDING_PASS;
	f->why = f->state == FINDING_PASS
			 ? S("it is listed, but not with an answer that this line names")
			 : arena_printf(&c->a, "it is listed in " STR_FMT, STR_ARG(f->check->zone));
	return true;
}

static void found_by_rule(struct finding *f, const char *why, struct str value)
{
	f->state = why ? FINDING_FOUND : FINDING_PASS;
	f->why = str_from_z(why);
	f->value = value;
}

static bool judge_helo(struct checks *c, const struct checks_letter *l, struct finding *f,
		       struct err *e)
{
	struct helo_facts facts = { l->helo, c->conf->inbound.helo_chars, c->addr, c->ours };

	(void)e;
	found_by_rule(f,
		      f->check->kind == CONF_CHECK_HELO ? helo_wrong_syntax(&facts)
							: helo_is_ours(&facts, c->conf),
		      arena_str(&c->a, l->helo));
	return true;
}

SUSPENDS static bool judge_sender_domain(struct checks *c, const struct checks_letter *l, struct finding *f,
				struct err *e)
{
	struct sender_domain r = { SENDER_DOMAIN_TEMP,
				   S("the domain could not be asked for in time") };
	struct str domain = str_from(l->mail_from, str_rfind(l->mail_from, '@') + 1), name;
	struct trust_dns dns = dns_for_trust();
	struct err why = { 0 };
	bool ok = true;

	f->state = FINDING_PASS;
	f->value = arena_str(&c->a, domain);
	/* of a report, or at an address: there is nothing to be looked up */
	if (domain.n == 0 || str_at(domain, 0) == '[')
		return true;
	if (!domain_fold(domain, &c->a, &name, &why)) {
		found_by_rule(f, "it is no domain", f->value);
		return true;
	}
	WITHIN(ASK_WITHIN)
		ok = sender_domain_check(&dns, name, &c->a, &r, e);
	if (!ok && !e->timed_out)
		return false;
	f->state = r.result == SENDER_DOMAIN_GOOD   ? FINDING_PASS
		   : r.result == SENDER_DOMAIN_TEMP ? FINDING_TEMP
						    : FINDING_FOUND;
	f->why = r.why;
	if (r.result == SENDER_DOMAIN_NULL_MX)
		f->reply = REPLY_SENDER_NULL_MX;
	return true;
}

/* The others are of the letter: `scan` judges. */
static const struct rule {
	judge_fn *judge;
	enum reply_id refused, later;
} rules[CONF_CHECK_KINDS] = {
	[CONF_CHECK_RDNS] = { judge_rdns, REPLY_RDNS_FAILED, REPLY_RDNS_LATER },
	[CONF_CHECK_HELO] = { judge_helo, REPLY_HELO_REFUSED, REPLY_NOT_NOW },
	[CONF_CHECK_HELO_SELF] = { judge_helo, REPLY_HELO_REFUSED, REPLY_NOT_NOW },
	[CONF_CHECK_SENDER_DOMAIN] = { judge_sender_domain, REPLY_SENDER_DOMAIN, REPLY_DNS_LATER },
	[CONF_CHECK_DNSBL] = { judge_list, REPLY_LISTED, REPLY_NOT_NOW },
	[CONF_CHECK_DNSWL] = { judge_list, REPLY_LISTED, REPLY_NOT_NOW },
};

/* -- what follows ---------------------------------------------------------- */

/* Who was put off for the same for a day is put off no more: what could not be asked counts for
 * nothing. */
static void spare_the_patient(const struct checks *c, const struct checks_letter *l,
			      struct finding *f)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct str domain = str_from(l->mail_from, str_rfind(l->mail_from, '@') + 1);
	char mem[1024];
	struct buf who = buf_over(mem, sizeof(mem));
	const struct conf_outcome *o = finding_outcome(f);

	if (f->state != FINDING_TEMP || !o || o->action != CONF_DEFER)
		return;
	/* a provider's servers try in turn: the /24, the /64 */
	buf_add(&who, str_of(c->addr, memcmp(c->addr, mapped, sizeof(mapped)) ? 8 : 15));
	buf_add_char(&who, (char)f->check->kind);
	buf_add(&who, domain);
	if (!patience_has(&patience, hash_keyed(buf_str(&who)), time_now())) {
		f->state = FINDING_NONE;
		f->why = S("it could not be asked for more than a day, and counts for nothing");
	}
}

SUSPENDS static bool find(struct checks *c, const struct checks_letter *l, struct err *e)
{
	const struct conf_checks *lines = &c->conf->inbound.checks;

	if (c->letter == l->id && c->found)
		return true;
	arena_end(&c->a);
	c->a = (struct arena){ .limit = LETTER_MEMORY };
	c->found = NULL;
	if (!nursery_join(&c->asking, e))
		return false;
	for (size_t i = 0; i < c->n_probes; i++)
		if (!c->probes[i].is_begun)
			probe_ask(&c->probes[i]);
	c->found = ARENA_ARRAY(&c->a, struct finding, lines->n);
	if (!c->found)
		return fail(e, FAULT_TEMP, "no memory for the checks");
	for (size_t i = 0; i < lines->n; i++) {
		struct finding *f = &c->found[i];

		*f = (struct finding){ .check = &lines->p[i],
				       .reply = (uint16_t)rules[lines->p[i].kind].refused };
		if (conf_check_is_of_letter(f->check))
			continue;
		if (!rules[lines->p[i].kind].judge(c, l, f, e)) {
			c->found = NULL;
			return false;
		}
		if (c->is_real)
			spare_the_patient(c, l, f);
	}
	c->letter = l->id;
	return true;
}

/* What lets a recipient's letter in, whatever the checks found; NULL: nothing. */
static const char *lets_in(const struct checks *c, const struct checks_letter *l)
{
	(void)c;
	/* everybody can tell the postmaster that something is wrong (RFC 5321 §4.5.1) */
	return str_eq_nocase(l->rcpt_local, S("postmaster")) ? "it is for the postmaster" : NULL;
}

static struct reply refusal_of(const struct finding *f, const struct checks_letter *l,
			       struct arena *a)
{
	const struct conf_outcome *o = finding_outcome(f);
	enum reply_id id = o->action == CONF_REJECT   ? (enum reply_id)f->reply
			   : f->state == FINDING_TEMP ? rules[f->check->kind].later
						      : REPLY_NOT_NOW;
	struct str text = o->text.n ? o->text : str_from_z(reply_row(id)->text);

	/* whoever is listed wrongly must know where to ask */
	if (id == REPLY_LISTED && o->text.n == 0)
		text = arena_printf(a, STR_FMT ": " STR_FMT, STR_ARG(text), STR_ARG(f->check->zone));
	return (struct reply){ id, arena_printf(a, STR_FMT " (%s)", STR_ARG(text), ID_Z(l->id)),
			       false };
}

bool checks_decide(struct checks *c, const struct checks_letter *l, struct arena *a,
		   struct checks_result *ret, struct err *e)
{
	struct checks_result r = { 0 };

	if (!find(c, l, e))
		return false;
	r.p = c->found;
	r.n = c->conf->inbound.checks.n;
	r.verdict = spam_verdict_of(r.p, r.n);
	if (r.verdict.refusal) {
		r.let_in = lets_in(c, l);
		if (!r.let_in)
			r.reply = refusal_of(r.verdict.refusal, l, a);
	}
	*ret = r;
	return true;
}

/* -- in a session ---------------------------------------------------------- */

void checks_begin(struct session *s)
{
	uint8_t ours[16];

	if (s->in->checks.n == 0 || session_is_trusted(s))
		return;
	front_own_address(s->conn.fd, ours);
	s->checks = checks_open(&s->conf->c, s->addr, ours, true);
}

/* What counts without refusing goes with the letter, and into the log. */
static void note_signals(struct session *s, const struct checks_result *r)
{
	struct transaction *t = s->t;

	t->is_checked = true;
	t->signals = ARENA_ARRAY(&t->a, struct ipc_signal, r->n);
	for (size_t i = 0; t->signals && i < r->n; i++) {
		const struct conf_outcome *o = finding_outcome(&r->p[i]);
		char mem[CHECK_SYMBOL_MAX];
		struct buf symbol = buf_over(mem, sizeof(mem));

		if (!o || o->action == CONF_REJECT || o->action == CONF_DEFER ||
		    (r->verdict.pass && r->verdict.pass != &r->p[i]))
			continue;
		finding_add_symbol(&symbol, r->p[i].check);
		t->signals[t->n_signals++] =
			(struct ipc_signal){ arena_str(&t->a, buf_str(&symbol)), o->score };
		session_note_check(s, &r->p[i]);
	}
}

/* Hits are counted once for each client. */
static void count_hits(struct checks *c)
{
	for (size_t i = 0; i < c->n_probes; i++) {
		struct list *list = c->probes[i].answer.word == DNS_LIST_LISTED
					    ? list_of(c->probes[i].check)
					    : NULL;

		if (list)
			list_hit(list);
	}
}

bool checks_pass(struct session *s, const struct smtp_command *rcpt, struct reply *ret)
{
	struct checks_letter l = { s->t->id, str_from_z(s->helo), s->t->mail_from,
				   rcpt->path.local };
	struct checks_result r = { 0 };
	struct err e = { 0 };
	bool is_first = s->checks && s->checks->letter == 0;

	if (!s->checks || session_is_trusted(s) || s->t->is_ours || s->t->standing == STANDING_EXEMPT)
		return true;
	if (!checks_decide(s->checks, &l, s->a, &r, &e)) {
		*ret = session_refuse(s, REPLY_TEMPFAIL, str_from_z(e.text));
		return false;
	}
	if (is_first)
		count_hits(s->checks);
	s->conduct.is_vouched |= r.verdict.pass != NULL;
	if (!s->t->is_checked)
		note_signals(s, &r);
	*ret = r.reply;
	if (r.reply.id == REPLY_NONE)
		return true;
	s->note.kind = WHY_check_refused;
	s->note.found = r.verdict.refusal;
	return false;
}
