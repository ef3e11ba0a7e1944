/* queue.c — waxwing queue: which letters wait or are held, why, and what to do about one. */
#include "role/control/control.h"

#include "base/id.h"
#include "queue/queue.h"

/* The pages of an answer, put together: steps of one letter follow each other. */
struct listing {
	struct command *c;
	struct buf out;
	struct json json;
	uint64_t id;             /* the letter that is being printed; 0: none yet */
	size_t letters;
};

static void listing_end(struct listing *l)
{
	buf_end(&l->out);
}

static void add_span(struct buf *b, int64_t us)
{
	static const struct {
		int64_t unit;
		char letter;
	} units[] = { { DAY, 'd' }, { HOUR, 'h' }, { MINUTE, 'm' }, { SECOND, 's' } };
	size_t i = 0;

	if (us < 0)
		us = 0;
	while (i + 1 < ARRAY_LEN(units) && us < units[i].unit)
		i++;
	buf_addf(b, "%lld%c", (long long)(us / units[i].unit), units[i].letter);
}

static const char *state_of(const struct ipc_queued *s)
{
	if (s->state == QUEUE_DONE || s->state == QUEUE_SAFE)
		return s->target.n ? "delivered" : "closed";
	if (s->state == QUEUE_IN_HAND)
		return "in hand";
	return s->is_held ? "held" : "waiting";
}

/* What can be read on a line: addresses and errors are strangers' bytes. */
static void add_clean(struct buf *b, struct str s)
{
	buf_add_printable(b, s, 300);
}

/* -- as text --------------------------------------------------------------- */

static void print_letter(struct buf *b, const struct ipc_queued *s, int64_t now)
{
	buf_addf(b, "%s  ", ID_Z(s->id));
	add_span(b, now - s->accepted);
	buf_addf(b, "  %llu bytes  from <", (unsigned long long)s->size);
	add_clean(b, s->from);
	buf_addf(b, ">%s", s->is_held ? "  held" : "");
	if (s->is_held && s->deaths)
		buf_addf(b, ": %u processes died of it", s->deaths);
	buf_add_char(b, '\n');
}

static void print_step(struct buf *b, const struct ipc_queued *s, int64_t now)
{
	buf_add(b, S("    to <"));
	add_clean(b, s->rcpt);
	buf_addf(b, ">  %s", state_of(s));
	if (s->tries)
		buf_addf(b, ", %u tries", s->tries);
	if (s->state == QUEUE_WAITS && !s->is_held) {
		buf_add(b, s->is_bounce ? S(", its sender is told in ") : S(", next in "));
		add_span(b, s->next - now);
	}
	if (s->why.n) {
		buf_add(b, S(": "));
		add_clean(b, s->why);
	}
	buf_add_char(b, '\n');
}

/* -- as JSON --------------------------------------------------------------- */

static void json_time(struct json *j, const char *key, int64_t t)
{
	char mem[32];
	struct buf b = buf_over(mem, sizeof(mem));

	time_add_rfc3339(&b, t);
	json_str(j, key, buf_str(&b));
}

static void json_letter(struct json *j, const struct ipc_queued *s, int64_t now)
{
	json_object(j, NULL);
	json_str(j, "id", str_from_z(ID_Z(s->id)));
	json_time(j, "accepted", s->accepted);
	json_int(j, "age", now > s->accepted ? (now - s->accepted) / SECOND : 0);
	json_int(j, "size", (int64_t)s->size);
	json_str(j, "from", s->from);
	json_bool(j, "held", s->is_held);
	json_int(j, "deaths", s->deaths);
	json_array(j, "recipients");
}

static void json_step(struct json *j, const struct ipc_queued *s)
{
	json_object(j, NULL);
	json_str(j, "address", s->rcpt);
	json_str(j, "target", s->target);
	json_str(j, "state", str_from_z(state_of(s)));
	json_int(j, "tries", s->tries);
	if (s->state == QUEUE_WAITS && !s->is_held)
		json_time(j, "next", s->next);
	json_str(j, "why", s->why);
	json_end_object(j);
}

