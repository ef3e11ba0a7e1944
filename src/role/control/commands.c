/* commands.c — each command: ask, then say. */
#include "role/control/control.h"
#include "role/control/dkim_watch.h"

#include <stdio.h>
#include <sys/types.h>

/* The first line of what was typed. */
struct str password_of(struct command *c)
{
	struct str rest, line = str_cut(c->input, '\n', &rest);

	if (str_ends(line, S("\r")))
		line.n--;
	return line;
}

static bool read_hash_option(const struct command *c, bool *ret)
{
	*ret = c->n_args == 2;
	return c->n_args == 1 || str_eq(c->args[1].text, S("--hash"));
}

SUSPENDS static int run_user_add(struct command *c)
{
	struct user_add_answer r;
	bool is_hash;
	struct err e;

	if (!read_hash_option(c, &is_hash))
		return complain(c, EXIT_USAGE, S("usage: waxwing user add NAME@DOMAIN [--hash]"));
	if (!user_add(link_to(ROLE_USER), &(struct user_add){ .address = c->args[0].text, .password = password_of(c),
							      .is_hash = is_hash, .by = by_whom(c) }, &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, STR_FMT " is there", STR_ARG(c->args[0].text)));
}

SUSPENDS static int run_user_passwd(struct command *c)
{
	struct user_passwd_answer r;
	bool is_hash;
	struct err e;

	if (!read_hash_option(c, &is_hash))
		return complain(c, EXIT_USAGE, S("usage: waxwing user passwd NAME@DOMAIN [--hash]"));
	if (!user_passwd(link_to(ROLE_USER), &(struct user_passwd){ .address = c->args[0].text, .password = password_of(c),
								    .is_hash = is_hash, .by = by_whom(c) }, &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, STR_FMT " has a new password", STR_ARG(c->args[0].text)));
}

SUSPENDS static int run_user_remove(struct command *c)
{
	struct user_remove_answer r;
	struct err e;

	if (!user_remove(link_to(ROLE_USER), &(struct user_remove){ .address = c->args[0].text, .by = by_whom(c) }, &r,
			 c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, STR_FMT " is removed; the mail stays where it is", STR_ARG(c->args[0].text)));
}

SUSPENDS static int set_disabled(struct command *c, bool disabled)
{
	struct user_disable_answer r;
	struct err e;

	if (!user_disable(link_to(ROLE_USER), &(struct user_disable){ .address = c->args[0].text, .disabled = disabled,
								      .by = by_whom(c) }, &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, STR_FMT " %s", STR_ARG(c->args[0].text),
					disabled ? "cannot log in any more; mail still comes in" : "can log in again"));
}

SUSPENDS static int run_user_disable(struct command *c)
{
	return set_disabled(c, true);
}

SUSPENDS static int run_user_enable(struct command *c)
{
	return set_disabled(c, false);
}

static void print_account(struct buf *b, struct json *j, const struct ipc_account *a)
{
	char mem[32];
	struct buf t = buf_over(mem, sizeof(mem));

	if (a->created)
		time_add_rfc3339(&t, a->created);
	if (!j) {
		buf_addf(b, STR_FMT "%s%s\n", STR_ARG(a->address), a->disabled ? "  disabled" : "",
			 a->has_password ? "" : "  no password yet");
		return;
	}
	json_object(j, NULL);
	json_str(j, "address", a->address);
	json_bool(j, "disabled", a->disabled);
	json_bool(j, "password", a->has_password);
	json_str(j, "created", buf_str(&t));
	json_end_object(j);
}

