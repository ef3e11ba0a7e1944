/* cmd_sort.c — SORT and THREAD (RFC 5256, 5957, draft-ietf-morg-inthread): search, then order what was found in a thread. */
#include "fiber/fiber.h"
#include "role/mailbox/facts.h"
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/search.h"
#include "role/mailbox/search_answer.h"
#include "role/mailbox/summaries.h"
#include "wire/fold.h"

#include <stdlib.h>

enum { ORDER_BYTES_MAX = 1 << 30, DISPLAY_MAX = 1024 };

/* Letters in order of sequence number, and the work on them. */
struct order_job {
	const struct imap_search *q;
	const struct sort_letter **letters;
	uint32_t *numbers;               /* sequence numbers or UIDs */
	uint32_t *places;                /* in the view */
	size_t n;
	struct arena a;
	uint32_t *order;                 /* SORT: places in `letters` */
	struct buf words;                /* THREAD */
	bool ok;
};

static void job_end(struct order_job *j)
{
	arena_end(&j->a);
	buf_end(&j->words);
	free(j->places);
}

/* What was found, with its facts. */
static bool job_fill(struct imap_session *s, struct order_job *j, const struct facts *f)
{
	static const struct sort_letter nothing;         /* went while we looked */
	size_t at = 0;

	j->letters = ARENA_ARRAY(&j->a, const struct sort_letter *, j->n + 1);
	j->numbers = ARENA_ARRAY(&j->a, uint32_t, j->n + 1);
	j->order = ARENA_ARRAY(&j->a, uint32_t, j->n + 1);
	if (!j->letters || !j->numbers || !j->order)
		return false;
	for (size_t i = 0; i < j->n; i++) {
		uint32_t uid = s->sel.view.uids[j->places[i]];
		const struct facts_row *r = facts_next(f, uid, &at);

		j->letters[i] = r ? &r->sort : &nothing;
		j->numbers[i] = s->c.is_uid ? uid : j->places[i] + 1;
	}
	return true;
}

static bool wants_display(const struct imap_search *q)
{
	for (size_t i = 0; i < q->n_sort; i++)
		if (q->sort[i].by == SORT_DISPLAYFROM || q->sort[i].by == SORT_DISPLAYTO)
			return true;
	return false;
}

static struct str display_fold(struct arena *a, struct str text, struct buf *room)
{
	buf_clear(room);
	fold_add(room, str_head(text, DISPLAY_MAX));
	a->full |= room->full;
	return arena_str(a, buf_str(room));
}

/* RFC 5957: names as they are shown are not among the facts; few clients sort by them. */
SUSPENDS static bool add_display(struct imap_session *s, struct order_job *j, size_t from, size_t n, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = IMAP_ARENA_MAX };
	uint32_t uids[SUMMARIES_AT_ONCE];
	struct summaries got;
	struct sort_letter *copies = ARENA_ARRAY(&j->a, struct sort_letter, n);
	AUTO(buf_end) struct buf room = buf_on_heap(DISPLAY_MAX * FOLD_GROWTH_MAX);

	if (!copies)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < n; i++)
		uids[i] = s->sel.view.uids[j->places[from + i]];
	if (!summaries_get(s->sel.box, KEPT(FACTS), uids, n, &a, &got, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct letter_summary l = { 0 };

		(void)summary_parse(got.kept[KEPT_FACTS][i], &a, &l);
		copies[i] = *j->letters[from + i];
		j->letters[from + i] = &copies[i];
		copies[i].texts[SORT_TEXT_DISPLAY_FROM] = display_fold(&j->a, l.display_from, &room);
		copies[i].texts[SORT_TEXT_DISPLAY_TO] = display_fold(&j->a, l.display_to, &room);
	}
	return !j->a.full || fail(e, FAULT_TEMP, "out of memory");
}

SUSPENDS static bool add_displays(struct imap_session *s, struct order_job *j, struct err *e)
{
	for (size_t i = 0; i < j->n; i += SUMMARIES_AT_ONCE)
		if (!add_display(s, j, i, j->n - i < SUMMARIES_AT_ONCE ? j->n - i : SUMMARIES_AT_ONCE, e))
			return false;
	return true;
}

static void sort_run(void *arg)
{
	struct order_job *j = arg;

	j->ok = imap_sort(j->letters, j->n, j->q->sort, j->q->n_sort, &j->a, j->order);
	for (size_t i = 0; j->ok && i < j->n; i++)
		j->order[i] = j->places[j->order[i]];
}

static void thread_run(void *arg)
{
	struct order_job *j = arg;
	struct thread_forest forest;

	j->ok = imap_thread(j->q->thread, j->letters, j->n, &j->a, &forest);
	if (!j->ok)
		return;
	imap_thread_add(&j->words, &forest, j->numbers);
	j->ok = !j->words.full;
}

/* Search, and run `order` over what was found.  False: *ret_why. */
SUSPENDS static bool order_found(struct imap_session *s, struct order_job *j, void (*order)(void *),
				 struct imap_reply *ret_why, struct err *e)
{
	AUTO(facts_close) struct facts *f = NULL;

	if (!search_begin(s, ret_why))
		return false;
	if (!search_run(s, s->c.search.root, &j->places, &j->n, e) || !facts_open(s->sel.box, &f, e)) {
		*ret_why = reply_of_err(s, e, IMAP_REPLY_UNAVAILABLE);
		return false;
	}
	*ret_why = reply_of(IMAP_REPLY_LIMIT);
	if (!job_fill(s, j, f))
		return false;
	if (wants_display(j->q) && !add_displays(s, j, e)) {
		*ret_why = reply_of_err(s, e, IMAP_REPLY_UNAVAILABLE);
		return false;
	}
	off_loop(order, j);
	return j->ok;
}

static struct order_job job_of(struct imap_session *s)
{
	return (struct order_job){ .q = &s->c.search, .a = { .limit = ORDER_BYTES_MAX },
				   .words = buf_on_heap(IMAP_OUT_MAX) };
}

SUSPENDS struct imap_reply imap_cmd_sort(struct imap_session *s, struct err *e)
{
	AUTO(job_end) struct order_job j = job_of(s);
	struct imap_reply why;

	if (!order_found(s, &j, sort_run, &why, e)) {
		search_forget(s);
		return why;
	}
	if (!search_answer(s, &(struct found){ .places = j.order, .n = j.n, .is_sorted = true }, e))
		return reply_broken();
	return reply_of(IMAP_REPLY_DONE);
}

SUSPENDS struct imap_reply imap_cmd_thread(struct imap_session *s, struct err *e)
{
	AUTO(job_end) struct order_job j = job_of(s);
	struct imap_reply why;

	if (s->c.search.thread == THREAD_NONE)
		return (struct imap_reply){ .id = IMAP_REPLY_SYNTAX, .text = S("this algorithm is not offered") };
	if (!order_found(s, &j, thread_run, &why, e))
		return why;
	buf_add(&s->out, j.n ? S("* THREAD ") : S("* THREAD"));
	buf_add(&s->out, buf_str(&j.words));
	buf_add(&s->out, S("\r\n"));
	return out_breathe(s, e) ? reply_of(IMAP_REPLY_DONE) : reply_broken();
}
