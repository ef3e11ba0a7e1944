/* reports.c — DMARC reports about our domains are kept and told.
 *
 * They stand here and not with the queue, whose disk belongs to the letters: what a stranger reports shall never
 * stand in front of a 250.  reports.db is opened when the first report comes, or is asked for; a thread at a time. */
#include "role/user/user.h"

#include "user/domain_name.h"
#include "user/report_store.h"

enum { TEXT_MAX = 300, PAGE = 500, UNREAD_TOLD = 20, LIST_ARENA = 4 << 20 };

static struct report_store *store;
static bool is_busy;
static struct wait idle;

struct work {
	enum { WORK_ADD, WORK_UNREAD, WORK_LIST } what;
	struct report_head head;
	struct report_source *sources;
	size_t n_sources;
	struct report_unread unread;
	bool is_new;
	/* WORK_LIST */
	const struct user_report_list *q;
	struct arena *a;
	struct report_domain *domains;
	size_t n_domains;
	struct report_unread *unreads;
	size_t n_unreads;
	bool ok;
	struct err err;
};

static bool list(struct work *w)
{
	const struct user_report_list *q = w->q;

	return report_domains(store, q->domain, q->since, q->skip, PAGE, w->a, w->domains, &w->n_domains, &w->err) &&
	       report_sources(store, q->domain, q->since, q->skip, PAGE, w->a, w->sources, &w->n_sources, &w->err) &&
	       (q->skip || report_unreads(store, q->since * SECOND, UNREAD_TOLD, w->a, w->unreads, &w->n_unreads, &w->err));
}

/* In a thread. */
static void do_work(void *arg)
{
	struct work *w = arg;

	if (!store)
		store = report_store_open("db/user", &w->err);
	w->ok = false;
	if (store && w->what == WORK_ADD)
		w->ok = report_add(store, &w->head, w->sources, w->n_sources, time_now(), &w->is_new, &w->err);
	else if (store && w->what == WORK_UNREAD)
		w->ok = report_unread_add(store, &w->unread, &w->err);
	else if (store)
		w->ok = list(w);
}

SUSPENDS static bool work(struct work *w, struct err *e)
{
	while (is_busy)
		if (!wait_on(&idle, "reports.db", e))
			return false;
	is_busy = true;
	off_loop(do_work, w);
	is_busy = false;
	wait_wake(&idle);
	if (!w->ok)
		*e = w->err;
	return w->ok;
}

/* -- a letter -------------------------------------------------------------- */

static bool is_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) == 0)
			return false;
	return s.n <= TEXT_MAX;
}

static bool copy_source(const struct ipc_dmarc_source *s, struct report_source *to)
{
	*to = (struct report_source){
		.ip = s->ip, .count = s->count, .disposition = s->disposition, .is_dkim_aligned = s->dkim, .is_spf_aligned = s->spf,
		.header_from = s->header_from, .reason = s->reason, .dkim_domain = s->dkim_domain, .dkim_selector = s->dkim_selector,
		.dkim_result = s->dkim_result, .spf_domain = s->spf_domain, .spf_result = s->spf_result };
	return is_clean(s->ip) && is_clean(s->header_from) && is_clean(s->reason) && is_clean(s->dkim_domain) &&
	       is_clean(s->dkim_selector) && is_clean(s->dkim_result) && is_clean(s->spf_domain) && is_clean(s->spf_result) &&
	       s->count <= UINT32_MAX && s->disposition <= 2;
}

/* `scan` read a stranger's letter: what it says is a stranger's. */
static bool take_report(const struct user_report *q, struct work *w, struct arena *a, struct err *e)
{
	const struct ipc_dmarc_report *r = q->reports.p;
	bool ok;

	w->what = WORK_ADD;
	w->head = (struct report_head){ .org = r->org, .id = r->id, .domain = r->domain, .email = r->email, .policy = r->policy,
					.sender = q->sender, .proof = (enum report_proof)q->proof, .begin = r->begin, .end = r->end,
					.received = q->received, .letter = q->letter };
	ok = is_clean(r->org) && is_clean(r->id) && is_clean(r->domain) && is_clean(r->email) && is_clean(r->policy) &&
	     is_clean(q->sender) && q->proof <= REPORT_PROOF_FAIL && r->begin >= 0 && r->end >= 0 && r->end <= UINT32_MAX;
	w->sources = ARENA_ARRAY(a, struct report_source, q->sources.n + 1);
	if (!w->sources)
		return fail(e, FAULT_TEMP, "out of memory");
	for (; ok && w->n_sources < q->sources.n; w->n_sources++)
		ok = copy_source(&q->sources.p[w->n_sources], &w->sources[w->n_sources]);
	return ok || fail(e, FAULT_PEER, "a report that no scan can have read");
}

