/* doctor_dns.c — the resolver, and what block lists say: resolver, dnssec, list-access, block-lists. */
#include "role/control/doctor.h"

#include "spam/dns_list.h"

enum { LISTS_MAX = 40, TEXT_MAX = 300 };

struct list {
	struct str zone;
	struct str removal;      /* a page, or empty */
	struct str what;
	bool is_configured;
};

SUSPENDS bool doctor_resolver(struct patient *p, struct err *e)
{
	const struct conf_resolver *r = &conf_now()->dns.resolver;
	struct str ours = patient_sends_text(p);
	struct trust_answer root;

	if (r->kind == CONF_RESOLVER_OFF) {
		note(p, GRADE_FAIL, "nobody is asked (dns { resolver off }): letters to others wait for ever");
		remedy(p, "Remove `resolver off` from waxwing.conf.");
		return true;
	}
	if (!p->dns.ask(p->dns.ctx, S("."), DNS_NS, p->a, &root, e))
		return false;
	if (root.outcome != DNS_FOUND && root.outcome != DNS_BOGUS) {
		note(p, GRADE_FAIL, "the name servers of the root do not answer (%s)", dns_outcome_name(root.outcome));
		remedy(p, "Open UDP and TCP port 53 to the outside in your firewall; if only one resolver may be asked: dns { "
			  "resolver forward ADDRESS }.");
		ticket(p, "Please allow outgoing UDP and TCP port 53 for our server " STR_FMT "; it runs a resolver of its own.",
		       STR_ARG(ours));
		return true;
	}
	if (r->kind == CONF_RESOLVER_FORWARD) {
		note(p, GRADE_WARN, "all questions go to " STR_FMT ": block lists count its questions, not ours, and refuse the "
		     "large public ones", STR_ARG(r->server[0].addr));
		remedy(p, "Remove `resolver forward` from waxwing.conf: the server then asks the name servers of the world itself. "
			  "Outgoing port 53 must be open.");
		return true;
	}
	note(p, GRADE_OK, "the root answers, and we ask it ourselves");
	return true;
}

SUSPENDS bool doctor_dnssec(struct patient *p, struct err *e)
{
	struct trust_answer root;

	if (!p->dns.ask(p->dns.ctx, S("."), DNS_DNSKEY, p->a, &root, e))
		return false;
	if (root.outcome == DNS_FOUND && root.is_secure) {
		note(p, GRADE_OK, "the keys of the root are proven by our trust anchor");
	} else if (root.outcome == DNS_BOGUS) {
		note(p, GRADE_FAIL, "the keys of the root do not fit our trust anchor: every name is taken for forged");
		remedy(p, "Bring the trust anchor up to date: apt-get install --reinstall dns-root-data, or correct dns { trust-anchor "
			  "}. If you forward, ask a resolver that passes signatures on. Check the clock, too.");
	} else if (root.outcome == DNS_FOUND) {
		note(p, GRADE_FAIL, "answers are not validated: there is no trust anchor");
		remedy(p, "Name the file of the root's keys: dns { trust-anchor file /usr/share/dns/root.key } (package "
			  "dns-root-data).");
	} else {
		note(p, GRADE_SKIPPED, "the root does not answer: see resolver");
	}
	return true;
}

/* -- lists -------------------------------------------------------------------- */

static size_t lists_gather(struct list to[LISTS_MAX])
{
	static const struct list known[] = {
#define LIST(zone, removal, what) { S(zone), S(removal), S(what), false },
#include "role/control/doctor_lists.def"
#undef LIST
	};
	const struct conf_checks *c = &conf_now()->inbound.checks;
	size_t n = 0;

	for (; n < ARRAY_LEN(known); n++)
		to[n] = known[n];
	for (size_t i = 0; i < c->n && n < LISTS_MAX; i++) {
		size_t k = 0;

		if (c->p[i].kind != CONF_CHECK_DNSBL || c->p[i].is_untested)
			continue;
		while (k < n && !str_eq_nocase(to[k].zone, c->p[i].zone))
			k++;
		if (k == n)
			to[n++] = (struct list){ .zone = c->p[i].zone };
		to[k].is_configured = true;
	}
	return n;
}

