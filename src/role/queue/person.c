/* person.c — what `waxwing queue` asks about letters, and wants done with them. */
#include "role/queue/queue_role.h"

#include "base/id.h"

enum { ANSWER_MAX = 40 * 1024, ANSWER_STEPS = 400, STEP_BYTES = 80 };    /* of one answer: it fits a message */

static struct ipc_queued print_step(const struct queue_entry *q)
{
	const struct queue_claim *c = &q->claim;
	const struct letter_record *l = c->letter;

	return (struct ipc_queued){
		.id = c->ref.id, .accepted = l->accepted, .size = l->body_size, .from = l->from, .is_held = q->is_held,
		.deaths = q->deaths, .rcpt = c->step->rcpt < l->n_rcpts ? l->rcpts[c->step->rcpt].address : S(""),
		.target = c->step->target, .state = (uint8_t)q->state, .is_bounce = c->task == TASK_BOUNCE,
		.tries = c->tries, .next = q->due };
}

/* Slices of the answer point into the table: nothing waits before it is sent. */
bool serve_queued(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_queued *q = question;
	struct queue_queued_answer *r = answer;
	struct queue_walk at = { .id = q->at, .step = q->step, .with_done = q->with_done };
	struct queue_entry found;
	size_t sum = 0;

	(void)l;
	r->steps.p = ARENA_ARRAY(a, struct ipc_queued, ANSWER_STEPS);
	if (!r->steps.p)
		return fail(e, FAULT_TEMP, "out of memory");
	while ((r->more = queue_next(queue, &at, &found))) {
		struct ipc_queued *s = &r->steps.p[r->steps.n];

		r->at = at.id;
		r->step = at.step;
		if ((found.claim.ref.id & q->mask) != (q->id & q->mask))
			continue;
		*s = print_step(&found);
		s->why = found.claim.text;
		r->steps.n++;
		sum += STEP_BYTES + s->from.n + s->rcpt.n + s->target.n + s->why.n;
		if (sum > ANSWER_MAX || r->steps.n == ANSWER_STEPS)
			break;
	}
	return a->full ? fail(e, FAULT_TEMP, "out of memory") : true;
}

bool serve_one(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_one *q = question;
	struct queue_one_answer *r = answer;

	(void)l, (void)a;
	return queue_find(queue, q->id, q->mask, &r->id, e);
}

SUSPENDS bool serve_hold(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_hold_letter *q = question;
	struct queue_hold_letter_answer *r = answer;

	(void)l, (void)a;
	if (!queue_find(queue, q->id, q->mask, &r->id, e) || !queue_hold(queue, r->id, q->held, e))
		return false;
	if (q->held)
		why_keep(&(struct why_letter_stopped){ .head = why_ours(WHY_letter_stopped, r->id), .by = q->by }.head);
	else
		why_keep(&(struct why_letter_released){ .head = why_ours(WHY_letter_released, r->id), .by = q->by }.head);
	carry_kick();
	return true;
}