static void json_letter_end(struct json *j)
{
	json_end_array(j);
	json_end_object(j);
}

/* -- pages ----------------------------------------------------------------- */

static void print_page(struct listing *l, const struct queue_queued_answer *r)
{
	int64_t now = time_now();

	for (size_t i = 0; i < r->steps.n; i++) {
		const struct ipc_queued *s = &r->steps.p[i];

		if (s->id != l->id) {
			if (l->c->is_json) {
				if (l->id)
					json_letter_end(&l->json);
				json_letter(&l->json, s, now);
			} else {
				print_letter(&l->out, s, now);
			}
			l->id = s->id;
			l->letters++;
		}
		if (l->c->is_json)
			json_step(&l->json, s);
		else
			print_step(&l->out, s, now);
	}
	say(l->c, buf_str(&l->out));
	buf_clear(&l->out);
}

SUSPENDS static bool print_all(struct listing *l, uint64_t id, uint64_t mask, bool with_done, struct err *e)
{
	uint64_t at = 0;
	uint32_t step = 0;
	bool more = true;

	if (l->c->is_json)
		json_array(&l->json, NULL);
	while (more) {
		AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
		struct queue_queued q = { .id = id, .mask = mask, .with_done = with_done, .at = at, .step = step };
		struct queue_queued_answer r;

		if (!queue_queued(link_to(ROLE_QUEUE), &q, &r, &a, e))
			return false;
		print_page(l, &r);
		more = r.more;
		at = r.at;
		step = r.step;
	}
	if (l->c->is_json) {
		if (l->id)
			json_letter_end(&l->json);
		json_end_array(&l->json);
		buf_add_char(&l->out, '\n');
	}
	say(l->c, buf_str(&l->out));
	return true;
}

SUSPENDS static int print_queue(struct command *c, uint64_t id, uint64_t mask, bool with_done)
{
	AUTO(listing_end) struct listing l = { .c = c, .out = buf_on_heap(4 << 20) };
	struct err e;

	l.json = json_to(&l.out);
	return print_all(&l, id, mask, with_done, &e) ? EXIT_DONE : complain_err(c, &e);
}

SUSPENDS int run_queue_list(struct command *c)
{
	return print_queue(c, 0, 0, false);
}

/* -- one letter ------------------------------------------------------------ */

static bool parse_id(struct command *c, uint64_t *ret_id, uint64_t *ret_mask)
{
	if (id_ending_parse(c->args[0].text, ret_id, ret_mask))
		return true;
	complain(c, EXIT_USAGE, S("that is not a letter's id; its last three letters are enough"));
	return false;
}

SUSPENDS int run_queue_show(struct command *c)
{
	struct queue_one_answer r;
	uint64_t id, mask;
	struct err e;

	if (!parse_id(c, &id, &mask))
		return EXIT_USAGE;
	if (!queue_one(link_to(ROLE_QUEUE), &(struct queue_one){ .id = id, .mask = mask }, &r, c->a, &e))
		return complain_err(c, &e);
	return print_queue(c, r.id, UINT64_MAX, true);
}

SUSPENDS static int set_held(struct command *c, bool held)
{
	struct queue_hold_letter_answer r;
	uint64_t id, mask;
	struct err e;

	if (!parse_id(c, &id, &mask))
		return EXIT_USAGE;
	if (!queue_hold_letter(link_to(ROLE_QUEUE), &(struct queue_hold_letter){ .id = id, .mask = mask, .held = held,
										 .by = by_whom(c) }, &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, "%s %s", ID_Z(r.id), held ? "is held" : "is due now"));
}

SUSPENDS int run_queue_hold(struct command *c)
{
	return set_held(c, true);
}

SUSPENDS int run_queue_release(struct command *c)
{
	return set_held(c, false);
}