SUSPENDS static bool ask_name(struct patient *p, struct str name, struct dns_list_answer *ret, struct err *e)
{
	uint32_t codes[DNS_LIST_CODES_MAX];
	struct trust_answer r;
	size_t n = 0;

	if (!p->dns.ask(p->dns.ctx, name, DNS_A, p->a, &r, e))
		return false;
	for (size_t i = 0; i < r.n && n < DNS_LIST_CODES_MAX; i++)
		if (r.p[i].n == 4)
			codes[n++] = (uint32_t)str_at(r.p[i], 0) << 24 | (uint32_t)str_at(r.p[i], 1) << 16 |
				     (uint32_t)str_at(r.p[i], 2) << 8 | (uint32_t)str_at(r.p[i], 3);
	*ret = dns_list_judge(r.outcome, codes, n);
	return true;
}

struct list_state {
	struct dns_list_answer at[POINT_COUNT];
	struct dns_list_health health;
};

SUSPENDS static bool ask_health(struct patient *p, const struct list *l, struct list_state *ret, struct err *e)
{
	for (enum dns_list_point i = 0; i < POINT_COUNT; i++) {
		struct buf b = buf_over((char[DNS_LIST_NAME_MAX]){ 0 }, DNS_LIST_NAME_MAX);

		dns_list_point_name(&b, l->zone, i);
		if (!ask_name(p, buf_str(&b), &ret->at[i], e))
			return false;
	}
	ret->health = dns_list_test(ret->at);
	return true;
}

/* Each list is asked in a fiber of its own: one that hangs does not stop the others. */
struct asking {
	struct patient p;
	struct list list;
	struct list_state state;
	struct err e;
	bool is_done;
	struct finding finding;
	struct arena a;
	SUSPENDS void (*judge)(struct asking *q);
};

#define LIST_WITHIN (12 * SECOND)
enum { LIST_MEMORY = 1 << 18 };

SUSPENDS static void ask_list(void *arg)
{
	struct asking *q = arg;

	q->p.a = &q->a;
	q->p.f = &q->finding;
	WITHIN(LIST_WITHIN)
		q->is_done = ask_health(&q->p, &q->list, &q->state, &q->e);
	if (q->is_done)
		q->judge(q);
}

static void take_over(struct patient *p, const struct asking *q)
{
	const struct finding *f = &q->finding;

	if (!q->is_done) {
		note(p, GRADE_WARN, STR_FMT " does not answer in time", STR_ARG(q->list.zone));
		remedy(p, "Try again later.");
		return;
	}
	for (size_t i = 0; i < f->n; i++) {
		note(p, f->note_grade[i], STR_FMT, STR_ARG(f->note[i]));
		if (f->note_grade[i] == f->grade && f->remedy.n)
			remedy(p, STR_FMT, STR_ARG(f->remedy));
	}
}

SUSPENDS static bool each_list(struct patient *p, SUSPENDS void (*judge)(struct asking *q), struct err *e)
{
	AUTO(nursery_end) struct nursery kids = { 0 };
	struct list lists[LISTS_MAX];
	size_t n = lists_gather(lists);
	struct asking *all = ARENA_ARRAY(p->a, struct asking, n);
	bool ok = all;

	for (size_t i = 0; all && i < n; i++) {
		all[i] = (struct asking){ .p = *p, .list = lists[i], .a = { .limit = LIST_MEMORY }, .judge = judge };
		ok &= fiber_start(&kids, "doctor list", ask_list, &all[i]);
	}
	ok = nursery_join(&kids, e) && ok;
	nursery_end(&kids);
	for (size_t i = 0; all && i < n; i++) {
		if (ok)
			take_over(p, &all[i]);
		arena_end(&all[i].a);
	}
	return ok || (e->fault != FAULT_NONE ? false : fail(e, FAULT_TEMP, "no memory for the lists"));
}

/* -- do they answer? ------------------------------------------------------------ */

