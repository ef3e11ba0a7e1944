/* table.c — the letters that are not yet safe, in memory. */
#include "queue/table.h"

#include "queue/bytes.h"

#include <stdlib.h>

enum { STATES_VERSION = 3 };

struct letter *table_get(const struct table *t, uint64_t id)
{
	return ids_get(&t->by_id, id);
}

struct step *table_step(const struct table *t, struct step_ref ref)
{
	struct letter *l = table_get(t, ref.id);

	return l && ref.step < l->n_steps ? &l->steps[ref.step] : NULL;
}

/* ---- slim and thick ---- */

static size_t weight_of(const struct thick *k)
{
	return sizeof *k + k->arena.used + (k->body ? k->r.body_size : 0);
}

static void thick_leave(struct table *t, struct thick *k)
{
	*(k->prev ? &k->prev->next : &t->oldest) = k->next;
	*(k->next ? &k->next->prev : &t->newest) = k->prev;
	t->thick -= k->bytes;
	k->is_listed = false;
}

static void thick_enter(struct table *t, struct thick *k)
{
	k->bytes = weight_of(k);
	k->prev = t->newest;
	k->next = NULL;
	*(t->newest ? &t->newest->next : &t->oldest) = k;
	t->newest = k;
	t->thick += k->bytes;
	k->is_listed = true;
}

void table_weigh(struct table *t, struct letter *l)
{
	struct thick *k = l->thick;
	if (!k)
		return;
	if (k->is_listed && l->todo > 0) {
		t->thick -= k->bytes;
		k->bytes = weight_of(k);
		t->thick += k->bytes;
	} else if (k->is_listed) {
		thick_leave(t, k);
	} else if (l->todo > 0) {
		thick_enter(t, k);
	}
}

void table_slim(struct table *t, struct letter *l)
{
	if (l->thick && l->thick->is_listed)
		thick_leave(t, l->thick);
	letter_slim(l);
}

void table_trim(struct table *t, size_t most, size_t looks)
{
	for (; t->thick > most && t->oldest && looks > 0; looks--) {
		struct thick *k = t->oldest;

		if (letter_is_idle(k->letter)) {
			table_slim(t, k->letter);
		} else {
			thick_leave(t, k);
			thick_enter(t, k);
		}
	}
}

/* ---- lanes ---- */

static void lane_free(struct table *t, struct lane *l)
{
	heap_remove(&t->lanes, &l->node);
	map_remove(&t->by_lane, str_from_z(l->key));
	heap_end(&l->due);
	free(l->key);
	free(l->text);
	free(l);
}

/* It has its place by its first step and by when it is open, or goes. */
static void lane_settle(struct table *t, struct lane *l)
{
	struct heap_node *first = heap_first(&l->due);

	heap_remove(&t->lanes, &l->node);
	if (first && l->open_at < INT64_MAX)
		heap_add(&t->lanes, &l->node, first->key > l->open_at ? first->key : l->open_at);
	else if (!first && !l->owner)
		lane_free(t, l);
}

/* Where the step waits; NULL: in the common heap. */
static struct lane *lane_of(struct table *t, const struct step *s)
{
	char mem[LETTER_ADDRESS_MAX + 32];
	struct buf key = buf_over(mem, sizeof mem - 1);
	const struct letter_record *r;
	struct lane *lane;

	if (!t->lane_key || s->state != STEP_WAITING || s->task != TASK_DELIVER || s->kind != STEP_REMOTE)
		return NULL;
	r = letter_look(t->look, s->letter);
	t->lane_key(t->lane_arg, r, &r->steps[s->index], &key);
	mem[key.n] = '\0';
	lane = map_get(&t->by_lane, str_from_z(mem));
	if (lane)
		return lane;
	lane = calloc(1, sizeof *lane);
	must(lane && (lane->key = strdup(mem)), "no memory for a lane");
	map_put(&t->by_lane, str_from_z(lane->key), lane);
	return lane;
}

struct step *lane_first(const struct lane *l, const struct schedule *sched, int64_t now)
{
	struct heap_node *node = heap_first(&l->due);
	struct step *s;

	if (!node)
		return NULL;
	s = HEAP_OWNER(node, struct step, due);
	if (node->key == s->letter->not_before)
		return node->key <= now ? s : NULL;
	return schedule_is_due(sched, node->key, now) ? s : NULL;
}

struct lane *table_lane_due(const struct table *t, const struct schedule *sched, int64_t now)
{
	struct heap_node *node = heap_first(&t->lanes);
	struct lane *l;

