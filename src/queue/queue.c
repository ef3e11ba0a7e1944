/* queue.c — the verbs of the queue, the same for every engine.
 *
 * Each verb writes down first, through the engine, and then moves the table.
 * After each wait it looks the step up again: others went on meanwhile. */
#include "queue/engine.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "queue/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	THICK_BYTES = 16 * 1024 * 1024,  /* of letters that came last: what leaves at once is not read again */
	TRIM_LOOKS = 4,                  /* at letters, for each that becomes thick */
};

bool queue_new(const struct queue_conf *conf, const struct engine *engine, void *own,
	       struct queue **ret, struct err *e)
{
	struct queue *q = calloc(1, sizeof *q);

	if (!q)
		return fail(e, FAULT_TEMP, "no memory");
	q->table.look = calloc(1, sizeof *q->table.look);
	if (!q->table.look) {
		free(q);
		return fail(e, FAULT_TEMP, "no memory");
	}
	q->conf = *conf;
	if (!q->conf.thick)
		q->conf.thick = THICK_BYTES;
	if (q->conf.schedule.n_waits == 0)
		q->conf.schedule = schedule_default;
	q->engine = engine;
	q->own = own;
	q->table.lane_key = conf->lane_key;
	q->table.lane_arg = conf->lane_arg;
	hands_open_memory(&q->hands);
	*ret = q;
	return true;
}

SUSPENDS void queue_close(struct queue *q)
{
	if (!q)
		return;
	q->engine->close(q);
	hands_close(&q->hands);
	table_end(&q->table);
	arena_end(&q->table.look->a);
	free(q->table.look);
	free(q);
}

uint64_t queue_id(struct queue *q, int64_t now)
{
	return q->last_id = id_next(q->last_id, q->conf.node, now);
}

bool queue_has_room(const struct queue *q)
{
	return q->engine->has_room(q);
}

bool queue_is_broken(const struct queue *q)
{
	return q->engine->is_broken(q);
}

SUSPENDS bool queue_file_new(struct queue *q, uint64_t id, int *ret_fd, char *ret_name,
			     struct err *e)
{
	snprintf(ret_name, LETTER_NAME_MAX + 1, "in/%s", ID_Z(id));
	return q->engine->file_new(q, ret_name, ret_fd, e);
}

SUSPENDS bool queue_file_sync(struct queue *q, int fd, struct err *e)
{
	return q->engine->file_sync(q, fd, e);
}

SUSPENDS void queue_file_drop(struct queue *q, struct str name)
{
	q->engine->file_drop(q, name);
}

/* A finished letter leaves: its record, its row, then its file. */
SUSPENDS static void letter_leave(struct queue *q, struct letter *l)
{
	char file[LETTER_NAME_MAX + 1] = "", mem[LETTER_NAME_MAX + 1];
	struct str name = letter_file_name(l, q->table.look, mem);
	size_t n = name.n;
	struct err e;

	if (n)
		memcpy(file, name.p, n);
	l->holds++;      /* nobody else leaves with it meanwhile */
	if (l->is_spooled && !q->engine->rows(q, &l, 1, &e)) {
		/* the row stays: after a restart its steps are done once more */
		log_warn("queue-row", "msg=%s why=%s", ID_Z(l->id), LOGQ(str_from_z(e.text)));
		n = 0;
	}
	if (--l->holds > 0)
		return;  /* whoever looked it up meanwhile ends it */
	if (l->at.sequence)
		q->engine->release(q, &l->at);
	table_drop(&q->table, l);
	if (n)
		q->engine->file_drop(q, str_of(file, n));
}

SUSPENDS void letter_release(struct queue *q, struct letter *l)
{
	must(l->holds > 0, "a letter is let go of once for each hold");
	if (--l->holds == 0 && l->is_finished && !l->is_moving)
		letter_leave(q, l);
}

void letter_body_drop(struct queue *q, struct letter *l)
{
	if (!q->engine->rereads || !l->thick || l->is_moving || l->thick->readers > 0)
		return;
	letter_body_free(l->thick);
	table_weigh(&q->table, l);
}

/* The table's own of a new letter; *head gets the encoding of its record. */
static bool letter_make(const struct letter_record *r, struct buf *head, struct letter **ret, struct err *e)
{
	struct letter *l;

	if (!letter_record_print(r, head, e) || !letter_new(r, &l, e))
		return false;
	if (!letter_fatten(l, buf_str(head), r->body, e)) {
		letter_free(l);
		return false;
	}
	*ret = l;
	return true;
}

/* Write refs (empty for a LETTER) and the letter as one record; it is in no table yet. */
SUSPENDS static bool letter_write(struct queue *q, enum journal_kind kind, struct str refs,
				  const struct letter_record *r, struct letter **ret,
				  struct err *e)
{
	AUTO(buf_end) struct buf head = buf_on_heap(LETTER_HEAD_MAX);
	char count[4];
	struct buf b = buf_over(count, sizeof count);
	struct letter *l;