SUSPENDS static void judge_access(struct asking *q)
{
	const struct list *l = &q->list;
	bool is_refusal = false;

	for (size_t i = 0; i < POINT_COUNT; i++)
		is_refusal |= q->state.at[i].word == DNS_LIST_REFUSED;
	if (q->state.health.is_good) {
		note(&q->p, GRADE_OK, STR_FMT " answers, and lists its test point alone", STR_ARG(l->zone));
		return;
	}
	note(&q->p, is_refusal || l->is_configured ? GRADE_FAIL : GRADE_WARN, STR_FMT ": %s", STR_ARG(l->zone), q->state.health.why);
	if (is_refusal)
		remedy(&q->p, "Ask by a resolver of your own: remove `resolver forward` from dns { } in waxwing.conf. If it is "
			      "recursive already, the list wants an account: see its pages (" STR_FMT ").",
		       STR_ARG(l->removal.n ? l->removal : l->zone));
	else if (l->is_configured)
		remedy(&q->p, "Remove the line `check dnsbl " STR_FMT "` from waxwing.conf: the list says nothing about anybody now.",
		       STR_ARG(l->zone));
	else
		remedy(&q->p, "Nothing, if it is only this list: waxwing does not ask it about your letters. Some lists answer only "
			      "those who have registered.");
}

SUSPENDS bool doctor_list_access(struct patient *p, struct err *e)
{
	return each_list(p, judge_access, e);
}

/* -- are we listed? ------------------------------------------------------------- */

/* What the list says of an address (RFC 5782 §2.1). */
SUSPENDS static struct str reason(struct asking *q, struct str name)
{
	struct trust_texts r;
	struct err e;
	struct buf b = buf_over(arena_alloc(&q->a, 1, TEXT_MAX), TEXT_MAX);

	if (!b.p || !trust_ask_txt(&q->p.dns, name, &q->a, &r, &e) || r.n == 0)
		return S("");
	buf_add(&b, S(": "));
	buf_add_printable(&b, r.p[0], TEXT_MAX - 10);
	return buf_str(&b);
}

SUSPENDS static void judge_one(struct asking *q, const struct our_address *one)
{
	struct buf name = buf_over((char[DNS_LIST_NAME_MAX]){ 0 }, DNS_LIST_NAME_MAX);
	struct buf codes = buf_over((char[TEXT_MAX]){ 0 }, TEXT_MAX);
	const struct list *l = &q->list;
	struct dns_list_answer r;
	struct str why;

	dns_list_name(&name, l->zone, one->addr);
	if (!ask_name(&q->p, buf_str(&name), &r, &q->e)) {
		q->is_done = false;
		return;
	}
	if (r.word != DNS_LIST_LISTED)
		return;
	dns_list_add_codes(&codes, &r);
	why = reason(q, buf_str(&name));
	note(&q->p, GRADE_FAIL, STR_FMT " is in " STR_FMT " (" STR_FMT ")" STR_FMT, STR_ARG(one->text), STR_ARG(l->zone),
	     STR_ARG(buf_str(&codes)), STR_ARG(why));
	remedy(&q->p, "Find out first what was sent from there (waxwing queue stats, waxwing why, the log), end it, then ask for "
		      "removal: %s" STR_FMT, l->removal.n ? "" : "the pages of ", STR_ARG(l->removal.n ? l->removal : l->zone));
}

SUSPENDS static void judge_listed(struct asking *q)
{
	if (!q->state.health.is_good) {
		note(&q->p, GRADE_SKIPPED, STR_FMT " says nothing of use: see list-access", STR_ARG(q->list.zone));
		return;
	}
	for (size_t i = 0; i < q->p.n_sends && q->is_done; i++)
		if (q->p.sends[i].is_v4 || q->state.health.has_v6)
			judge_one(q, &q->p.sends[i]);
	if (!q->finding.n)
		note(&q->p, GRADE_OK, "not in " STR_FMT, STR_ARG(q->list.zone));
}

SUSPENDS bool doctor_block_lists(struct patient *p, struct err *e)
{
	if (leaves_by_another(p))
		return true;
	if (!p->n_sends) {
		note(p, GRADE_SKIPPED, "we have no public address that is known here");
		return true;
	}
	return each_list(p, judge_listed, e);
}