	if (!node)
		return NULL;
	l = HEAP_OWNER(node, struct lane, node);
	return schedule_is_due(sched, l->open_at, now) && lane_first(l, sched, now) ? l : NULL;
}

void lane_open_at(struct table *t, struct lane *l, int64_t at)
{
	l->open_at = at;
	lane_settle(t, l);
}

void lane_release(struct table *t, struct lane *l)
{
	l->owner = NULL;
	lane_settle(t, l);
}

/* ---- waiting ---- */

static void step_leave_line(struct table *t, struct step *s)
{
	struct lane *lane = s->lane;

	s->lane = NULL;
	heap_remove(lane ? &lane->due : &t->due, &s->due);
	if (lane)
		lane_settle(t, lane);
}

/* Into the heap, unless the letter is held. */
static void step_line_up(struct table *t, struct step *s, int64_t due)
{
	step_leave_line(t, s);
	if (s->letter->is_held) {
		s->due.key = due;
		return;
	}
	s->lane = lane_of(t, s);
	heap_add(s->lane ? &s->lane->due : &t->due, &s->due, due);
	if (s->lane)
		lane_settle(t, s->lane);
}

void table_relane(struct table *t)
{
	for (struct letter *l = t->first; l; l = l->next)
		for (uint32_t i = 0; i < l->n_steps; i++)
			if (l->steps[i].lane)
				step_line_up(t, &l->steps[i], l->steps[i].due.key);
}

void table_add(struct table *t, struct letter *l, int64_t now)
{
	ids_add(&t->by_id, l);
	l->prev = t->last;
	if (t->last)
		t->last->next = l;
	else
		t->first = l;
	t->last = l;
	l->order = ++t->last_order;
	t->n++;
	l->since = now;
	l->open = l->todo = l->n_steps;
	t->open += l->open;
	for (uint32_t i = 0; i < l->n_steps; i++)
		step_line_up(t, &l->steps[i], l->not_before ? l->not_before : now);
	table_weigh(t, l);
}

void table_drop(struct table *t, struct letter *l)
{
	for (uint32_t i = 0; i < l->n_steps; i++) {
		step_leave_line(t, &l->steps[i]);
		t->done -= l->steps[i].state == STEP_DONE;
		t->open -= l->steps[i].state != STEP_SAFE;
	}
	ids_remove(&t->by_id, l->id);
	if (l->prev)
		l->prev->next = l->next;
	else
		t->first = l->next;
	if (l->next)
		l->next->prev = l->prev;
	else
		t->last = l->prev;
	t->n--;
	l->todo = 0;
	table_weigh(t, l);
	if (t->look->at == l)
		t->look->at = NULL;
	letter_free(l);
}

void table_end(struct table *t)
{
	struct str key;
	void *lane;

	while (t->first)
		table_drop(t, t->first);
	for (size_t i = 0; map_next(&t->by_lane, &i, &key, &lane);)
		lane_release(t, lane);
	map_end(&t->by_lane);
	heap_end(&t->lanes);
	ids_end(&t->by_id);
	heap_end(&t->due);
}

static void step_leave(struct table *t, struct step *s)
{
	step_leave_line(t, s);
	if (s->state == STEP_DONE)
		t->done--;
	else if (s->state != STEP_SAFE)
		s->letter->todo--;
}

void step_wait(struct table *t, struct step *s, int64_t due)
{
	must(s->state != STEP_SAFE, "what is safe is not done again");
	step_leave(t, s);
	s->state = STEP_WAITING;
	s->letter->todo++;
	step_line_up(t, s, due);
	table_weigh(t, s->letter);
}

void step_claim(struct table *t, struct step *s, int64_t until)
{
	if (s->state == STEP_CLAIMED && s->mode == STEP_FRESH)
		s->mode = STEP_REDO;     /* the lease ran out: nobody knows how far it came */
	step_leave(t, s);
	s->state = STEP_CLAIMED;
	s->letter->todo++;
	step_line_up(t, s, until);
}

void step_done(struct table *t, struct step *s)
{
	step_leave(t, s);
	s->state = STEP_DONE;
	t->done++;
	table_weigh(t, s->letter);
}

void step_safe(struct table *t, struct step *s)
{
	if (s->state == STEP_SAFE)
		return;
	step_leave(t, s);
	s->state = STEP_SAFE;
	t->open--;
	if (--s->letter->open == 0)
		s->letter->is_finished = true;
	table_weigh(t, s->letter);
}