	if (table_get(&q->table, r->id))
		return fail(e, FAULT_PERM, "there is a letter %s already", ID_Z(r->id));
	if (!letter_make(r, &head, &l, e))
		return false;
	put_u32(&b, (uint32_t)head.n);
	struct str parts[4] = { refs, buf_str(&b), buf_str(&head), l->thick->r.body };

	l->skip = (uint32_t)refs.n;
	if (!q->engine->append(q, kind, parts, ARRAY_LEN(parts), &l->at, e)) {
		letter_free(l);
		return false;
	}
	*ret = l;
	return true;
}

SUSPENDS static void letter_enter(struct queue *q, struct letter *l, int64_t now)
{
	table_add(&q->table, l, now);
	l->is_finished = l->open == 0;
	l->holds++;
	if (q->engine->record)
		table_trim(&q->table, q->conf.thick, TRIM_LOOKS);
	letter_release(q, l);
}

SUSPENDS bool queue_accept(struct queue *q, const struct letter_record *letters, size_t n,
			   struct err *e)
{
	struct letter **written = calloc(n ? n : 1, sizeof *written);
	size_t done = 0;
	bool ok = written != NULL || fail(e, FAULT_TEMP, "no memory");

	while (ok && done < n) {
		ok = letter_write(q, JOURNAL_LETTER, S(""), &letters[done], &written[done], e);
		done += ok;
	}
	for (size_t i = 0; i < done; i++) {
		if (ok) {
			letter_enter(q, written[i], letters[i].accepted);
			continue;
		}
		q->engine->release(q, &written[i]->at);
		letter_free(written[i]);
	}
	free(written);
	return ok;
}

SUSPENDS bool letter_thicken(struct queue *q, struct letter *l, struct err *e)
{
	AUTO(buf_end) struct buf b = buf_on_heap(JOURNAL_RECORD_MAX);
	struct str head, body;
	bool ok = true;

	l->holds++;
	if (!l->thick)
		ok = q->engine->record(q, l, &b, e);
	if (ok && !l->thick) {           /* somebody else may have done it meanwhile */
		ok = letter_payload_split(buf_str(&b), &head, &body, e) && letter_fatten(l, head, body, e);
		table_weigh(&q->table, l);
		table_trim(&q->table, q->conf.thick, TRIM_LOOKS);
		if (q->table.thick > q->conf.thick)
			letter_body_drop(q, l);
	}
	letter_release(q, l);
	return ok;
}

/* The letters of claims that were just made; those that cannot be read go back. */
SUSPENDS size_t claims_thicken(struct queue *q, struct queue_claim *claims, size_t n, int64_t now)
{
	size_t got = 0;
	struct err e;

	for (size_t i = 0; i < n; i++) {
		struct letter *l = table_get(&q->table, claims[i].ref.id);
		struct step *s;

		if (l && !l->thick && !letter_thicken(q, l, &e)) {
			log_warn("queue-row", "msg=%s why=%s", ID_Z(claims[i].ref.id), LOGQ(str_from_z(e.text)));
			s = table_step(&q->table, claims[i].ref);
			if (s && s->state == STEP_CLAIMED)
				step_wait(&q->table, s, now + MINUTE);
			continue;
		}
		s = table_step(&q->table, claims[i].ref);
		if (s && s->state == STEP_CLAIMED)
			claim_fill(&q->table, s, &claims[got++]);
	}
	return got;
}

SUSPENDS size_t queue_claim(struct queue *q, struct queue_claim *ret, size_t n, int64_t now,
			    int64_t until)
{
	size_t got = 0;

	while (got < n) {
		struct step *s = table_due(&q->table, &q->conf.schedule, now);

		if (!s)
			break;
		/* the lease ran out on whoever had it when it was held, or took it from its lane */
		if (s->letter->is_held || (s->state == STEP_CLAIMED && q->table.lane_key &&
					   s->kind == STEP_REMOTE)) {
			step_wait(&q->table, s, now);
			continue;
		}
		step_claim(&q->table, s, until > now ? until : now + 1);
		ret[got++].ref = (struct step_ref){ s->letter->id, s->index };
	}
	return claims_thicken(q, ret, got, now);
}

int64_t queue_next_due(const struct queue *q)
{
	struct heap_node *node = heap_first(&q->table.due);

	return node ? node->key : INT64_MAX;
}

