/* person.c — what `waxwing queue` asks about letters, and wants done with them. */
#include "role/queue/remote.h"

#include "base/id.h"
#include "queue/select.h"

#include <stdlib.h>

enum {
	ANSWER_MAX = 40 * 1024, ANSWER_STEPS = 400, STEP_BYTES = 80,     /* of one answer: it fits a message */
	LOOK_MOST = 20000,               /* steps that are looked at for one answer */
	ACT_LETTERS = 200,               /* letters with which something is done for one answer */
	LANES_MOST = 200,
};
#define ACT_WITHIN HOUR

static struct queue_select select_of(const struct ipc_select *s)
{
	return (struct queue_select){ .id = s->id, .mask = s->mask, .from = s->from, .to = s->to, .domain = s->domain,
				      .before = s->before, .after = s->after, .is_held = s->is_held };
}

/* -- showing --------------------------------------------------------------- */

static struct ipc_queued print_step(const struct queue_entry *q)
{
	const struct queue_claim *c = &q->claim;
	const struct letter_record *l = c->letter;

	return (struct ipc_queued){
		.id = c->ref.id, .accepted = l->accepted, .size = l->body_size, .from = l->from, .is_held = q->is_held,
		.deaths = q->deaths, .rcpt = c->step->rcpt < l->n_rcpts ? l->rcpts[c->step->rcpt].address : S(""),
		.target = c->step->target, .state = (uint8_t)q->state, .is_bounce = c->task == TASK_BOUNCE,
		.tries = c->tries, .next = q->due, .why = c->text };
}