/* It, or what it is below. */
static bool is_ours(struct str domain)
{
	for (;;) {
		struct str rest;

		if (route_domain_is_ours(world_now(), domain))
			return true;
		str_cut(domain, '.', &rest);
		if (!rest.n)
			return false;
		domain = rest;
	}
}

SUSPENDS static bool keep_unread(const struct user_report *q, struct str why, struct err *e)
{
	struct work w = { .what = WORK_UNREAD, .unread = { .received = q->received, .letter = q->letter,
							   .sender = str_head(q->sender, TEXT_MAX), .why = str_head(why, TEXT_MAX) } };

	return work(&w, e);
}

SUSPENDS static bool serve_report(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	const struct user_report *q = question;
	struct user_report_answer *r = answer;
	struct work w = { 0 };

	(void)l;
	if (q->reports.n > 1)
		return fail(e, FAULT_PEER, "a letter has one report");
	if (q->reports.n == 0)
		return keep_unread(q, q->why, e);
	if (!take_report(q, &w, a, e))
		return false;
	if (!is_ours(w.head.domain)) {
		r->why = arena_printf(a, "it is about " STR_FMT ", which is not ours", STR_ARG(w.head.domain));
		return keep_unread(q, r->why, e);
	}
	if (!work(&w, e))
		return false;
	r->is_new = w.is_new;
	return true;
}

/* -- telling --------------------------------------------------------------- */

static bool answer_list(const struct work *w, struct user_report_list_answer *r, struct arena *a, struct err *e)
{
	r->domains.p = ARENA_ARRAY(a, struct ipc_dmarc_domain, w->n_domains + 1);
	r->sources.p = ARENA_ARRAY(a, struct ipc_dmarc_source, w->n_sources + 1);
	r->unread.p = ARENA_ARRAY(a, struct ipc_dmarc_unread, w->n_unreads + 1);
	if (!r->domains.p || !r->sources.p || !r->unread.p)
		return fail(e, FAULT_TEMP, "out of memory");
	for (const struct report_domain *d = w->domains; r->domains.n < w->n_domains; d++)
		r->domains.p[r->domains.n++] = (struct ipc_dmarc_domain){
			.domain = d->domain, .orgs = d->orgs, .policy = d->policy, .reports = d->reports, .proven = d->proven,
			.letters = d->letters, .begin = d->begin, .end = d->end };
	for (const struct report_source *s = w->sources; r->sources.n < w->n_sources; s++)
		r->sources.p[r->sources.n++] = (struct ipc_dmarc_source){
			.domain = s->domain, .ip = s->ip, .count = s->count, .disposition = s->disposition, .dkim = s->is_dkim_aligned,
			.spf = s->is_spf_aligned, .header_from = s->header_from, .reason = s->reason, .dkim_domain = s->dkim_domain,
			.dkim_selector = s->dkim_selector, .dkim_result = s->dkim_result, .spf_domain = s->spf_domain,
			.spf_result = s->spf_result };
	for (const struct report_unread *u = w->unreads; r->unread.n < w->n_unreads; u++)
		r->unread.p[r->unread.n++] = (struct ipc_dmarc_unread){
			.letter = u->letter, .received = u->received, .sender = u->sender, .why = u->why };
	r->more = w->n_domains == PAGE || w->n_sources == PAGE;
	return true;
}

SUSPENDS static bool serve_list(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_report_list *q = question;
	struct work w = { .what = WORK_LIST, .q = q, .a = a };

	(void)l;
	a->limit = LIST_ARENA;
	if (q->domain.n && !domain_fold(q->domain, a, &q->domain, e))
		return false;
	w.domains = ARENA_ARRAY(a, struct report_domain, PAGE);
	w.sources = ARENA_ARRAY(a, struct report_source, PAGE);
	w.unreads = ARENA_ARRAY(a, struct report_unread, UNREAD_TOLD);
	if (!w.domains || !w.sources || !w.unreads)
		return fail(e, FAULT_TEMP, "out of memory");
	return work(&w, e) && answer_list(&w, answer, a, e);
}

void reports_open(void)
{
	ipc_serve(IPC_user_report, serve_report);
	ipc_serve(IPC_user_report_list, serve_list);
}
