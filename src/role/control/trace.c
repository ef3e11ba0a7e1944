/* trace.c — waxwing trace: the journey of a letter, with the reports and copies that came of it.
 *
 * Why-records name each other: a report says about which letter it is, a letter which report was written.  From
 * one letter its whole family is found, and printed in order of time, each letter with where it stands now. */
#include "role/control/control.h"

#include "base/id.h"
#include "base/map.h"
#include "ipc/why.h"
#include "queue/queue.h"

#include <stdlib.h>

enum { LOOK_BACK = 14, FAMILY_MAX = 64, RECORDS_MAX = 20000 };

struct trace {
	struct command *c;
	struct arena a;                  /* of the records */
	uint64_t family[FAMILY_MAX];
	size_t n_family;
	struct str whom;                 /* whose letters; or empty */
	const struct why **records;
	size_t n;
	struct map seen;                 /* after a crash a record may stand there twice */
	struct buf out;
	struct json json;
};

static void trace_end(struct trace *t)
{
	free(t->records);
	map_end(&t->seen);
	buf_end(&t->out);
	arena_end(&t->a);
}

static void join(struct trace *t, uint64_t id)
{
	for (size_t i = 0; i < t->n_family; i++)
		if (t->family[i] == id)
			return;
	if (id && t->n_family < FAMILY_MAX)
		t->family[t->n_family++] = id;
}

static void join_text(struct trace *t, struct str text)
{
	uint64_t id;

	if (id_parse(text, &id))
		join(t, id);
}

/* Those it speaks of. */
static void join_named(struct trace *t, const struct why *w)
{
	switch ((enum why_kind)w->kind) {
	case WHY_report_accepted:
		join_text(t, ((const struct why_report_accepted *)w)->about);
		break;
	case WHY_copy_accepted:
		join_text(t, ((const struct why_copy_accepted *)w)->about);
		break;
	case WHY_bounce_written:
		join_text(t, ((const struct why_bounce_written *)w)->report);
		break;
	case WHY_delay_written:
		join_text(t, ((const struct why_delay_written *)w)->report);
		break;
	case WHY_success_written:
		join_text(t, ((const struct why_success_written *)w)->report);
		break;
	case WHY_step_converted:
		join_text(t, ((const struct why_step_converted *)w)->copy);
		break;
	case WHY_seven_bit_accepted:
		join_text(t, ((const struct why_seven_bit_accepted *)w)->about);
		break;
	case WHY_step_redirected:
		join_text(t, ((const struct why_step_redirected *)w)->copy);
		break;
	default:
		break;
	}
}

/* False: more than one letter's id ends so. */
static bool take_records(struct trace *t, const struct queue_explain_answer *r, bool is_ending)
{
	for (size_t i = 0; i < r->records.n && t->n < RECORDS_MAX; i++) {
		struct str record = arena_str(&t->a, r->records.p[i].text);
		const struct why *w;
		struct err e;

		if (!record.n || !why_decode(record, &t->a, &w, &e))
			continue;
		if (t->whom.n) {
			join(t, w->letter);
			continue;
		}
		if (is_ending && t->n_family && t->family[0] != w->letter)
			return false;
		if (map_put(&t->seen, record, t))
			continue;
		join(t, w->letter);
		join_named(t, w);
		t->records[t->n++] = w;
	}
	return true;
}

SUSPENDS static int look(struct trace *t, uint64_t id, uint64_t mask)
{
	int64_t last = time_now() / DAY, day = mask == UINT64_MAX && id ? id_time(id) / DAY : last - LOOK_BACK;

	for (; day <= last; day++) {
		struct queue_explain_answer r = { 0 };

		do {
			AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
			struct queue_explain q = { .day = day, .at = r.at, .id = id, .mask = mask, .whom = t->whom };
			struct err e;

			if (!queue_explain(link_to(ROLE_QUEUE), &q, &r, &a, &e))
				return complain_err(t->c, &e);
			if (!take_records(t, &r, mask != UINT64_MAX))
				return complain(t->c, EXIT_NO, S("more than one letter's id ends so; give more of it"));
		} while (r.at);
	}
	return EXIT_DONE;
}

static int by_time(const void *x, const void *y)
{
	const struct why *a = *(const struct why *const *)x, *b = *(const struct why *const *)y;

	return a->time < b->time ? -1 : a->time > b->time ? 1 : a->kind - b->kind;
}

static void print_event(struct trace *t, const struct why *w)
{
	if (t->c->is_json) {
		why_add_json(&t->json, w);
		return;
	}
	time_add_rfc3339(&t->out, w->time);
	buf_addf(&t->out, " %s ", ID_Z(w->letter));
	why_add_sentence(&t->out, w);
	buf_add_char(&t->out, '\n');
}

/* What the queue still has to do for it. */
SUSPENDS static void print_rest(struct trace *t, uint64_t id)
{
	AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
	struct queue_queued q = { .id = id, .mask = UINT64_MAX, .at = id };
	struct queue_queued_answer r;
	struct err e;

	if (t->c->is_json || !queue_queued(link_to(ROLE_QUEUE), &q, &r, &a, &e))
		return;
	for (size_t i = 0; i < r.steps.n; i++) {
		const struct ipc_queued *s = &r.steps.p[i];

		time_add_rfc3339(&t->out, time_now());
		buf_addf(&t->out, " %s %s <", ID_Z(id), s->is_held ? "held for" : s->state == QUEUE_IN_HAND ? "on its way to" : "waiting for");
		buf_add_printable(&t->out, s->rcpt, 300);
		buf_add(&t->out, S(">"));
		if (s->why.n) {
			buf_add(&t->out, S(": "));
			buf_add_printable(&t->out, s->why, 300);
		}
		buf_add_char(&t->out, '\n');
	}
}

SUSPENDS int run_trace(struct command *c)
{
	AUTO(trace_end) struct trace t = { .c = c, .a = { .limit = 64 << 20 }, .out = buf_on_heap(64 << 20),
					   .records = calloc(RECORDS_MAX, sizeof(struct why *)) };
	struct str what = c->args[0].text;
	uint64_t id, mask;
	int code;

	if (!t.records)
		return complain(c, EXIT_NO, S("no memory"));
	if (id_ending_parse(what, &id, &mask)) {
		code = look(&t, id, mask);
	} else if (str_has(what, '@')) {
		t.whom = what;
		code = look(&t, 0, 0);
		t.whom = S("");
	} else {
		return complain(c, EXIT_USAGE, S("usage: waxwing trace ID|ADDRESS (three letters of an id's end are enough)"));
	}
	/* the family grows while it is walked */
	for (size_t i = str_has(what, '@') ? 0 : 1; code == EXIT_DONE && i < t.n_family; i++)
		code = look(&t, t.family[i], UINT64_MAX);
	if (code != EXIT_DONE)
		return code;
	if (!t.n)
		return complain(c, EXIT_NO, S("nothing is known of such a letter"));
	qsort(t.records, t.n, sizeof(t.records[0]), by_time);
	t.json = json_to(&t.out);
	if (c->is_json)
		json_array(&t.json, NULL);
	for (size_t i = 0; i < t.n; i++)
		print_event(&t, t.records[i]);
	for (size_t i = 0; i < t.n_family; i++)
		print_rest(&t, t.family[i]);
	if (c->is_json) {
		json_end_array(&t.json);
		buf_add_char(&t.out, '\n');
	}
	say(c, buf_str(&t.out));
	return EXIT_DONE;
}
