/* search.c — runs a SEARCH program; see search.h. */
#include "role/mailbox/search.h"

#include "base/time.h"
#include "fiber/fiber.h"
#include "role/mailbox/facts.h"
#include "role/mailbox/places.h"
#include "role/mailbox/search_files.h"
#include "wire/fold.h"

#include <stdlib.h>

enum {
	DAY_SECONDS = 86400,
	LETTERS_AT_ONCE = 20000,         /* two milliseconds of looking */
};

/* In which order keys are looked at. */
enum cost { COST_NUMBERS, COST_LEARNT, COST_FACTS, COST_FILES, COST_BODIES, COSTS };

struct search {
	struct imap_session *s;
	struct box *box;
	const uint32_t *uids;            /* of the view */
	size_t n;
	int64_t now;                     /* seconds UTC */
	struct facts *facts;             /* NULL: not opened yet */
	size_t looked_at;                /* letters, once for each key, since others ran */
};

/* ---- keys that numbers decide ---- */

static const struct letter *letter_at(const struct search *q, uint32_t place)
{
	const struct letter *l = box_letters(q->box);

	/* nearly always nothing is gone and nothing is new */
	if (place < box_count(q->box) && l[place].uid == q->uids[place])
		return &l[place];
	return box_find(q->box, q->uids[place]);
}

