/* queue.c — waxwing queue: which letters wait or are held, why, and what to do about one. */
#include "role/control/control.h"

#include "base/id.h"
#include "queue/select.h"

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

SUSPENDS static bool print_some(struct listing *l, uint64_t id, uint64_t mask, bool with_done, struct ipc_select *select,
				struct err *e)
{
	uint64_t at = 0, order = 0;
	uint32_t step = 0;
	bool more = true;

	while (more) {
		AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
		struct queue_queued q = { .id = id, .mask = mask, .with_done = with_done, .at = at,
					 .order = order, .step = step };
		struct queue_queued_answer r;

		if (select) {
			q.select.p = select;
			q.select.n = 1;
		}
		if (!queue_queued(link_to(ROLE_QUEUE), &q, &r, &a, e))
			return false;
		print_page(l, &r);
		more = r.more;
		at = r.at;
		order = r.order;
		step = r.step;
	}
	return true;
}

/* The letters of these ids, or all; either way it is one array. */
SUSPENDS static int print_queue(struct command *c, const uint64_t *ids, size_t n, bool with_done, struct ipc_select *select)
{
	AUTO(listing_end) struct listing l = { .c = c, .out = buf_on_heap(4 << 20) };
	struct err e;
	bool ok = true;

	l.json = json_to(&l.out);
	if (c->is_json)
		json_array(&l.json, NULL);
	if (!n)
		ok = print_some(&l, 0, 0, with_done, select, &e);
	for (size_t i = 0; ok && i < n; i++)
		ok = print_some(&l, ids[i], UINT64_MAX, with_done, select, &e);
	if (!ok)
		return complain_err(c, &e);
	if (c->is_json) {
		if (l.id)
			json_letter_end(&l.json);
		json_end_array(&l.json);
		buf_add_char(&l.out, '\n');
	}
	say(c, buf_str(&l.out));
	return EXIT_DONE;
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
	return print_queue(c, &r.id, 1, true, NULL);
}

/* -- which ---------------------------------------------------------------- */

/* What is meant: the one selection, or one for each id. */
struct which {
	struct ipc_select all;
	uint64_t ids[16];
	size_t n_ids;
	bool is_all, is_count, is_yes, has_words;
};

/* "90s", "15m", "2h", "3d" */
static bool read_span(struct str s, int64_t *ret)
{
	static const struct {
		char letter;
		int64_t unit;
	} units[] = { { 's', SECOND }, { 'm', MINUTE }, { 'h', HOUR }, { 'd', DAY } };
	uint64_t n = 0;

	if (s.n < 2 || s.n > 8)
		return false;
	for (size_t i = 0; i + 1 < s.n; i++) {
		if (!ascii_is_digit(str_at(s, i)))
			return false;
		n = 10 * n + (uint64_t)(str_at(s, i) - '0');
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_at(s, s.n - 1) == units[i].letter && n <= (uint64_t)(10000 * DAY / units[i].unit)) {
			*ret = (int64_t)n * units[i].unit;
			return true;
		}
	return false;
}

static bool read_option(struct which *w, struct str name, struct str value)
{
	int64_t span;

	if (str_eq(name, S("--from")))
		w->all.from = value;
	else if (str_eq(name, S("--to")))
		w->all.to = value;
	else if (str_eq(name, S("--domain")))
		w->all.domain = value;
	else if (str_eq(name, S("--older")) && read_span(value, &span))
		w->all.before = time_now() - span;
	else if (str_eq(name, S("--newer")) && read_span(value, &span))
		w->all.after = time_now() - span;
	else
		return false;
	w->has_words = true;
	return value.n > 0;
}