SUSPENDS static int run_user_list(struct command *c)
{
	struct buf b = buf_on_heap(16 << 20);
	struct json j = json_to(&b);
	struct user_list_answer r = { .more = 1 };
	struct str after = S("");
	struct err e = { 0 };
	bool ok = true;

	if (c->is_json)
		json_array(&j, NULL);
	while (ok && r.more) {
		ok = user_list(link_to(ROLE_USER), &(struct user_list){ .after = after }, &r, c->a, &e);
		for (size_t i = 0; ok && i < r.accounts.n; i++) {
			print_account(&b, c->is_json ? &j : NULL, &r.accounts.p[i]);
			after = r.accounts.p[i].address;
		}
		if (ok && r.accounts.n == 0)
			break;
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

SUSPENDS static int run_test_address(struct command *c)
{
	struct user_explain_answer r;
	struct err e;

	if (!user_explain(link_to(ROLE_USER), &(struct user_explain){ .address = c->args[0].text }, &r, c->a, &e))
		return complain_err(c, &e);
	if (r.is_remote)
		return explain_remote(c, c->args[0].text);
	if (c->is_json) {
		struct buf b = buf_on_heap(256 * 1024);
		struct json j = json_to(&b);

		json_object(&j, NULL);
		json_str(&j, "address", c->args[0].text);
		json_bool(&j, "accepted", r.found);
		json_str(&j, "text", r.text);
		json_end_object(&j);
		buf_add_char(&b, '\n');
		say(c, buf_str(&b));
		buf_end(&b);
	} else {
		say(c, r.text);
	}
	return r.found ? EXIT_DONE : EXIT_NO;
}

/* -- status ---------------------------------------------------------------- */

struct figures {
	struct parent_status_answer parent;
	struct queue_figures_answer queue;
	struct queue_lanes_answer lanes;
	struct keys_status_answer keys;
	struct relay_scanner_answer scanner;
	bool has_queue, has_lanes, has_keys, has_scanner;
};

SUSPENDS static void print_json(struct buf *b, const struct figures *f, struct arena *a)
{
	struct json j = json_to(b);

	json_object(&j, NULL);
	json_array(&j, "processes");
	for (size_t i = 0; i < f->parent.processes.n; i++) {
		const struct ipc_process *p = &f->parent.processes.p[i];

		json_object(&j, NULL);
		json_str(&j, "role", p->role);
		json_str(&j, "name", p->name);
		json_int(&j, "instance", p->instance);
		json_int(&j, "pid", p->pid);
		json_bool(&j, "ready", p->state || str_eq(p->role, S("zygote")));
		json_int(&j, "restarts", p->restarts);
		json_str(&j, "warnings", p->warnings);
		json_end_object(&j);
	}
	json_end_array(&j);
	if (f->has_queue) {
		json_object(&j, "journal");
		json_int(&j, "pending", (int64_t)f->queue.in_journal);
		json_int(&j, "unsafe", (int64_t)f->queue.unsafe);
		json_int(&j, "segments", (int64_t)f->queue.segments);
		json_int(&j, "records", (int64_t)f->queue.appended);
		json_int(&j, "syncs", (int64_t)f->queue.syncs);
		json_str(&j, "trouble", f->queue.trouble);
		json_end_object(&j);
		json_object(&j, "queue");
		json_int(&j, "letters", (int64_t)f->queue.pending);
		json_int(&j, "waiting", (int64_t)f->queue.waiting);
		json_int(&j, "held", (int64_t)f->queue.held);
		json_int(&j, "accepted", (int64_t)f->queue.accepted);
		json_int(&j, "delivered", (int64_t)f->queue.delivered);
		json_end_object(&j);
	}
	if (f->has_keys) {
		json_str(&j, "certificates", f->keys.text);
		json_array(&j, "dkim");
		dkim_watch_status(a, b, &j);
		json_end_array(&j);
	}
	if (f->has_scanner)
		json_scanner(&j, &f->scanner);
	json_end_object(&j);
	buf_add_char(b, '\n');
}

/* Copies of a role, and mailboxes, warn alike: the first one speaks for all. */
static bool is_news(const struct parent_status_answer *s, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (str_eq(s->processes.p[k].role, s->processes.p[i].role) &&
		    str_eq(s->processes.p[k].warnings, s->processes.p[i].warnings))
			return false;
	return s->processes.p[i].warnings.n > 0;
}

/* That a server which the configuration names takes nothing is not the other's affair alone. */
static void print_ways_out(struct buf *b, const struct queue_lanes_answer *r)
{
	for (size_t i = 0; i < r->lanes.n; i++) {
		const struct ipc_lane *l = &r->lanes.p[i];

		if (l->fails && l->waiting && str_starts(l->name, S("via "))) {
			buf_addf(b, "  WARNING: %llu recipients wait, " STR_FMT ": ", (unsigned long long)l->waiting, STR_ARG(l->name));
			buf_add_printable(b, l->why, 300);
			buf_add_char(b, '\n');
		}
	}
}

SUSPENDS static void print_text(struct buf *b, const struct figures *f, struct arena *a)
{
	for (size_t i = 0; i < f->parent.processes.n; i++) {
		const struct ipc_process *p = &f->parent.processes.p[i];

		buf_addf(b, STR_FMT ".%u pid %u %s", STR_ARG(p->role), p->instance, p->pid,
			 p->state || str_eq(p->role, S("zygote")) ? "ready" : "starting");
		if (str_eq(p->role, S("mailbox")))
			buf_addf(b, " " STR_FMT, STR_ARG(p->name));
		if (p->restarts)
			buf_addf(b, ", restarted %u times", p->restarts);
		if (is_news(&f->parent, i))
			buf_addf(b, "\n  WARNING: " STR_FMT, STR_ARG(p->warnings));
		buf_add_char(b, '\n');
	}
	if (f->has_queue) {
		buf_addf(b, "queue: %llu letters, %llu steps wait, %llu held; since the start %llu accepted, %llu delivered\n",
			 (unsigned long long)f->queue.pending, (unsigned long long)f->queue.waiting,
			 (unsigned long long)f->queue.held, (unsigned long long)f->queue.accepted,
			 (unsigned long long)f->queue.delivered);
		if (f->has_lanes)
			print_ways_out(b, &f->lanes);
		buf_addf(b, "journal: %llu records, %llu syncs, %llu deliveries not yet safe, %llu full segments\n",
			 (unsigned long long)f->queue.appended, (unsigned long long)f->queue.syncs,
			 (unsigned long long)f->queue.unsafe, (unsigned long long)f->queue.segments);
		if (f->queue.held)
			buf_addf(b, "  WARNING: %llu letters are held until a person releases them; next: waxwing queue list\n",
				 (unsigned long long)f->queue.held);
		if (f->queue.trouble.n)
			buf_addf(b, "  WARNING: " STR_FMT "\n", STR_ARG(f->queue.trouble));
	} else {
		buf_addf(b, "queue: away\n");
	}
	if (f->has_keys) {
		buf_add(b, f->keys.text);
		dkim_watch_status(a, b, NULL);
	}
	if (f->has_scanner)
		print_scanner(b, &f->scanner);
}

SUSPENDS static int print_fibers(struct command *c)
{
	struct buf b = buf_on_heap(4 << 20);

	for (struct link *l = link_next(NULL); l; l = link_next(l)) {
		struct role_fibers_answer r;
		struct str rest, line;
		uint32_t instance = l->instance;
		enum role peer = l->peer;
		struct err e;

		if (peer == ROLE_TOOL || peer == ROLE_PARENT)
			continue;
		if (!role_fibers(l, &(struct role_fibers){ 0 }, &r, c->a, &e)) {
			buf_addf(&b, "%s.%u: %s\n", role_name(peer), instance, e.text);
			break;           /* the list may have changed meanwhile */
		}
		for (rest = r.text; (line = str_cut(rest, '\n', &rest)).n;)
			buf_addf(&b, "%s.%u " STR_FMT "\n", role_name(peer), instance, STR_ARG(line));
	}
	say(c, buf_str(&b));
	buf_end(&b);
	return EXIT_DONE;
}

SUSPENDS static int run_status(struct command *c)
{
	AUTO(arena_end) struct arena lanes = { .limit = 8 << 20 };
	struct figures f = { 0 };
	struct buf b = buf_on_heap(1 << 20);
	struct err e;

	if (c->n_args == 1 && str_eq(c->args[0].text, S("--fibers")))
		return print_fibers(c);
	if (c->n_args == 1 && str_eq(c->args[0].text, S("--lists")))
		return status_lists(c);
	if (c->n_args)
		return complain(c, EXIT_USAGE, S("usage: waxwing status [--fibers|--lists]"));
	if (!parent_status(self.parent, &(struct parent_status){ 0 }, &f.parent, c->a, &e))
		return complain_err(c, &e);
	f.has_queue = queue_figures(link_to(ROLE_QUEUE), &(struct queue_figures){ 0 }, &f.queue, c->a, &e);
	f.has_lanes = f.has_queue && queue_lanes(link_to(ROLE_QUEUE), &(struct queue_lanes){ 0 }, &f.lanes, &lanes, &e);
	f.has_keys = keys_status(link_to(ROLE_KEYS), &(struct keys_status){ 0 }, &f.keys, c->a, &e);
	f.has_scanner = scanner_status(&f.scanner, c->a);
	if (c->is_json)
		print_json(&b, &f, &lanes);
	else
		print_text(&b, &f, &lanes);
	say(c, buf_str(&b));
	buf_end(&b);
	return EXIT_DONE;
}

SUSPENDS static int run_reload(struct command *c)
{
	struct parent_reload_answer r;
	struct err e;

	if (!parent_reload(self.parent, &(struct parent_reload){ 0 }, &r, c->a, &e))
		return complain_err(c, &e);
	if (!r.is_ok)
		return complain(c, EXIT_NO, r.text);
	say(c, r.text);
	return EXIT_DONE;
}

const struct verb command_verbs[] = {
#define COMMAND(name, noun, verb, args_min, args_max, usage, help) \
	{ S(noun), S(verb), args_min, args_max, run_##name, noun " " verb " " usage },
#include "ipc/command.def"
#undef COMMAND
	{ .run = NULL },
};
