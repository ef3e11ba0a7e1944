/* person.c — what `waxwing queue` asks about letters, and wants done with them. */
#include "role/queue/remote.h"

#include "base/id.h"
#include "queue/select.h"

#include <stdlib.h>

enum {
	ANSWER_MAX = 40 * 1024, ANSWER_STEPS = 400, STEP_BYTES = 80,     /* of one answer: it fits a message */
	LOOK_MOST = 20000,               /* steps that are looked at for one answer */
	ACT_LETTERS = 1000,              /* letters with which something is done for one answer, */
	ACT_WIDTH = 64,                  /* of them side by side: they share what must be synced */
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
	struct queue_walk at = { .id = q->at, .order = q->order, .step = q->step, .with_done = q->with_done };
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
		r->order = at.order;
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

/* What one answer is about; side by side. */
struct acting {
	const struct queue_act *q;
	struct queue_select select;
	uint64_t *ids;
	size_t n, next;
	struct queue_act_answer *r;
	bool has_failed;
	struct err err;
};

static size_t count_steps(uint64_t id)
{
	struct queue_walk at = { .id = id };
	struct queue_entry found;
	size_t n = 0;

	while (queue_next(queue, &at, &found) && found.claim.ref.id == id)
		n++;
	return n;
}

/* The selected steps of a letter; those that are to be done something with are claimed.  Gives how many. */
SUSPENDS static size_t take_steps(struct acting *x, uint64_t id, struct queue_claim *claims, size_t most)
{
	struct queue_walk at = { .id = id };
	struct queue_entry found;
	int64_t now = time_now();
	size_t n = 0;

	while (n < most && queue_next(queue, &at, &found) && found.claim.ref.id == id) {
		if (!queue_selects(&x->select, &found))
			continue;
		x->r->steps++;
		if (x->q->is_count || x->q->action == ACTION_HOLD || x->q->action == ACTION_RELEASE)
			continue;
		if (x->q->action == ACTION_RETRY)
			queue_retry_step(queue, found.claim.ref, now);
		else if (queue_claim_step(queue, found.claim.ref, &claims[n], now + ACT_WITHIN))
			n++;
		else
			x->r->in_hand++;
	}
	return n;
}

/* With one letter. */
SUSPENDS static bool act_on(struct acting *x, uint64_t id, struct err *e)
{
	const struct queue_act *q = x->q;
	size_t most = count_steps(id), n;
	struct queue_claim *claims = calloc(most ? most : 1, sizeof(*claims));
	bool ok = true;

	if (!claims)
		return fail(e, FAULT_TEMP, "no memory");
	n = take_steps(x, id, claims, most);
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
								  .is_mild = true, .again = time_now() }, 1, time_now(), &(struct err){ 0 });
	free(claims);
	return ok;
}

SUSPENDS static void act_worker(void *arg)
{
	struct acting *x = arg;
	struct err e = { 0 };

	while (x->next < x->n && !x->has_failed) {
		uint64_t id = x->ids[x->next++];

		if (act_on(x, id, &e)) {
			x->r->letters++;
		} else if (!x->has_failed) {
			x->has_failed = true;
			x->err = e;
			fail_in(&x->err, "%s", ID_Z(id));
		}
	}
}

/* Letters that have one selected step at least; one page of them. */
static size_t find_letters(const struct queue_act *q, const struct queue_select *select, uint64_t *ret,
			   struct queue_act_answer *r)
{
	struct queue_walk at = { .id = q->at, .order = q->order, .step = UINT32_MAX };
	struct queue_entry found;
	size_t n = 0, looked = 0;

	if (!q->at)
		at = (struct queue_walk){ 0 };
	while (n < ACT_LETTERS && (r->more = queue_next(queue, &at, &found))) {
		if (looked++ >= LOOK_MOST && at.id != r->at)
			break;
		r->at = at.id;
		r->order = at.order;
		if (!queue_selects(select, &found))
			continue;
		ret[n++] = at.id;
		at.step = UINT32_MAX;            /* the next letter */
	}
	return n;
}

SUSPENDS bool serve_act(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(nursery_end) struct nursery workers = { 0 };
	struct queue_act *q = question;
	struct acting x = { .q = q, .r = answer, .ids = ARENA_ARRAY(a, uint64_t, ACT_LETTERS) };

	(void)l;
	if (q->action >= ACTION_COUNT || q->select.n != 1)
		return fail(e, FAULT_PERM, "no such action");
	if (!x.ids)
		return fail(e, FAULT_TEMP, "no memory");
	x.select = select_of(&q->select.p[0]);
	x.n = find_letters(q, &x.select, x.ids, x.r);
	for (size_t i = 1; i < ACT_WIDTH && i < x.n && !q->is_count; i++)
		if (!fiber_start(&workers, "act", act_worker, &x))
			break;
	act_worker(&x);
	if (!nursery_join(&workers, e))
		return false;
	if (x.has_failed) {
		*e = x.err;
		return false;
	}
	carry_kick();
	return true;
}