/* From the argument `at` on; several ids must each be one letter's. */
SUSPENDS static bool read_which(struct command *c, size_t at, struct which *w, int *ret_code)
{
	struct queue_one_answer one;
	uint64_t id, mask;
	struct err e;

	*ret_code = EXIT_USAGE;
	for (; at < c->n_args; at++) {
		struct str a = c->args[at].text;

		if (str_eq(a, S("--all")))
			w->is_all = true;
		else if (str_eq(a, S("--count")))
			w->is_count = true;
		else if (str_eq(a, S("--yes")))
			w->is_yes = true;
		else if (str_eq(a, S("--held")))
			w->all.is_held = w->has_words = true;
		else if (str_starts(a, S("--")) && at + 1 < c->n_args && read_option(w, a, c->args[at + 1].text))
			at++;
		else if (!str_starts(a, S("--")) && id_ending_parse(a, &id, &mask) && w->n_ids < ARRAY_LEN(w->ids)) {
			if (!queue_one(link_to(ROLE_QUEUE), &(struct queue_one){ .id = id, .mask = mask }, &one, c->a, &e)) {
				*ret_code = complain_err(c, &e);
				return false;
			}
			w->ids[w->n_ids++] = one.id;
		} else {
			complain(c, EXIT_USAGE, arena_printf(c->a, "what is " STR_FMT "? WHICH is IDs, or --from ADDRESS --to ADDRESS "
				 "--domain DOMAIN --older 2h --newer 2h --held", STR_ARG(str_head(a, 100))));
			return false;
		}
	}
	return true;
}

SUSPENDS int run_queue_list(struct command *c)
{
	struct which w = { 0 };
	int code;

	if (!read_which(c, 0, &w, &code))
		return code;
	return print_queue(c, w.ids, w.n_ids, false, &w.all);
}

/* -- doing ----------------------------------------------------------------- */

struct deed {
	enum queue_action action;
	const char *done;                /* "3 letters, 4 recipients: …" */
	struct str target;
	uint64_t letters, steps, in_hand;
};

SUSPENDS static bool act(struct command *c, struct deed *d, const struct which *w, struct ipc_select *select, struct err *e)
{
	struct queue_act q = { .action = (uint8_t)d->action, .is_count = w->is_count, .target = d->target, .by = by_whom(c),
			       .select = { select, 1 } };
	struct queue_act_answer r = { .more = true };

	while (r.more) {
		AUTO(arena_end) struct arena a = { .limit = 1 << 20 };

		q.at = r.at;
		q.order = r.order;
		if (!queue_act(link_to(ROLE_QUEUE), &q, &r, &a, e))
			return false;
		d->letters += r.letters;
		d->steps += r.steps;
		d->in_hand += r.in_hand;
	}
	return true;
}

static int say_deed(struct command *c, const struct deed *d, const struct which *w)
{
	char mem[400];
	struct buf b = buf_over(mem, sizeof(mem));
	struct json j = json_to(&b);

	if (c->is_json) {
		json_object(&j, NULL);
		json_bool(&j, "ok", true);
		json_int(&j, "letters", (int64_t)d->letters);
		json_int(&j, "recipients", (int64_t)d->steps);
		json_int(&j, "in_hand", (int64_t)d->in_hand);
		json_end_object(&j);
	} else {
		if (w->n_ids == 1)
			buf_addf(&b, "%s: ", ID_Z(w->ids[0]));
		buf_addf(&b, "%llu letter%s, %llu recipient%s", (unsigned long long)d->letters, d->letters == 1 ? "" : "s",
			 (unsigned long long)d->steps, d->steps == 1 ? "" : "s");
		if (!w->is_count)
			buf_addf(&b, ": %s", d->done);
		if (d->in_hand)
			buf_addf(&b, "; %llu were being carried out and were left alone", (unsigned long long)d->in_hand);
	}
	buf_add_char(&b, '\n');
	say(c, buf_str(&b));
	return d->letters ? d->in_hand ? EXIT_PARTLY : EXIT_DONE : EXIT_NO;
}

