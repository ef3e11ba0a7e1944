/* control.c — the command socket: `waxwing …` becomes typed requests to the role
 * that owns the matter.
 *
 * Who may: root, and the user the server runs as.  Each connection is one link to
 * a `tool`; its one question is a command line. */
#include "role/control/control.h"

#include "base/fd.h"
#include "base/log.h"
#include "role/control/dkim_watch.h"
#include "role/control/dns_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUTPUT_BLOCK = 32 * 1024, ARGS_MAX = 64 };

static int listener = -1;

void say(struct command *c, struct str text)
{
	while (text.n) {
		struct str part = str_head(text, OUTPUT_BLOCK);

		tool_output(c->tool, &(struct tool_output){ .text = part });
		text = str_from(text, part.n);
	}
}

struct str by_whom(struct command *c)
{
	return arena_printf(c->a, "uid %lu", (unsigned long)(uintptr_t)c->by);
}

int say_done(struct command *c, struct str text)
{
	struct buf b = buf_on_heap(4096);

	if (c->is_json) {
		struct json j = json_to(&b);

		json_object(&j, NULL);
		json_bool(&j, "ok", true);
		json_str(&j, "text", text);
		json_end_object(&j);
	} else {
		buf_add(&b, text);
	}
	buf_add_char(&b, '\n');
	say(c, buf_str(&b));
	buf_end(&b);
	return EXIT_DONE;
}

int complain(struct command *c, int exit_code, struct str text)
{
	struct buf b = buf_on_heap(4096);

	if (c->is_json) {
		struct json j = json_to(&b);

		json_object(&j, NULL);
		json_str(&j, "error", text);
		json_end_object(&j);
		buf_add_char(&b, '\n');
		say(c, buf_str(&b));
	} else {
		buf_addf(&b, "waxwing: " STR_FMT "\n", STR_ARG(text));
		tool_output(c->tool, &(struct tool_output){ .is_error = 1, .text = buf_str(&b) });
	}
	buf_end(&b);
	return exit_code;
}

int complain_err(struct command *c, const struct err *e)
{
	return complain(c, e->fault == FAULT_PERM ? EXIT_NO : EXIT_AWAY, str_from_z(e->text));
}

static const struct verb *find_verb(const struct ipc_text *args, size_t n)
{
	for (const struct verb *v = command_verbs; v->run; v++) {
		size_t words = v->verb.n ? 2 : 1;

		if (n >= words && str_eq(args[0].text, v->noun) && (words == 1 || str_eq(args[1].text, v->verb)))
			return v;
	}
	return NULL;
}

static int64_t time_for(const struct verb *v)
{
#ifdef WAXWING_HOOKS
	if (v->run == run_test_clock)    /* it would run into its own deadline */
		return INT64_MAX / 2;
#endif
	/* each check has its own, and --watch lasts */
	return v->run == run_doctor ? INT64_MAX / 2 : MINUTE;
}

SUSPENDS static bool serve_command(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct control_command *q = question;
	struct control_command_answer *r = answer;
	struct command c = { .tool = l, .a = a, .is_json = q->json, .input = q->input, .channel = q->channel,
			     .by = l->state };
	const struct verb *v = find_verb(q->args.p, q->args.n);
	size_t words = v && v->verb.n ? 2 : 1;

	(void)e;
	a->limit = 16 << 20;
	if (q->dialect != ipc_dialect()) {
		r->exit = (uint8_t)complain(&c, EXIT_AWAY, S("the server that runs is of another build; restart it"));
		return true;
	}
	if (q->args.n > ARGS_MAX || !v) {
		r->exit = (uint8_t)complain(&c, EXIT_USAGE, S("no such command; waxwing help lists them"));
		return true;
	}
	c.args = q->args.p + words;
	c.n_args = q->args.n - words;
	if (c.n_args < v->args_min || c.n_args > v->args_max)
		r->exit = (uint8_t)complain(&c, EXIT_USAGE, arena_printf(a, "usage: waxwing %s", v->usage));
	else
		WITHIN(time_for(v))
			r->exit = (uint8_t)v->run(&c);
	return true;
}

/* -- who may --------------------------------------------------------------- */

SUSPENDS static void take_one(int fd)
{
	struct ucred who;
	socklen_t n = sizeof(who);
	struct link *l;
	struct err e;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) || (who.uid != 0 && who.uid != geteuid())) {
		log_warn("control", "uid=%u why=\"not permitted: only root and the server's own user may command\"", who.uid);
		close(fd);
		return;
	}
	l = link_open(fd, ROLE_CONTROL, ROLE_TOOL, 0, S(""), &self.fibers, &e);
	if (!l) {
		log_warn("control", "why=%s", LOGQ(str_from_z(e.text)));
		return;
	}
	l->state = (void *)(uintptr_t)who.uid;
}

SUSPENDS static void accept_all(void *unused)
{
	struct err e;

	(void)unused;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			take_one(fd);
		else if (errno == EAGAIN ? !fd_wait(listener, POLLIN, "a command", &e) : !fiber_sleep(100 * MILLISECOND, &e))
			break;
	}
	fd_wait_forget(listener);
}

static void take_listener(struct role_listener *l)
{
	if (listener < 0 && l->socket > 0)
		listener = fd_take(&l->socket);
}

SUSPENDS static bool prepare(struct err *e)
{
	(void)e;
	dns_facts_prepare();
	ipc_serve(IPC_control_command, serve_command);
	return true;
}

SUSPENDS static bool run(struct err *e)
{
	if (!fiber_start(&self.fibers, "accept", accept_all, NULL) || !fiber_start(&self.fibers, "dkim", dkim_watch_run, NULL))
		return fail(e, FAULT_TEMP, "no memory for a fiber");
	role_wait_stop();
	return true;
}

const struct role_def role_control = { .role = ROLE_CONTROL, .prepare = prepare, .run = run,
				       .listener = take_listener };