SUSPENDS bool queue_body(struct queue *q, uint64_t id, struct letter_body *ret, struct err *e)
{
	struct letter *l = table_get(&q->table, id);
	bool ok;

	if (!l || l->is_finished)
		return fail(e, FAULT_TEMP, "letter %s is not in the queue", ID_Z(id));
	if (!l->thick && !letter_thicken(q, l, e))
		return false;
	l = table_get(&q->table, id);
	if (!l || l->is_finished)
		return fail(e, FAULT_TEMP, "letter %s is not in the queue", ID_Z(id));
	*ret = (struct letter_body){ .fd = -1, .size = l->thick->r.body_size };
	if (l->thick->body) {
		ret->bytes = l->thick->r.body;
		ret->q = q;
		ret->id = id;
		l->thick->readers++;
		l->holds++;
		return true;
	}
	l->holds++;
	ok = q->engine->body(q, l, ret, e);
	letter_release(q, l);
	return ok;
}

SUSPENDS void letter_body_end(struct letter_body *b)
{
	struct letter *l = b->q ? table_get(&b->q->table, b->id) : NULL;

	fd_end(&b->fd);
	free(b->owned);
	if (l) {
		l->thick->readers--;
		if (l->is_spooled || l->todo == 0)
			letter_body_drop(b->q, l);
		letter_release(b->q, l);
	}
	*b = (struct letter_body){ .fd = -1 };
}

static void refs_print(struct buf *b, const struct step_ref *refs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put_u64(b, refs[i].id);
		put_u32(b, refs[i].step);
	}
}

/* The letters of these steps, each once, held. */
static size_t letters_hold(struct queue *q, const struct step_ref *refs, size_t n,
			   struct letter **ret)
{
	size_t got = 0;

	for (size_t i = 0; i < n; i++) {
		struct letter *l = table_get(&q->table, refs[i].id);

		if (!l || (got > 0 && ret[got - 1] == l))
			continue;
		l->holds++;
		ret[got++] = l;
	}
	return got;
}

SUSPENDS bool letters_follow(struct queue *q, struct letter **held, size_t n, struct err *e)
{
	struct letter **rows = calloc(n ? n : 1, sizeof *rows);
	size_t n_rows = 0;
	bool ok = rows != NULL || fail(e, FAULT_TEMP, "no memory");

	for (size_t i = 0; rows && i < n; i++)
		if (held[i]->is_spooled)
			rows[n_rows++] = held[i];
	if (n_rows > 0)
		ok = q->engine->rows(q, rows, n_rows, e);
	free(rows);
	for (size_t i = 0; i < n; i++)
		letter_release(q, held[i]);
	return ok;
}

enum { SAFE_AT_ONCE = 4096 };

SUSPENDS static bool safe_some(struct queue *q, const struct step_ref *refs, size_t n,
			       struct err *e)
{
	struct letter **held = calloc(n, sizeof(struct letter *));
	AUTO(buf_end) struct buf b = buf_on_heap(SAFE_AT_ONCE * STEP_REF_BYTES);
	struct journal_at at;
	struct str payload;
	size_t n_held;
	bool ok;

	if (!held)
		return fail(e, FAULT_TEMP, "no memory");
	n_held = letters_hold(q, refs, n, held);
	refs_print(&b, refs, n);
	payload = buf_str(&b);
	ok = q->engine->append(q, JOURNAL_SAFE, &payload, 1, &at, e);
	if (ok) {
		q->engine->release(q, &at);
		for (size_t i = 0; i < n; i++) {
			struct step *s = table_step(&q->table, refs[i]);

			if (s)
				step_safe(&q->table, s);
		}
	}
	ok = letters_follow(q, held, n_held, e) && ok;
	free(held);
	return ok;
}

SUSPENDS bool queue_safe(struct queue *q, const struct step_ref *refs, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i += SAFE_AT_ONCE)
		if (!safe_some(q, refs + i, n - i < SAFE_AT_ONCE ? n - i : SAFE_AT_ONCE, e))
			return false;
	return true;
}

static void step_later(struct queue *q, struct step *s, int64_t now)
{
	const struct schedule *sched = &q->conf.schedule;
	int64_t accepted = s->letter->accepted;

	if (s->task != TASK_DELIVER) {
		step_wait(&q->table, s, schedule_next(sched, 1, now));
		return;
	}
	s->tries++;
	s->retry_at = s->kind == STEP_LOCAL ? schedule_next_local(sched, s->tries, now)
								       : schedule_next(sched, s->tries, now);
	if (schedule_is_over(sched, accepted, now))
		s->task = TASK_BOUNCE;
	else if (!s->is_warned && s->letter->has_sender &&
		 schedule_should_warn(sched, accepted, now))
		s->task = TASK_WARN;
	step_wait(&q->table, s, s->task == TASK_DELIVER ? s->retry_at : now);
}

