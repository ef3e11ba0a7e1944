/* queue_lanes.c — what waits for other servers, by destination. */
#include "queue/engine.h"

#include "base/id.h"
#include "base/log.h"

#include <stdlib.h>

struct lane *queue_lane_due(const struct queue *q, int64_t now)
{
	return table_lane_due(&q->table, &q->conf.schedule, now);
}

int64_t queue_lane_next(const struct queue *q)
{
	struct heap_node *node = heap_first(&q->table.lanes);

	return node ? node->key : INT64_MAX;
}

bool queue_lane_peek(const struct queue *q, const struct lane *l, struct queue_claim *ret)
{
	struct heap_node *node = heap_first(&l->due);

	if (node)
		claim_fill(&q->table, HEAP_OWNER(node, struct step, due), ret);
	return node;
}

static bool is_same_view(const struct letter_step *a, const struct letter_step *b)
{
	if (!str_eq(a->prefix, b->prefix) || !str_eq(a->sender, b->sender) || a->n_cuts != b->n_cuts)
		return false;
	for (uint32_t i = 0; i < a->n_cuts; i++)
		if (a->cuts[i].offset != b->cuts[i].offset || a->cuts[i].length != b->cuts[i].length)
			return false;
	return true;
}

SUSPENDS size_t queue_claim_lane(struct queue *q, struct lane *lane, struct queue_claim *ret, size_t n, int64_t now,
			int64_t until)
{
	struct step *first = lane_first(lane, &q->conf.schedule, now);
	struct letter *l = first ? first->letter : NULL;
	struct step_ref ref = { 0 };
	size_t got = 0;
	struct err e;

	if (l && !l->thick) {            /* its views are to be compared */
		ref = (struct step_ref){ l->id, first->index };
		step_claim(&q->table, first, until > now ? until : now + 1);
		if (!letter_thicken(q, l, &e)) {
			log_warn("queue-row", "msg=%s why=%s", ID_Z(ref.id), LOGQ(str_from_z(e.text)));
			first = table_step(&q->table, ref);
			if (first && first->state == STEP_CLAIMED)
				step_wait(&q->table, first, now + MINUTE);
			return 0;
		}
		first = table_step(&q->table, ref);
		if (!first || first->state != STEP_CLAIMED)
			return 0;
		l = first->letter;
	}

	for (uint32_t i = 0; l && i < l->n_steps && got < n; i++) {
		struct step *s = &l->steps[i];

		if ((s->lane != lane && s != first) || (s != first && !schedule_is_due(&q->conf.schedule, s->due.key, now)) ||
		    !is_same_view(&l->thick->r.steps[first->index], &l->thick->r.steps[i]))
			continue;
		step_claim(&q->table, s, until > now ? until : now + 1);
		claim_fill(&q->table, s, &ret[got++]);
	}
	return got;
}

void queue_lane_open_at(struct queue *q, struct lane *l, int64_t at)
{
	lane_open_at(&q->table, l, at);
}

struct str queue_lane_key(const struct lane *l)
{
	return str_from_z(l->key);
}

size_t queue_lane_waiting(const struct lane *l)
{
	return l->due.n;
}

void *queue_lane_owner(const struct lane *l)
{
	return l->owner;
}

void queue_lane_own(struct queue *q, struct lane *l, void *owner)
{
	if (owner)
		l->owner = owner;
	else
		lane_release(&q->table, l);
}

/* Its time is over, or it is time to tell its sender? */
static enum queue_task task_now(const struct queue *q, const struct step *s, int64_t now)
{
	const struct letter *l = s->letter;

	if (schedule_is_over(&q->conf.schedule, l->accepted, now))
		return TASK_BOUNCE;
	if (!s->is_warned && l->has_sender && schedule_should_warn(&q->conf.schedule, l->accepted, now))
		return TASK_WARN;
	return TASK_DELIVER;
}

void queue_lane_failed(struct queue *q, struct lane *l, struct str text, int64_t now)
{
	struct step **due = calloc(l->due.n ? l->due.n : 1, sizeof(struct step *));
	size_t n = 0;

	free(l->text);
	text = str_head(text, QUEUE_TEXT_MAX - 1);
	l->text = text.n ? strndup(text.p, text.n) : NULL;
	for (size_t i = 0; due && i < l->due.n; i++) {
		struct step *s = HEAP_OWNER(l->due.nodes[i], struct step, due);

		if (task_now(q, s, now) != TASK_DELIVER)
			due[n++] = s;
	}
	for (size_t i = 0; i < n; i++) {
		struct step *s = due[i];

		if (!s->text)
			step_text(s, l->text, NULL);
		s->task = (uint8_t)task_now(q, s, now);
		s->retry_at = s->due.key > now ? s->due.key : now;
		step_wait(&q->table, s, now);
	}
	free(due);
}

void queue_set_schedule(struct queue *q, const struct schedule *s)
{
	q->conf.schedule = *s;
}

struct lane *queue_lane_each(const struct queue *q, size_t *at)
{
	struct str key;
	void *lane;

	return map_next(&q->table.by_lane, at, &key, &lane) ? lane : NULL;
}

int64_t queue_lane_opens(const struct lane *l)
{
	return l->open_at;
}

struct str queue_lane_text(const struct lane *l)
{
	return str_from_z(l->text);
}

void queue_relane(struct queue *q)
{
	table_relane(&q->table);
}

void queue_suspect(struct queue *q, struct step_ref ref)
{
	struct step *s = table_step(&q->table, ref);

	if (s)
		s->letter->is_suspect = true;
}

bool queue_reclaim(const struct queue *q, struct step_ref ref, struct queue_claim *ret)
{
	struct step *s = table_step(&q->table, ref);

	if (!s || s->state != STEP_CLAIMED)
		return false;
	claim_fill(&q->table, s, ret);
	return true;
}

SUSPENDS bool queue_policy_get(struct queue *q, struct queue_policy *p, struct arena *a, struct err *e)
{
	return q->engine->policy_get(q, p, a, e);
}

SUSPENDS bool queue_policy_put(struct queue *q, const struct queue_policy *p, struct err *e)
{
	return q->engine->policy_put(q, p, e);
}
