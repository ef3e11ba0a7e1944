/* queue_ask.c — what a person asks of the queue: how it stands, this letter, hold, release. */
#include "queue/engine.h"

#include "base/id.h"
#include "queue/bytes.h"

SUSPENDS bool queue_hold(struct queue *q, uint64_t id, bool held, struct err *e)
{
	struct letter *l = table_get(&q->table, id);
	char bytes[9];
	struct buf b = buf_over(bytes, sizeof bytes);
	struct journal_at at;
	struct str payload;
	bool ok;

	if (!l || l->is_finished)
		return fail(e, FAULT_PERM, "letter %s is not in the queue", ID_Z(id));
	put_u64(&b, id);
	put_u8(&b, held);
	payload = buf_str(&b);
	l->holds++;
	ok = q->engine->append(q, JOURNAL_HELD, &payload, 1, &at, e);
	if (ok) {
		q->engine->release(q, &at);
		letter_hold(&q->table, l, held, l->since);
	}
	return letters_follow(q, &l, 1, e) && ok;
}

bool queue_find_step(const struct queue *q, uint64_t id, struct str account, struct str base,
		     struct step_ref *ret, bool *ret_claimed)
{
	const struct letter *l = table_get(&q->table, id);
	const struct letter_record *r = l ? letter_look(q->table.look, l) : NULL;

	for (uint32_t i = 0; r && i < r->n_steps; i++) {
		const struct letter_step *s = &r->steps[i];

		if (s->kind != STEP_LOCAL || !str_eq(s->target, account) || !str_eq(s->base, base))
			continue;
		*ret = (struct step_ref){ id, i };
		*ret_claimed = l->steps[i].state == STEP_CLAIMED;
		return l->steps[i].state != STEP_SAFE;
	}
	return false;
}

static bool is_untried(const struct step *s)
{
	return (s->state == STEP_WAITING || s->state == STEP_CLAIMED) && s->task == TASK_DELIVER && !s->tries &&
	       s->kind == STEP_LOCAL;
}

void queue_redoing(const struct queue *q, int64_t started, struct map *ret)
{
	for (struct letter *l = q->table.first; l; l = l->next)
		for (uint32_t i = 0; l->since <= started && !l->is_held && i < l->n_steps; i++) {
			struct str account = S("");

			if (is_untried(&l->steps[i]))
				account = letter_look(q->table.look, l)->steps[i].target;
			if (account.n)
				map_put(ret, account, l);
		}
}

uint64_t queue_oldest(const struct queue *q)
{
	uint64_t id = UINT64_MAX;

	for (const struct letter *l = q->table.first; l; l = l->next)
		id = l->id < id ? l->id : id;
	return id;
}

void queue_retry(struct queue *q, uint64_t id, int64_t now)
{
	for (struct letter *l = q->table.first; l; l = l->next)
		for (uint32_t i = 0; (id == 0 || l->id == id) && i < l->n_steps; i++)
			if (l->steps[i].state == STEP_WAITING)
				step_wait(&q->table, &l->steps[i], now);
}

void queue_retry_step(struct queue *q, struct step_ref ref, int64_t now)
{
	struct step *s = table_step(&q->table, ref);

	if (!s || s->state != STEP_WAITING)
		return;
	step_wait(&q->table, s, now);
	if (s->lane && s->lane->open_at > now && s->lane->open_at < INT64_MAX)
		lane_open_at(&q->table, s->lane, 0);     /* whoever says so wants to see it tried */
}

SUSPENDS bool queue_claim_step(struct queue *q, struct step_ref ref, struct queue_claim *ret, int64_t until)
{
	struct step *s = table_step(&q->table, ref);

	if (!s || s->state != STEP_WAITING)
		return false;
	step_claim(&q->table, s, until);
	ret->ref = ref;
	return claims_thicken(q, ret, 1, until) == 1;
}

void queue_status(const struct queue *q, struct queue_status *ret)
{
	*ret = (struct queue_status){
		.letters = q->table.n,
		.steps_open = q->table.open,
		.steps_unsynced = q->table.done,
		.has_room = queue_has_room(q),
	};
	for (const struct letter *l = q->table.first; l; l = l->next) {
		ret->steps_waiting += l->todo;
		ret->held += l->is_held;
		ret->in_journal += !l->is_finished && !l->is_spooled;
	}
	q->engine->status(q, ret);
}

bool queue_find(const struct queue *q, uint64_t id, uint64_t mask, uint64_t *ret, struct err *e)
{
	const struct letter *found = NULL;

	for (const struct letter *l = q->table.first; l; l = l->next) {
		if ((l->id & mask) != (id & mask) || l->is_finished)
			continue;
		if (found)
			return fail(e, FAULT_PERM, "more than one letter's id ends so; give more of it");
		found = l;
	}
	if (!found)
		return fail(e, FAULT_PERM, "no such letter is in the queue");
	*ret = found->id;
	return true;
}

static const enum queue_state states[] = {
	[STEP_WAITING] = QUEUE_WAITS, [STEP_CLAIMED] = QUEUE_IN_HAND, [STEP_DONE] = QUEUE_DONE, [STEP_SAFE] = QUEUE_SAFE,
};

/* Where a walk goes on: at the letter itself, or behind it if it has left. */
static const struct letter *walk_at(const struct queue *q, struct queue_walk *at)
{
	const struct letter *l = at->id ? table_get(&q->table, at->id) : q->table.first;

	if (l || !at->order)
		return l;
	at->step = 0;
	for (l = q->table.first; l && l->order < at->order;)
		l = l->next;
	return l;
}

bool queue_next(const struct queue *q, struct queue_walk *at, struct queue_entry *ret)
{
	for (const struct letter *l = walk_at(q, at); l; l = l->next, at->step = 0) {
		for (uint32_t i = at->step; i < l->n_steps; i++) {
			const struct step *s = &l->steps[i];
			enum queue_state state = states[s->state];

			if (state >= QUEUE_DONE && !at->with_done)
				continue;
			*ret = (struct queue_entry){ .state = state, .due = s->due.key, .is_held = l->is_held,
						     .deaths = l->deaths };
			if (s->lane && s->lane->open_at > ret->due && s->lane->open_at < INT64_MAX)
				ret->due = s->lane->open_at;
			claim_fill(&q->table, s, &ret->claim);
			at->id = l->id;
			at->order = l->order;
			at->step = i + 1;
			return true;
		}
	}
	return false;
}