/* True: it must be noted durably. */
static bool step_report(struct queue *q, const struct queue_report *r, int64_t now)
{
	struct step *s = table_step(&q->table, r->ref);

	if (!s || s->state != STEP_CLAIMED)
		return false;
	if (r->outcome == OUTCOME_LATER && r->is_mild) {
		step_wait(&q->table, s, r->again);
		return false;
	}
	s->letter->is_suspect = false;   /* whatever came of it, nobody died */
	step_text(s, r->text, r->host);
	switch (r->outcome) {
	case OUTCOME_DONE:
		if (s->task == TASK_DELIVER)
			step_done(&q->table, s);
		if (s->letter->todo == 0)
			letter_body_drop(q, s->letter);
		return false;
	case OUTCOME_SAFE:
		return s->task == TASK_DELIVER;
	case OUTCOME_LATER:
		step_later(q, s, now);
		return false;
	case OUTCOME_NEVER:
		if (s->task == TASK_DELIVER)
			s->tries++;
		s->task = TASK_BOUNCE;
		step_wait(&q->table, s, now);
		return false;
	}
	return false;
}

SUSPENDS bool queue_report(struct queue *q, const struct queue_report *reports, size_t n,
			   int64_t now, struct err *e)
{
	struct step_ref *refs = calloc(2 * (n ? n : 1), sizeof *refs);
	struct letter **held = calloc(n ? n : 1, sizeof *held);
	size_t n_safe = 0, n_others = 0, n_held;
	bool ok = refs && held;

	if (!ok)
		fail(e, FAULT_TEMP, "no memory");
	for (size_t i = 0; ok && i < n; i++) {
		if (step_report(q, &reports[i], now))
			refs[n_safe++] = reports[i].ref;
		else
			refs[2 * n - ++n_others] = reports[i].ref;
	}
	if (ok && n_others > 0) {
		n_held = letters_hold(q, refs + 2 * n - n_others, n_others, held);
		ok = letters_follow(q, held, n_held, e);
	}
	if (ok && n_safe > 0)
		ok = queue_safe(q, refs, n_safe, e);
	free(refs);
	free(held);
	return ok;
}

/* One record: the refs and, unless NULL, the letter about them. */
SUSPENDS static bool refs_write(struct queue *q, enum journal_kind kind,
				const struct step_ref *refs, size_t n,
				const struct letter_record *about, struct letter **ret,
				struct err *e)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4 + n * STEP_REF_BYTES);
	struct journal_at at;
	struct str payload;

	put_u32(&b, (uint32_t)n);
	refs_print(&b, refs, n);
	payload = buf_str(&b);
	*ret = NULL;
	if (about)
		return letter_write(q, kind, payload, about, ret, e);
	if (!q->engine->append(q, kind, &payload, 1, &at, e))
		return false;
	q->engine->release(q, &at);
	return true;
}

static void step_closed(struct queue *q, struct step *s)
{
	step_safe(&q->table, s);
}

static void step_warned(struct queue *q, struct step *s)
{
	if (s->state == STEP_SAFE || s->task != TASK_WARN)
		return;
	s->is_warned = true;
	s->task = TASK_DELIVER;
	step_wait(&q->table, s, s->retry_at);
}

/* Write the record, let `then` move each step, let the rows follow.  The letter comes last:
 * its record, which also speaks of the steps, stays pinned until their rows have followed. */
SUSPENDS static bool tell(struct queue *q, enum journal_kind kind, const struct step_ref *refs,
			  size_t n, const struct letter_record *about,
			  void (*then)(struct queue *q, struct step *s), struct err *e)
{
	struct letter **held = calloc(n, sizeof *held);
	struct letter *letter;
	size_t n_held;
	bool ok;

	must(n > 0 && n <= LETTER_STEP_MAX, "a report is about some steps");
	if (!held)
		return fail(e, FAULT_TEMP, "no memory");
	n_held = letters_hold(q, refs, n, held);
	ok = refs_write(q, kind, refs, n, about, &letter, e);
	for (size_t i = 0; ok && i < n; i++) {
		struct step *s = table_step(&q->table, refs[i]);

		if (s)
			then(q, s);
	}
	if (!letters_follow(q, held, n_held, ok ? e : &(struct err){ 0 }))
		ok = false;
	if (letter)
		letter_enter(q, letter, about->accepted);
	free(held);
	return ok;
}

SUSPENDS bool queue_bounce(struct queue *q, const struct step_ref *refs, size_t n,
			   const struct letter_record *bounce, struct err *e)
{
	return tell(q, JOURNAL_CLOSED, refs, n, bounce, step_closed, e);
}

SUSPENDS bool queue_warn(struct queue *q, const struct step_ref *refs, size_t n,
			 const struct letter_record *warning, struct err *e)
{
	return tell(q, JOURNAL_WARNED, refs, n, warning, step_warned, e);
}
