/* entries.c — commands about blocks and exceptions. */
#include "role/control/control.h"

#include "user/entry_file.h"

enum { TABLE_BYTES = 64 << 20 };

void json_entry(struct json *j, const struct ipc_entry *x)
{
	json_object(j, NULL);
	json_int(j, "id", (int64_t)x->id);
	json_str(j, "what", x->what);
	json_time(j, "added", x->added);
	json_str(j, "by", x->by);
	json_str(j, "reason", x->reason);
	json_time(j, "expires", x->expires);
	json_int(j, "hits", (int64_t)x->hits);
	json_time(j, "last_hit", x->last_hit);
	json_end_object(j);
}

static void print_entry(struct buf *b, struct json *j, const struct ipc_entry *x)
{
	if (j) {
		json_entry(j, x);
		return;
	}
	if (x->id)
		buf_add_u64(b, x->id);
	else
		buf_add_char(b, '-');
	buf_addf(b, "  " STR_FMT "  %s", STR_ARG(x->what), x->expires ? "until " : "");
	time_add_known(b, x->expires);
	buf_addf(b, "%sby " STR_FMT "%s", x->expires ? ", " : "", STR_ARG(x->by), x->added ? " " : "");
	time_add_known(b, x->added);
	buf_addf(b, ", matched %llu times%s", (unsigned long long)x->hits, x->last_hit ? ", last " : "");
	time_add_known(b, x->last_hit);
	buf_addf(b, "%s" STR_FMT "\n", x->reason.n ? ": " : "", STR_ARG(x->reason));
}

SUSPENDS static int list_entries(struct command *c, enum entry_kind kind)
{
	struct user_entry_list_answer r = { .more = 1 };
	struct buf b = buf_on_heap(TABLE_BYTES);
	struct json j = json_to(&b);
	struct err e = { 0 };
	bool ok = true;

	if (c->is_json)
		json_array(&j, NULL);
	while (ok && r.more) {
		AUTO(arena_end) struct arena a = { 0 };

		ok = user_entry_list(link_to(ROLE_USER), &(struct user_entry_list){ .kind = (uint8_t)kind, .at = r.at }, &r, &a, &e);
		for (size_t i = 0; ok && i < r.entries.n; i++)
			print_entry(&b, c->is_json ? &j : NULL, &r.entries.p[i]);
	}
	if (c->is_json) {
		json_end_array(&j);
		buf_add_char(&b, '\n');
	}
	if (ok)
		say(c, buf_str(&b));
	buf_end(&b);
	return ok ? EXIT_DONE : complain_err(c, &e);
}

/* "30d" from now, "2026-12-31", "never". */
static bool read_end(struct str s, int64_t *ret)
{
	uint64_t seconds;

	*ret = 0;
	if (str_eq(s, S("never")) || entry_date_parse(s, ret))
		return true;
	if (!read_seconds(s, &seconds) || !seconds)
		return false;
	*ret = time_now() + (int64_t)seconds * SECOND;
	return true;
}

bool entry_options(struct command *c, size_t at, struct str *reason, int64_t *expires)
{
	for (; at < c->n_args; at += 2) {
		struct str value = at + 1 < c->n_args ? c->args[at + 1].text : S("");

		if (str_eq(c->args[at].text, S("--reason")) && value.n)
			*reason = value;
		else if (!expires || !str_eq(c->args[at].text, S("--expires")) || !read_end(value, expires))
			return false;
	}
	return true;
}

SUSPENDS static int add_entry(struct command *c, enum entry_kind kind)
{
	struct user_entry_add q = { .kind = (uint8_t)kind, .what = c->args[0].text, .by = by_whom(c) };
	struct user_entry_add_answer r;
	struct err e;

	if (!entry_options(c, 1, &q.reason, &q.expires))
		return complain(c, EXIT_USAGE, S("behind it: --reason TEXT, --expires 30d, 2h or 2026-12-31"));
	if (!user_entry_add(link_to(ROLE_USER), &q, &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, kind == ENTRY_BLOCK ? "letters of " STR_FMT " are refused" :
					"no check refuses " STR_FMT, STR_ARG(r.what)));
}

SUSPENDS static int end_entry(struct command *c, enum entry_kind kind)
{
	struct user_entry_end q = { .kind = (uint8_t)kind, .what = c->args[0].text, .by = by_whom(c) };
	struct user_entry_end_answer r;
	struct err e;

	if (!entry_options(c, 1, &q.reason, NULL))
		return complain(c, EXIT_USAGE, S("behind it: --reason TEXT"));
	if (!user_entry_end(link_to(ROLE_USER), &q, &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, kind == ENTRY_BLOCK ? "letters of " STR_FMT " are no longer refused for it" :
					STR_FMT " is checked as everybody is", STR_ARG(r.what)));
}

SUSPENDS int run_block_add(struct command *c)
{
	return add_entry(c, ENTRY_BLOCK);
}

SUSPENDS int run_block_list(struct command *c)
{
	return list_entries(c, ENTRY_BLOCK);
}

SUSPENDS int run_block_remove(struct command *c)
{
	return end_entry(c, ENTRY_BLOCK);
}

SUSPENDS int run_allow_add(struct command *c)
{
	return add_entry(c, ENTRY_ALLOW);
}

SUSPENDS int run_allow_list(struct command *c)
{
	return list_entries(c, ENTRY_ALLOW);
}

SUSPENDS int run_allow_remove(struct command *c)
{
	return end_entry(c, ENTRY_ALLOW);
}