/* Slices of the answer point into the table: nothing waits before it is sent. */
bool serve_queued(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_queued *q = question;
	struct queue_queued_answer *r = answer;
	struct queue_walk at = { .id = q->at, .step = q->step, .with_done = q->with_done };
	struct queue_select select = q->select.n ? select_of(&q->select.p[0]) : (struct queue_select){ 0 };
	struct queue_entry found;
	size_t sum = 0, looked = 0;

	(void)l;
	r->steps.p = ARENA_ARRAY(a, struct ipc_queued, ANSWER_STEPS);
	if (!r->steps.p)
		return fail(e, FAULT_TEMP, "out of memory");
	while (looked++ < LOOK_MOST && (r->more = queue_next(queue, &at, &found))) {
		struct ipc_queued *s = &r->steps.p[r->steps.n];

		r->at = at.id;
		r->step = at.step;
		if ((found.claim.ref.id & q->mask) != (q->id & q->mask) || !queue_selects(&select, &found))
			continue;
		*s = print_step(&found);
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

static int by_waiting(const void *x, const void *y)
{
	const struct ipc_lane *a = x, *b = y;

	return a->waiting == b->waiting ? str_cmp(a->name, b->name) : a->waiting < b->waiting ? 1 : -1;
}

static struct ipc_lane print_lane(const struct lane *lane, struct arena *a)
{
	const struct remote_line *l = queue_lane_owner(lane);
	const struct conf_route *route = l ? conf_route_at(conf_now(), l->to.route) : NULL;
	struct str name, key = queue_lane_key(lane);

	(void)str_cut(key, ' ', &name);
	if (!name.n && route)
		name = arena_printf(a, "via " STR_FMT, STR_ARG(route->host));
	return (struct ipc_lane){ .name = name.n ? name : key, .waiting = queue_lane_waiting(lane),
				  .out = l ? l->out : 0, .width = l ? l->width : 0, .fails = l ? l->fails : 0,
				  .open_at = queue_lane_opens(lane) == INT64_MAX ? 0 : queue_lane_opens(lane),
				  .why = l && l->fails ? queue_lane_text(lane) : S("") };
}

bool serve_lanes(struct link *k, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_lanes_answer *r = answer;
	size_t n = 0, at = 0;

	(void)k, (void)question;
	a->limit = 64 << 20;
	while (queue_lane_each(queue, &at))
		n++;
	r->lanes.p = ARENA_ARRAY(a, struct ipc_lane, n ? n : 1);
	if (!r->lanes.p)
		return fail(e, FAULT_TEMP, "out of memory");
	at = 0;
	for (const struct lane *lane; (lane = queue_lane_each(queue, &at));)
		if (queue_lane_waiting(lane) || queue_lane_owner(lane))
			r->lanes.p[r->lanes.n++] = print_lane(lane, a);
	qsort(r->lanes.p, r->lanes.n, sizeof(r->lanes.p[0]), by_waiting);
	for (; r->lanes.n > LANES_MOST; r->others++)
		r->others_waiting += r->lanes.p[--r->lanes.n].waiting;
	return true;
}

/* -- doing ----------------------------------------------------------------- */

SUSPENDS static bool hold(uint64_t id, bool held, struct str by, struct err *e)
{
	if (!queue_hold(queue, id, held, e))
		return false;
	if (held)
		why_keep(&(struct why_letter_stopped){ .head = why_ours(WHY_letter_stopped, id), .by = by }.head);
	else
		why_keep(&(struct why_letter_released){ .head = why_ours(WHY_letter_released, id), .by = by }.head);
	return true;
}

SUSPENDS bool serve_hold(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_hold_letter *q = question;
	struct queue_hold_letter_answer *r = answer;

	(void)l, (void)a;
	if (!queue_find(queue, q->id, q->mask, &r->id, e) || !hold(r->id, q->held, q->by, e))
		return false;
	carry_kick();
	return true;
}

SUSPENDS static bool drop(const struct queue_claim *claims, size_t n, struct str by, struct err *e)
{
	struct step_ref *refs = calloc(n, sizeof(*refs));
	bool ok;

	if (!refs)
		return fail(e, FAULT_TEMP, "no memory");
	for (size_t i = 0; i < n; i++) {
		const struct letter_record *l = claims[i].letter;

		refs[i] = claims[i].ref;
		why_keep(&(struct why_step_dropped){
			.head = why_ours(WHY_step_dropped, refs[i].id), .by = by,
			.rcpt = claims[i].step->rcpt < l->n_rcpts ? l->rcpts[claims[i].step->rcpt].address : S("") }.head);
	}
	ok = queue_bounce(queue, refs, n, NULL, e);
	free(refs);
	return ok;
}

/* The selected steps of one letter. */
SUSPENDS static bool act_on(const struct queue_act *q, const struct queue_select *select, uint64_t id,
			    struct queue_act_answer *r, struct err *e)
{
	struct queue_claim *claims = calloc(LETTER_STEP_MAX, sizeof(*claims));
	struct queue_walk at = { .id = id };
	struct queue_entry found;
	int64_t now = time_now();
	bool ok = true;
	size_t n = 0;

	if (!claims)
		return fail(e, FAULT_TEMP, "no memory");
	while (n < LETTER_STEP_MAX && queue_next(queue, &at, &found) && found.claim.ref.id == id) {
		if (!queue_selects(select, &found))
			continue;
		r->steps++;
		if (q->is_count || q->action == ACTION_HOLD || q->action == ACTION_RELEASE)
			continue;
		if (q->action == ACTION_RETRY)
			queue_retry_step(queue, found.claim.ref, now);
		else if (queue_claim_step(queue, found.claim.ref, &claims[n], now + ACT_WITHIN))
			n++;
		else
			r->in_hand++;
	}
	for (size_t i = 0; i < n; i++)
		claims[i].text = q->action == ACTION_BOUNCE ? S("550 5.7.0 the administrator of this server sent it back") : claims[i].text;
	if (!q->is_count && (q->action == ACTION_HOLD || q->action == ACTION_RELEASE))
		ok = hold(id, q->action == ACTION_HOLD, q->by, e);
	else if (n && q->action == ACTION_BOUNCE)
		report_steps(BOUNCE_FAILED, claims, n);
	else if (n && q->action == ACTION_DROP)
		ok = drop(claims, n, q->by, e);
	else if (n && q->action == ACTION_REDIRECT)
		ok = redirect_steps(claims, n, q->target, q->by, e);
	for (size_t i = 0; i < n && !ok; i++)
		(void)queue_report(queue, &(struct queue_report){ .ref = claims[i].ref, .outcome = OUTCOME_LATER,
								  .is_mild = true, .again = now }, 1, now, &(struct err){ 0 });
	free(claims);
	return ok;
}

/* Letters that have one selected step at least; one page of them. */
static size_t find_letters(const struct queue_act *q, const struct queue_select *select, uint64_t *ret,
			   struct queue_act_answer *r)
{
	struct queue_walk at = { .id = q->at, .step = UINT32_MAX };
	struct queue_entry found;
	size_t n = 0, looked = 0;

	if (!q->at)
		at = (struct queue_walk){ 0 };
	while (n < ACT_LETTERS && (r->more = queue_next(queue, &at, &found))) {
		if (looked++ >= LOOK_MOST && at.id != r->at)
			break;
		r->at = at.id;
		if (!queue_selects(select, &found))
			continue;
		ret[n++] = at.id;
		at.step = UINT32_MAX;            /* the next letter */
	}
	return n;
}

SUSPENDS bool serve_act(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_act *q = question;
	struct queue_act_answer *r = answer;
	struct queue_select select;
	uint64_t ids[ACT_LETTERS];
	size_t n;

	(void)l, (void)a;
	if (q->action >= ACTION_COUNT || q->select.n != 1)
		return fail(e, FAULT_PERM, "no such action");
	select = select_of(&q->select.p[0]);
	n = find_letters(q, &select, ids, r);
	for (size_t i = 0; i < n; i++) {
		if (!act_on(q, &select, ids[i], r, e))
			return fail_in(e, "%s", ID_Z(ids[i]));
		r->letters++;
	}
	carry_kick();
	return true;
}