static bool is_saved(const struct search *q, uint32_t uid)
{
	size_t from = 0, n = q->s->saved.n;

	while (n) {
		size_t half = n / 2;

		if (q->s->saved.uids[from + half] == uid)
			return true;
		if (q->s->saved.uids[from + half] < uid) {
			from += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return false;
}

static bool day_fits(const struct search_key *k, int64_t day)
{
	return k->what == SEARCH_BEFORE ? day < k->day : k->what == SEARCH_ON ? day == k->day : day >= k->day;
}

static int64_t day_of(int64_t seconds)
{
	return seconds >= 0 ? seconds / DAY_SECONDS : -((-seconds + DAY_SECONDS - 1) / DAY_SECONDS);
}

static bool flag_fits(const struct search *q, const struct letter *l, unsigned flag)
{
	return flag == FLAG_RECENT ? l->uid >= q->s->sel.recent_from : l->flags & flag;
}

static bool keyword_fits(const struct search *q, const struct letter *l, struct str name)
{
	int i = box_keyword_find(q->box, name);

	return i >= 0 && l->keywords >> i & 1;
}

static bool letter_fits(const struct search *q, const struct search_key *k, uint32_t place, const struct letter *l)
{
	struct email_id id;

	switch (k->what) {
	case SEARCH_SEQ:
		return k->set.is_saved ? is_saved(q, l->uid) : seqset_has(&k->set, place + 1);
	case SEARCH_UID:
		return k->set.is_saved ? is_saved(q, l->uid) : seqset_has(&k->set, l->uid);
	case SEARCH_FLAG:
		return flag_fits(q, l, k->flag);
	case SEARCH_KEYWORD:
		return keyword_fits(q, l, k->text);
	case SEARCH_MODSEQ:
		return l->modseq >= k->number;
	case SEARCH_EMAILID:
		id = box_email_id(q->box, l);
		return str_eq(k->text, str_from_z(id.z));
	case SEARCH_THREADID:            /* FETCH says NIL: no letter has one */
		return false;
	case SEARCH_LARGER:
		return l->vsize > k->number;
	case SEARCH_SMALLER:
		return l->vsize < k->number;
	case SEARCH_OLDER:
		return l->date <= q->now - (int64_t)(k->number > INT32_MAX ? INT32_MAX : k->number);
	case SEARCH_YOUNGER:
		return l->date >= q->now - (int64_t)(k->number > INT32_MAX ? INT32_MAX : k->number);
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return day_fits(k, day_of(k->date == SEARCH_DATE_SAVED ? l->saved : l->date));
	default:                         /* ALL, SAVEDATESUPPORTED */
		return true;
	}
}

static void by_numbers(const struct search *q, struct search_key *k, struct places *p)
{
	size_t n = 0;

	if (k->what == SEARCH_SEQ && !k->set.is_saved)
		seqset_resolve(&k->set, (uint32_t)q->n);
	if (k->what == SEARCH_UID && !k->set.is_saved)
		seqset_resolve(&k->set, q->n ? q->uids[q->n - 1] : 0);
	for (size_t i = 0; i < p->n; i++) {
		const struct letter *l = letter_at(q, p->p[i]);

		if (l && letter_fits(q, k, p->p[i], l))
			p->p[n++] = p->p[i];
	}
	p->n = n;
}

static unsigned what_to_learn(const struct search_key *k)
{
	switch (k->what) {
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
		return KNOWN_VSIZE;
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return k->date == SEARCH_DATE_SAVED ? KNOWN_SAVED : KNOWN_DATE;
	default:
		return KNOWN_DATE;
	}
}

SUSPENDS static bool by_learnt(const struct search *q, struct search_key *k, struct places *p, struct err *e)
{
	uint32_t *uids = reallocarray(NULL, p->n + 1, sizeof(*uids));
	bool ok;

	if (!uids)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < p->n; i++)
		uids[i] = q->uids[p->p[i]];
	ok = box_learn(q->box, uids, p->n, what_to_learn(k), e);
	free(uids);
	if (ok)
		by_numbers(q, k, p);
	return ok;
}

/* ---- keys that facts decide ---- */

static bool facts_fit(const struct search_key *k, const struct facts_row *r, struct str needle)
{
	if (k->what == SEARCH_HEADER)
		return r->subject.n >= needle.n && str_find_str(r->subject, needle) < r->subject.n;
	return r->has_date && day_fits(k, r->local_day);
}

SUSPENDS static bool by_facts(struct search *q, const struct search_key *k, struct places *p, struct err *e)
{
	AUTO(buf_end) struct buf needle = buf_on_heap(SEARCH_NEEDLE_MAX);
	size_t n = 0;

	fold_add(&needle, k->text);
	if (needle.full)
		return fail(e, FAULT_TEMP, "no memory for the text to be searched");
	if (!p->n || (!q->facts && !facts_open(q->box, &q->facts, e)))
		return !p->n;
	for (size_t i = 0; i < p->n; i++) {
		const struct facts_row *r = facts_find(q->facts, q->uids[p->p[i]]);

		if (r && facts_fit(k, r, buf_str(&needle)))
			p->p[n++] = p->p[i];
	}
	p->n = n;
	return true;
}

/* ---- the program ---- */

static enum cost cost_of(const struct search_key *k)
{
	enum cost most = COST_NUMBERS;

	switch (k->what) {
	case SEARCH_AND:
	case SEARCH_OR:
	case SEARCH_NOT:
		for (const struct search_key *kid = k->kids; kid; kid = kid->next) {
			enum cost c = cost_of(kid);      /* once: programs are 50 deep */

			most = c > most ? c : most;
		}
		return most;
	case SEARCH_HEADER:
		return k->text.n && str_eq_nocase(k->name, S("Subject")) ? COST_FACTS : COST_FILES;
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return COST_BODIES;
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return k->date == SEARCH_DATE_SENT ? COST_FACTS : COST_LEARNT;
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
	case SEARCH_OLDER:
	case SEARCH_YOUNGER:
		return COST_LEARNT;
	default:
		return COST_NUMBERS;
	}
}

SUSPENDS static bool run(struct search *q, struct search_key *k, struct places *p, struct err *e);

SUSPENDS static bool run_and(struct search *q, struct search_key *k, struct places *p, struct err *e)
{
	for (enum cost c = COST_NUMBERS; c < COSTS; c++)
		for (struct search_key *kid = k->kids; kid; kid = kid->next)
			if (cost_of(kid) == c && !run(q, kid, p, e))
				return false;
	return true;
}

SUSPENDS static bool run_not(struct search *q, struct search_key *k, struct places *p, struct err *e)
{
	AUTO(places_end) struct places found = { 0 };

	if (!places_copy(p, &found, e) || !run(q, k->kids, &found, e))
		return false;
	places_without(p, &found);
	return true;
}

/* The second is asked only about what the first has not. */
SUSPENDS static bool run_or(struct search *q, struct search_key *k, struct places *p, struct err *e)
{
	AUTO(places_end) struct places found = { 0 };
	bool second_first = cost_of(k->kids) > cost_of(k->kids->next);
	struct search_key *first = second_first ? k->kids->next : k->kids, *then = second_first ? k->kids : first->next;

	if (!places_copy(p, &found, e) || !run(q, first, &found, e))
		return false;
	places_without(p, &found);
	if (!run(q, then, p, e))
		return false;
	places_merge(&found, p);
	memcpy(p->p, found.p, found.n * sizeof(*p->p));
	p->n = found.n;
	return true;
}

SUSPENDS static bool run(struct search *q, struct search_key *k, struct places *p, struct err *e)
{
	switch (k->what) {
	case SEARCH_AND:
		return run_and(q, k, p, e);
	case SEARCH_OR:
		return run_or(q, k, p, e);
	case SEARCH_NOT:
		return run_not(q, k, p, e);
	default:
		break;
	}
	q->looked_at += p->n;
	if (q->looked_at >= LETTERS_AT_ONCE) {
		q->looked_at = 0;
		breathe();
		if (!fiber_check(e))
			return false;
	}
	switch (cost_of(k)) {
	case COST_NUMBERS:
		by_numbers(q, k, p);
		return true;
	case COST_LEARNT:
		return by_learnt(q, k, p, e);
	case COST_FACTS:
		return by_facts(q, k, p, e);
	default:
		return search_files(q->box, k, q->uids, p, e);
	}
}

SUSPENDS bool search_run(struct imap_session *s, struct search_key *root, uint32_t **ret, size_t *ret_n,
			 struct err *e)
{
	struct search q = { .s = s, .box = s->sel.box, .uids = s->sel.view.uids, .n = s->sel.view.n,
			    .now = time_now() / SECOND };
	struct places p = { .p = reallocarray(NULL, q.n + 1, sizeof(*p.p)), .n = q.n };
	bool ok = p.p ? true : fail(e, FAULT_TEMP, "out of memory");

	for (size_t i = 0; ok && i < p.n; i++)
		p.p[i] = (uint32_t)i;
	ok = ok && run(&q, root, &p, e);
	facts_close(&q.facts);
	if (!ok) {
		free(p.p);
		return false;
	}
	*ret = p.p;
	*ret_n = p.n;
	return true;
}
