/* access.c — commands about who may come in: bans, app passwords, logins. */
#include "role/control/control.h"

#include "user/login_result.h"

enum { TABLE_BYTES = 4 << 20, BANS_BYTES = 64 << 20 };

/* -- app passwords --------------------------------------------------------- */

SUSPENDS static int app_add(struct command *c)
{
	struct user_app_password_answer r;
	struct err e;

	if (!user_app_password(link_to(ROLE_USER), &(struct user_app_password){ .address = c->args[1].text,
			.label = c->args[2].text, .by = by_whom(c) }, &r, c->a, &e))
		return complain_err(c, &e);
	say(c, arena_printf(c->a, STR_FMT "\n", STR_ARG(r.password)));
	return EXIT_DONE;
}

static void print_app(struct buf *b, struct json *j, const struct ipc_app_password *p)
{
	if (j) {
		json_object(j, NULL);
		json_str(j, "label", p->label);
		json_time(j, "created", p->created);
		json_str(j, "by", p->by);
		json_time(j, "last_used", p->last_used);
		json_end_object(j);
		return;
	}
	buf_addf(b, STR_FMT "  since ", STR_ARG(p->label));
	time_add_known(b, p->created);
	buf_addf(b, " by " STR_FMT ", ", STR_ARG(p->by));
	buf_add(b, p->last_used ? S("last used ") : S("never used"));
	time_add_known(b, p->last_used);
	buf_add_char(b, '\n');
}

SUSPENDS static int app_list(struct command *c)
{
	struct user_app_passwords_answer r;
	struct buf b = buf_on_heap(TABLE_BYTES);
	struct json j = json_to(&b);
	struct err e;

	if (!user_app_passwords(link_to(ROLE_USER), &(struct user_app_passwords){ .address = c->args[1].text }, &r, c->a, &e))
		return complain_err(c, &e);
	if (c->is_json)
		json_array(&j, NULL);
	for (size_t i = 0; i < r.passwords.n; i++)
		print_app(&b, c->is_json ? &j : NULL, &r.passwords.p[i]);
	if (c->is_json) {
		json_end_array(&j);
		buf_add_char(&b, '\n');
	}
	say(c, buf_str(&b));
	buf_end(&b);
	return EXIT_DONE;
}

SUSPENDS static int app_remove(struct command *c)
{
	struct user_app_password_end_answer r;
	struct err e;

	if (!user_app_password_end(link_to(ROLE_USER), &(struct user_app_password_end){ .address = c->args[1].text,
			.label = c->args[2].text, .by = by_whom(c) }, &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, "the app password " STR_FMT " of " STR_FMT " is no longer valid",
					STR_ARG(c->args[2].text), STR_ARG(c->args[1].text)));
}

SUSPENDS int run_user_app_password(struct command *c)
{
	struct str what = c->args[0].text;

	if (str_eq(what, S("list")) && c->n_args == 2)
		return app_list(c);
	if (str_eq(what, S("add")) && c->n_args == 3)
		return app_add(c);
	if (str_eq(what, S("remove")) && c->n_args == 3)
		return app_remove(c);
	return complain(c, EXIT_USAGE, S("usage: waxwing user app-password add NAME LABEL | list NAME | remove NAME LABEL"));
}

/* -- logins ---------------------------------------------------------------- */

SUSPENDS int run_test_login(struct command *c)
{
	struct user_test_login_answer r;
	struct err e;

	if (!user_test_login(link_to(ROLE_USER), &(struct user_test_login){ .name = c->args[0].text,
			.password = password_of(c) }, &r, c->a, &e))
		return complain_err(c, &e);
	say(c, r.text);
	return r.result == LOGIN_OK ? EXIT_DONE : EXIT_NO;
}

/* -- bans ------------------------------------------------------------------ */

static void print_ban(struct buf *b, struct json *j, const struct ipc_ban *x)
{
	if (j) {
		json_entry(j, &(struct ipc_entry){ .id = x->id, .what = x->what, .added = x->added, .by = x->by,
						   .reason = x->reason, .expires = x->expires, .hits = x->hits,
						   .last_hit = x->last_hit });
		return;
	}
	buf_addf(b, "%llu  " STR_FMT "  ", (unsigned long long)x->id, STR_ARG(x->what));
	buf_add(b, x->expires ? S("until ") : S("for ever"));
	time_add_known(b, x->expires);
	buf_addf(b, ", by " STR_FMT " ", STR_ARG(x->by));
	time_add_known(b, x->added);
	buf_addf(b, ", %llu refused: " STR_FMT "\n", (unsigned long long)x->hits, STR_ARG(x->reason));
}

SUSPENDS int run_ban_list(struct command *c)
{
	struct buf b = buf_on_heap(BANS_BYTES);
	struct json j = json_to(&b);
	uint64_t after = 0;
	struct err e = { 0 };
	bool ok = true, more = true;

	if (c->is_json)
		json_array(&j, NULL);
	while (ok && more) {
		AUTO(arena_end) struct arena a = { 0 };
		struct user_ban_list_answer r = { 0 };

		ok = user_ban_list(link_to(ROLE_USER), &(struct user_ban_list){ .after = after }, &r, &a, &e);
		more = r.bans.n;
		for (size_t i = 0; ok && i < r.bans.n; i++) {
			print_ban(&b, c->is_json ? &j : NULL, &r.bans.p[i]);
			after = r.bans.p[i].id;
		}
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

bool read_seconds(struct str s, uint64_t *ret)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	uint64_t n;

	*ret = 0;
	if (str_eq(s, S("forever")))
		return true;
	for (size_t i = 0; s.n && i < ARRAY_LEN(units); i++)
		if (str_at(s, s.n - 1) == units[i].unit && str_u64(str_head(s, s.n - 1), &n) && n > 0 && n < 1000000) {
			*ret = n * units[i].seconds;
			return true;
		}
	return false;
}

SUSPENDS int run_ban_add(struct command *c)
{
	struct user_ban_add q = { .what = c->args[0].text, .reason = c->n_args > 2 ? c->args[2].text : S("by hand"),
				  .by = by_whom(c) };
	struct user_ban_add_answer r;
	struct err e;

	if (!read_seconds(c->n_args > 1 ? c->args[1].text : S("forever"), &q.seconds))
		return complain(c, EXIT_USAGE, S("how long? 90s, 15m, 2h, 7d or forever"));
	if (!user_ban_add(link_to(ROLE_USER), &q, &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, STR_FMT " may not connect any more", STR_ARG(q.what)));
}

SUSPENDS int run_ban_remove(struct command *c)
{
	struct user_ban_remove_answer r;
	struct err e;

	if (!user_ban_remove(link_to(ROLE_USER), &(struct user_ban_remove){ .what = c->args[0].text, .by = by_whom(c) },
			     &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, STR_FMT " may connect again", STR_ARG(c->args[0].text)));
}