void step_text(struct step *s, const char *text, const char *host)
{
	size_t n = text ? strnlen(text, QUEUE_TEXT_MAX - 1) : 0, m = host ? strnlen(host, QUEUE_HOST_MAX - 1) : 0;
	char *copy = n + m ? calloc(1, n + m + 2) : NULL;

	if (copy) {
		if (n)
			memcpy(copy, text, n);
		if (m)
			memcpy(copy + n + 1, host, m);
	}
	free(s->text);
	s->text = copy;
}

const char *step_host(const struct step *s)
{
	return s->text ? s->text + strlen(s->text) + 1 : "";
}

void letter_hold(struct table *t, struct letter *l, bool held, int64_t now)
{
	l->is_held = held;
	if (!held) {
		l->deaths = 0;
		l->is_suspect = false;
	}
	for (uint32_t i = 0; i < l->n_steps; i++)
		if (l->steps[i].state == STEP_WAITING)
			step_line_up(t, &l->steps[i], now);
}

void letter_blame(struct table *t, struct letter *l, uint32_t deaths, int64_t now)
{
	l->deaths = deaths;
	l->is_suspect = deaths > 0;
	if (deaths >= QUEUE_DEATHS_MAX)
		letter_hold(t, l, true, now);
}

void claim_fill(const struct table *t, const struct step *s, struct queue_claim *ret)
{
	const struct letter_record *r = letter_look(t->look, s->letter);

	*ret = (struct queue_claim){
		.ref = { s->letter->id, s->index },
		.task = s->task,
		.mode = s->mode,
		.tries = s->tries,
		.is_suspect = s->letter->is_suspect,
		.letter = r,
		.step = &r->steps[s->index],
	};
	ret->text = str_from_z(s->text ? s->text : s->lane ? s->lane->text : NULL);
	ret->host = str_from_z(step_host(s));
}

struct step *table_due(const struct table *t, const struct schedule *sched, int64_t now)
{
	struct heap_node *node = heap_first(&t->due);

	if (!node)
		return NULL;
	struct step *s = HEAP_OWNER(node, struct step, due);

	if (s->state == STEP_CLAIMED || node->key == s->letter->not_before)
		return node->key <= now ? s : NULL;
	return schedule_is_due(sched, node->key, now) ? s : NULL;
}

void letter_states_print(const struct letter *l, struct buf *b)
{
	put_u8(b, STATES_VERSION);
	put_u32(b, l->deaths);
	for (uint32_t i = 0; i < l->n_steps; i++) {
		const struct step *s = &l->steps[i];
		/* what a lease or a task ends at is not remembered: it is due then */
		int64_t due = s->task == TASK_WARN ? s->retry_at : s->due.key;

		put_u8(b, s->state == STEP_SAFE);
		put_u8(b, s->task == TASK_BOUNCE ? TASK_BOUNCE : TASK_DELIVER);
		put_u8(b, s->is_warned);
		put_u8(b, s->mode == STEP_REWRITE);
		put_u32(b, s->tries);
		put_u64(b, s->state == STEP_WAITING ? (uint64_t)due : 0);
		put_str(b, str_from_z(s->text));
		put_str(b, str_from_z(step_host(s)));
	}
}

bool letter_states_parse(struct table *t, struct letter *l, struct str in)
{
	struct cursor c = { .in = in };

	uint8_t version = take_u8(&c);

	if (version == 0 || version > STATES_VERSION)
		return false;
	if (version > 1)
		letter_blame(t, l, take_u32(&c), l->since);
	for (uint32_t i = 0; i < l->n_steps; i++) {
		struct step *s = &l->steps[i];
		bool is_safe = take_u8(&c);
		uint8_t task = take_u8(&c);
		char text[QUEUE_TEXT_MAX] = "", host[QUEUE_HOST_MAX] = "";
		struct str said, by = { 0 };
		int64_t due;

		s->is_warned = take_u8(&c);
		s->mode = take_u8(&c) ? STEP_REWRITE : STEP_REDO;
		s->tries = take_u32(&c);
		due = (int64_t)take_u64(&c);
		said = take_str(&c, QUEUE_TEXT_MAX - 1);
		if (version > 2)
			by = take_str(&c, QUEUE_HOST_MAX - 1);
		if (c.bad || task > TASK_BOUNCE)
			return false;
		s->task = task == TASK_BOUNCE ? TASK_BOUNCE : TASK_DELIVER;
		if (said.n)
			memcpy(text, said.p, said.n);
		if (by.n)
			memcpy(host, by.p, by.n);
		step_text(s, text, host);
		if (is_safe)
			step_safe(t, s);
		else
			step_wait(t, s, due);
	}
	return c.in.n == 0;
}
