/* why.c — waxwing why: what was decided about a letter, an account, a client, or on a day. */
#include "role/control/control.h"

#include "base/id.h"
#include "base/map.h"
#include "ipc/why.h"
#include "user/network.h"

#include <stdio.h>

enum {
	LOOK_BACK = 7,           /* days that are searched for the ending of an id, and for whom it is about */
	WHOM_MAX = 320,
};

struct search {
	struct command *c;
	int64_t day, last_day;
	uint64_t id, mask;       /* mask 0: whatever was decided that day */
	char client[48];         /* an IP address as records have it */
	struct str whom;         /* empty: anybody */
	uint64_t found;          /* the one letter */
	size_t n;                /* records printed */
	struct map seen;         /* after a crash a record may stand there twice */
	struct buf out;
	struct json json;
};

static void search_end(struct search *s)
{
	map_end(&s->seen);
	buf_end(&s->out);
}

bool id_ending_parse(struct str what, uint64_t *ret_id, uint64_t *ret_mask)
{
	char full[ID_TEXT + 1] = "0000000000000";

	if (what.n < 3 || what.n > ID_TEXT)
		return false;
	memcpy(full + ID_TEXT - what.n, what.p, what.n);
	*ret_mask = what.n == ID_TEXT ? UINT64_MAX : (UINT64_C(1) << 5 * what.n) - 1;
	return id_parse(str_from_z(full), ret_id);
}

static bool day_parse(struct str what, int64_t *ret)
{
	struct time_parts t = { 0 };
	char z[11] = { 0 };

	if (what.n != 10 || str_at(what, 4) != '-')
		return false;
	memcpy(z, what.p, 10);
	if (sscanf(z, "%4d-%2d-%2d", &t.year, &t.month, &t.day) != 3 || t.month < 1 || t.month > 12)
		return false;
	*ret = time_join(&t) / DAY;
	return true;
}

/* A client, an address, or the bare name of a Linux account. */
static void search_whom(struct search *s, struct str what)
{
	struct buf b = buf_over(s->client, sizeof(s->client));
	struct net_address ip;

	s->id = s->mask = 0;
	s->whom = what;
	if (net_address_parse(what, &ip)) {
		net_address_print(&ip, &b);
		s->whom = buf_str(&b);
	}
}

/* YYYY-MM-DD, or an id, the ending of one, or whom it is about, perhaps of one day only. */
static bool search_begin(struct search *s, struct str what, struct str day)
{
	struct net_address ip;

	s->day = s->last_day = time_now() / DAY;
	if (day_parse(what, &s->day)) {
		s->last_day = s->day;
		return !day.n;
	}
	if (what.n == 0 || what.n > WHOM_MAX)
		return false;
	s->day -= LOOK_BACK;
	if (day.n) {
		if (!day_parse(day, &s->day))
			return false;
		s->last_day = s->day;
	}
	if (str_has(what, '@') || net_address_parse(what, &ip) || !id_ending_parse(what, &s->id, &s->mask))
		search_whom(s, what);
	else if (what.n == ID_TEXT && !day.n)
		s->day = id_time(s->id) / DAY;
	return true;
}

static void print_one(struct search *s, const struct why *w)
{
	if (s->c->is_json) {
		why_add_json(&s->json, w);
		return;
	}
	time_add_rfc3339(&s->out, w->time);
	if (!s->mask)
		buf_addf(&s->out, " %s", w->letter ? ID_Z(w->letter) : "-");
	buf_add_char(&s->out, ' ');
	why_add_sentence(&s->out, w);
	buf_add_char(&s->out, '\n');
}

/* False: another letter's id ends so, too. */
static bool print_records(struct search *s, const struct queue_explain_answer *r, struct arena *a)
{
	for (size_t i = 0; i < r->records.n; i++) {
		struct str record = r->records.p[i].text;
		const struct why *w;
		struct err e;

		if (s->mask && map_put(&s->seen, record, s))
			continue;
		if (!why_decode(record, a, &w, &e))
			continue;        /* of a newer version */
		if (s->mask && s->found && s->found != w->letter)
			return false;
		s->found = w->letter;
		s->n++;
		print_one(s, w);
	}
	return true;
}

SUSPENDS static int look_through(struct search *s)
{
	for (; s->day <= s->last_day; s->day++) {
		struct queue_explain_answer r = { 0 };

		do {
			AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
			struct queue_explain q = { .day = s->day, .at = r.at, .id = s->id, .mask = s->mask,
						   .whom = s->whom };
			struct err e;

			if (!queue_explain(link_to(ROLE_QUEUE), &q, &r, &a, &e))
				return complain_err(s->c, &e);
			if (!print_records(s, &r, &a))
				return complain(s->c, EXIT_NO, S("more than one letter's id ends so; give more of it"));
			if (!s->c->is_json) {
				say(s->c, buf_str(&s->out));
				buf_clear(&s->out);
			}
		} while (r.at);
	}
	return EXIT_DONE;
}

/* Some names of Linux accounts look like the ending of an id. */
SUSPENDS static bool find_again(struct search *s, struct str what, struct str day, int *ret_code)
{
	if (what.n == ID_TEXT || !search_begin(s, what, day))
		return false;
	search_whom(s, what);
	*ret_code = look_through(s);
	return s->n > 0;
}

int run_why(struct command *c)
{
	AUTO(search_end) struct search s = { .c = c, .out = buf_on_heap(64 << 20) };
	struct str what = c->args[0].text, day = c->n_args > 1 ? c->args[1].text : S("");
	int code;

	if (!search_begin(&s, what, day))
		return complain(c, EXIT_USAGE, S("usage: waxwing why ID|ADDRESS|IP [YYYY-MM-DD], waxwing why YYYY-MM-DD   "
						 "(three letters of an id's end are enough)"));
	s.json = json_to(&s.out);
	if (c->is_json)
		json_array(&s.json, NULL);
	code = look_through(&s);
	if (code == EXIT_DONE && s.mask && !s.found && !find_again(&s, what, day, &code))
		return complain(c, EXIT_NO, S("nothing is known of such a letter"));
	if (code != EXIT_DONE)
		return code;
	if (s.whom.n && !s.n)
		return complain(c, EXIT_NO, S("nothing is known about that"));
	if (c->is_json) {
		json_end_array(&s.json);
		buf_add_char(&s.out, '\n');
		say(c, buf_str(&s.out));
	}
	return EXIT_DONE;
}
