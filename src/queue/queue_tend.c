/* queue_tend.c — making done steps safe, and the way to the spool.
 *
 * A checkpoint takes the steps that are done at its beginning, has them synced
 * (all at once, or each account by itself), notes them as safe, and gives back
 * the segments that nobody needs.  What its sync lost is delivered anew. */
#include "queue/engine.h"

#include "base/log.h"
#include "queue/bytes.h"

#include <stdlib.h>

enum { ACCOUNTS_AT_ONCE = 8, MOVE_AT_ONCE = 128 };

#define BUSY_SPOOL_AFTER (5 * SECOND)

struct checkpoint {
	struct queue *q;
	struct queue_claim *claims;      /* sorted by account */
	struct letter **letters;         /* held, one for each claim */
	signed char *ok;
	size_t n, next;                  /* next: the account that no worker has */
};

static int by_account(const void *a, const void *b)
{
	const struct queue_claim *x = a, *y = b;

	return str_cmp(x->step->target, y->step->target);
}

static bool checkpoint_fill(struct checkpoint *c, struct err *e)
{
	size_t n = c->q->table.done, got = 0;

	c->claims = calloc(n ? n : 1, sizeof *c->claims);
	c->letters = calloc(n ? n : 1, sizeof(struct letter *));
	c->ok = calloc(n ? n : 1, 1);
	if (!c->claims || !c->letters || !c->ok)
		return fail(e, FAULT_TEMP, "no memory for a checkpoint");
	for (struct letter *l = c->q->table.first; l; l = l->next)
		for (uint32_t i = 0; i < l->n_steps && got < n; i++) {
			if (l->steps[i].state != STEP_DONE)
				continue;
			claim_fill(&c->q->table, &l->steps[i], &c->claims[got]);
			c->letters[got++] = l;
			l->holds++;
		}
	c->n = got;
	qsort(c->claims, c->n, sizeof c->claims[0], by_account);
	return true;
}

SUSPENDS static void account_worker(void *arg)
{
	struct checkpoint *c = arg;

	while (c->next < c->n) {
		size_t from = c->next, to = from;
		struct str account = c->claims[from].step->target;

		while (to < c->n && str_eq(c->claims[to].step->target, account))
			to++;
		c->next = to;
		c->q->conf.sync.account(c->q->conf.sync.arg, account, c->claims + from,
					c->ok + from, to - from);
	}
}

SUSPENDS static void checkpoint_sync(struct checkpoint *c)
{
	struct queue_sync *sync = &c->q->conf.sync;
	struct err e;

	if (sync->all) {
		bool ok = sync->all(sync->arg, &e);

		if (!ok)
			log_error("checkpoint", "why=%s", LOGQ(str_from_z(e.text)));
		memset(c->ok, ok ? 1 : -1, c->n);
		return;
	}
	if (!sync->account)
		return;
	if (fiber_inside()) {
		AUTO(nursery_end) struct nursery workers = { 0 };
		struct err ignored;

		for (size_t i = 0; i < ACCOUNTS_AT_ONCE; i++)
			if (!fiber_start(&workers, "checkpoint", account_worker, c))
				break;
		(void)nursery_join(&workers, &ignored);
	}
	account_worker(c);
}

SUSPENDS static bool checkpoint_note(struct checkpoint *c, struct err *e)
{
	struct step_ref *safe = calloc(c->n ? c->n : 1, sizeof *safe);
	size_t n_safe = 0;
	bool ok;

	if (!safe)
		return fail(e, FAULT_TEMP, "no memory for a checkpoint");
	for (size_t i = 0; i < c->n; i++) {
		struct step *s = table_step(&c->q->table, c->claims[i].ref);

		if (!s || s->state != STEP_DONE)
			continue;
		if (c->ok[i] > 0)
			safe[n_safe++] = c->claims[i].ref;
		if (c->ok[i] < 0) {
			s->mode = STEP_REWRITE;
			step_wait(&c->q->table, s, 0);
		}
	}
	ok = queue_safe(c->q, safe, n_safe, e);
	free(safe);
	return ok;
}

SUSPENDS static void checkpoint_end(struct checkpoint *c)
{
	for (size_t i = 0; i < c->n; i++)
		letter_release(c->q, c->letters[i]);
	free(c->claims);
	free(c->letters);
	free(c->ok);
}

