/* queue_deaths.c — letters of which processes die, and the third time is the last.
 *
 * One line of a journal record is blamed for each death: how many there are by
 * now.  So the count and the hold are one record, and neither is lost alone.
 *
 * Several letters may be in hand when a process dies, and one of them did it.  All
 * are suspects then, and suspects are claimed for one line in which nothing goes on
 * side by side: whoever is innocent passes and is none any more, so that one bad
 * letter never brings another one to more than its first death. */
#include "queue/engine.h"

#include "queue/bytes.h"

#include <stdio.h>

/* A machine in trouble has a moment to get over it before a letter is blamed for good: somebody who kills or
 * restarts everything several times in a row is not the letter's fault. */
#define LAST_PAUSE (5 * SECOND)

static int64_t due_of(const struct letter *l, int64_t now)
{
	return l->deaths + 1 < QUEUE_DEATHS_MAX ? now : now + LAST_PAUSE;
}

bool queue_take_up(struct queue *q, const struct queue_claim *c, int64_t now, unsigned *ret_place)
{
	struct step *s = table_step(&q->table, c->ref);

	if (!s || s->state != STEP_CLAIMED)
		return false;
	if (s->letter->is_held || s->letter->is_suspect != c->is_suspect) {
		step_wait(&q->table, s, now);
		return false;
	}
	*ret_place = hands_take(&q->hands, c->ref.id);
	return true;
}

void queue_put_down(struct queue *q, unsigned place)
{
	hands_drop(&q->hands, place);
}

void queue_put_all_down(struct queue *q)
{
	hands_clear(&q->hands);
}

SUSPENDS bool letter_died(struct queue *q, struct letter *l, struct err *e)
{
	char bytes[12];
	struct buf b = buf_over(bytes, sizeof bytes);
	uint32_t deaths = ++l->deaths;   /* two may die of it side by side */
	struct journal_at at;
	struct str payload;

	l->is_suspect = true;
	put_u64(&b, l->id);
	put_u32(&b, deaths);
	payload = buf_str(&b);
	if (!q->engine->append(q, JOURNAL_DIED, &payload, 1, &at, e))
		return false;
	q->engine->release(q, &at);
	letter_blame(&q->table, l, l->deaths, l->since);
	return true;
}

void letter_rest(struct queue *q, struct letter *l, int64_t now)
{
	int64_t due = due_of(l, now);

	for (uint32_t i = 0; i < l->n_steps; i++)
		if (l->steps[i].state == STEP_WAITING && l->steps[i].due.key < due)
			step_wait(&q->table, &l->steps[i], due);
}

SUSPENDS bool queue_died(struct queue *q, struct step_ref ref, int64_t now, unsigned *ret_deaths,
			 struct err *e)
{
	struct letter *l = table_get(&q->table, ref.id);
	char text[QUEUE_TEXT_MAX];
	struct step *s;
	bool ok;

	if (!l || l->is_finished)
		return fail(e, FAULT_TEMP, "the letter is not in the queue");
	l->holds++;
	ok = letter_died(q, l, e);
	*ret_deaths = l->deaths;
	s = table_step(&q->table, ref);
	if (s && s->state == STEP_CLAIMED) {
		snprintf(text, sizeof text, "the process that carried it out died, %u of %d times", l->deaths,
			 QUEUE_DEATHS_MAX);
		step_text(s, text, NULL);
		s->mode = s->mode == STEP_FRESH ? STEP_REDO : s->mode;
		step_wait(&q->table, s, due_of(l, now));
	}
	return letters_follow(q, &l, 1, e) && ok;
}