SUSPENDS static int do_with(struct command *c, struct deed *d, size_t at)
{
	struct which w = { 0 };
	struct err e;
	bool ok = true;
	int code;

	if (!read_which(c, at, &w, &code))
		return code;
	if (!w.is_all && !w.n_ids && !w.has_words)
		return complain(c, EXIT_USAGE, S("which letters? IDs, --from, --to, --domain, --older, --newer, --held, or --all"));
	for (size_t i = 0; ok && i < w.n_ids; i++) {
		struct ipc_select one = w.all;

		one.id = w.ids[i];
		one.mask = UINT64_MAX;
		ok = act(c, d, &w, &one, &e);
	}
	if (ok && !w.n_ids)
		ok = act(c, d, &w, &w.all, &e);
	return ok ? say_deed(c, d, &w) : complain_err(c, &e);
}

#define DEED(name, what, text) \
	SUSPENDS int run_queue_##name(struct command *c) \
	{ \
		struct deed d = { .action = what, .done = text }; \
\
		return do_with(c, &d, 0); \
	}
DEED(retry, ACTION_RETRY, "due now")
DEED(hold, ACTION_HOLD, "held")
DEED(release, ACTION_RELEASE, "due now")
DEED(bounce, ACTION_BOUNCE, "the senders are told")
DEED(drop, ACTION_DROP, "dropped")
#undef DEED

SUSPENDS int run_queue_redirect(struct command *c)
{
	struct deed d = { .action = ACTION_REDIRECT, .done = "sent on", .target = c->args[0].text };

	return do_with(c, &d, 1);
}

/* -- stats ----------------------------------------------------------------- */

static void print_lane(struct buf *b, const struct ipc_lane *l, int64_t now)
{
	buf_addf(b, "%8llu  ", (unsigned long long)l->waiting);
	add_clean(b, l->name);
	if (l->out)
		buf_addf(b, "  %u under way", l->out);
	if (l->open_at > now) {
		buf_add(b, S("  asleep for "));
		add_span(b, l->open_at - now);
	}
	if (l->why.n) {
		buf_add(b, S(": "));
		add_clean(b, l->why);
	}
	buf_add_char(b, '\n');
}

static void json_lane(struct json *j, const struct ipc_lane *l, int64_t now)
{
	json_object(j, NULL);
	json_str(j, "destination", l->name);
	json_int(j, "waiting", (int64_t)l->waiting);
	json_int(j, "under_way", l->out);
	json_int(j, "at_once", l->width);
	json_int(j, "fails", l->fails);
	if (l->open_at > now)
		json_time(j, "asleep_until", l->open_at);
	json_str(j, "why", l->why);
	json_end_object(j);
}

SUSPENDS int run_queue_stats(struct command *c)
{
	AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
	struct buf b = buf_on_heap(1 << 20);
	struct json j = json_to(&b);
	struct queue_figures_answer f;
	struct queue_lanes_answer r;
	int64_t now = time_now();
	struct err e;

	if (!queue_figures(link_to(ROLE_QUEUE), &(struct queue_figures){ 0 }, &f, &a, &e) ||
	    !queue_lanes(link_to(ROLE_QUEUE), &(struct queue_lanes){ 0 }, &r, &a, &e))
		return complain_err(c, &e);
	if (c->is_json) {
		json_object(&j, NULL);
		json_int(&j, "letters", (int64_t)f.pending);
		json_int(&j, "recipients", (int64_t)f.waiting);
		json_int(&j, "held", (int64_t)f.held);
		json_array(&j, "destinations");
		for (size_t i = 0; i < r.lanes.n; i++)
			json_lane(&j, &r.lanes.p[i], now);
		json_end_array(&j);
		json_end_object(&j);
		buf_add_char(&b, '\n');
	} else {
		buf_addf(&b, "%llu letters, %llu recipients waiting, %llu letters held\n", (unsigned long long)f.pending,
			 (unsigned long long)f.waiting, (unsigned long long)f.held);
		for (size_t i = 0; i < r.lanes.n; i++)
			print_lane(&b, &r.lanes.p[i], now);
		if (r.others)
			buf_addf(&b, "%8llu  for %llu other destinations\n", (unsigned long long)r.others_waiting,
				 (unsigned long long)r.others);
	}
	say(c, buf_str(&b));
	buf_end(&b);
	return EXIT_DONE;
}