SUSPENDS bool queue_checkpoint(struct queue *q, struct err *e)
{
	struct checkpoint c = { .q = q };
	bool ok;

	while (q->is_checkpointing)
		if (!wait_on(&q->checkpointed, "a checkpoint", e))
			return false;
	q->is_checkpointing = true;
	ok = checkpoint_fill(&c, e);
	if (ok && c.n > 0) {
		checkpoint_sync(&c);
		ok = checkpoint_note(&c, e);
	}
	checkpoint_end(&c);
	ok = ok && q->engine->give_back(q, false, e);
	q->is_checkpointing = false;
	wait_wake_all(&q->checkpointed);
	return ok;
}

/* ---- the way to the spool ---- */

SUSPENDS static bool move_some(struct queue *q, struct letter **letters, size_t n, struct err *e)
{
	char ids[MOVE_AT_ONCE * 8];
	struct buf b = buf_over(ids, sizeof ids);
	struct journal_at at;
	struct str payload;
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		letters[i]->holds++;
		letters[i]->is_moving = true;
		put_u64(&b, letters[i]->id);
	}
	payload = buf_str(&b);
	for (size_t i = 0; i < n && ok; i++)
		ok = letters[i]->thick || letter_thicken(q, letters[i], e);
	ok = ok && q->engine->spool(q, letters, n, e) &&
	     q->engine->append(q, JOURNAL_MOVED, &payload, 1, &at, e);
	if (ok)
		q->engine->release(q, &at);
	for (size_t i = 0; i < n; i++) {
		struct letter *l = letters[i];

		l->is_moving = false;
		if (ok) {
			l->is_spooled = true;
			q->engine->release(q, &l->at);
			l->at = (struct journal_at){ 0 };
			letter_body_drop(q, l);
		}
	}
	/* what was noted while they moved */
	if (ok)
		ok = q->engine->rows(q, letters, n, e);
	for (size_t i = 0; i < n; i++) {
		letters[i]->holds--;
		if (ok && q->engine->record && !letters[i]->is_finished && letter_is_idle(letters[i]))
			table_slim(&q->table, letters[i]);
		letters[i]->holds++;
		letter_release(q, letters[i]);
	}
	return ok;
}

/* Letters with something left to do that came before `before`; until it is `end` on the monotonic clock. */
SUSPENDS static bool move_waiting(struct queue *q, int64_t before, bool all, int64_t end, struct err *e)
{
	struct letter *letters[MOVE_AT_ONCE];
	size_t n;

	do {
		n = 0;
		for (struct letter *l = q->table.first; l && n < MOVE_AT_ONCE; l = l->next)
			if (l->at.sequence && !l->is_finished && !l->is_moving &&
			    (l->todo > 0 || all) && l->since <= before)
				letters[n++] = l;
		if (n > 0 && !move_some(q, letters, n, e))
			return false;
	} while (n == MOVE_AT_ONCE && time_mono() < end);
	return true;
}

SUSPENDS bool queue_tend(struct queue *q, int64_t now, struct err *e)
{
	struct queue_status status;
	bool is_busy, ok = true;

	if (queue_is_broken(q))
		return fail(e, FAULT_TEMP, "the journal is closed after an error");
	if (!q->engine->prepare(q, e))
		log_warn("journal-spare", "why=%s", LOGQ(str_from_z(e->text)));
	q->engine->status(q, &status);
	is_busy = status.segments_full >= QUEUE_SEGMENTS_BUSY;
	if (!q->is_moving) {
		q->is_moving = true;
		ok = move_waiting(q, now - (is_busy ? BUSY_SPOOL_AFTER : QUEUE_SPOOL_AFTER), false,
				  INT64_MAX, e);
		q->is_moving = false;
	}
	if (ok && status.segments_full > 0 && !q->is_checkpointing)
		ok = queue_checkpoint(q, e);
	if (q->engine->record)
		table_trim(&q->table, q->conf.thick, q->table.n);
	return ok;
}

SUSPENDS bool queue_tend_all(struct queue *q, int64_t now, int64_t within, struct err *e)
{
	int64_t end = time_mono() + within;

	if (!queue_checkpoint(q, e))
		return false;
	if (!move_waiting(q, now > 0 ? INT64_MAX : 0, true, end, e))
		return false;
	return q->engine->give_back(q, true, e);
}
