/* transfer.c — waxwing import and export.
 *
 * The server is asked for the mailbox of the account; from then on this program and that mailbox talk over a
 * channel of their own.  Here files are found and opened, there letters are read and written. */
#include "ctl/transfer.h"

#include "fiber/fiber.h"
#include "wire/json.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CODE_NO = 1, CODE_USAGE = 2, CODE_AWAY = 3, CODE_PARTLY = 5 };

struct task {
	struct transfer t;
	bool is_import;
	SUSPENDS bool (*run)(struct transfer *t, struct err *e);
	const char *account;
	int control;
	int code;
};

static struct transfer *hearing;         /* who hears of progress */

void transfer_refuse(struct transfer *t, const char *fmt, ...)
{
	AUTO(buf_end) struct buf b = buf_on_heap(8192);
	char line[2048];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	buf_add_printable(&b, str_from_z(line), sizeof(line));
	progress_clear(&t->progress);
	fprintf(stderr, "waxwing: " STR_FMT "\n", STR_ARG(buf_str(&b)));
	t->refused++;
}

static void hear_progress(struct link *l, void *tell)
{
	(void)l;
	progress_set(&hearing->progress, hearing->base + ((struct transfer_progress *)tell)->at);
}

/* ---- what was done ---- */

static void sum_as_json(const struct task *k, const struct import_end_answer *n)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4096);
	struct json j = json_to(&b);

	json_object(&j, NULL);
	json_bool(&j, "ok", !k->t.refused);
	json_int(&j, "folders", (int64_t)k->t.folders);
	json_int(&j, "letters", (int64_t)(k->is_import ? n->taken : k->t.letters));
	json_int(&j, "octets", (int64_t)(k->is_import ? n->octets : k->t.octets));
	if (k->is_import) {
		json_int(&j, "already", (int64_t)n->already);
		json_int(&j, "gone", (int64_t)n->gone);
		json_int(&j, "keywords_left", (int64_t)n->keywords_left);
	}
	json_int(&j, "refused", (int64_t)k->t.refused);
	json_end_object(&j);
	printf(STR_FMT "\n", STR_ARG(buf_str(&b)));
}

static void sum(const struct task *k, const struct import_end_answer *n)
{
	unsigned long long folders = k->t.folders, refused = k->t.refused;

	if (k->t.c->is_json) {
		sum_as_json(k, n);
		return;
	}
	if (!k->is_import) {
		printf("%llu letters of %llu folders, %llu octets", (unsigned long long)k->t.letters, folders,
		       (unsigned long long)k->t.octets);
	} else {
		printf("%llu letters in %llu folders, %llu octets", (unsigned long long)n->taken, folders,
		       (unsigned long long)n->octets);
		if (n->already)
			printf("; %llu were there already", (unsigned long long)n->already);
		if (n->gone)
			printf("; %llu were there and rest in gone", (unsigned long long)n->gone);
		if (n->keywords_left)
			printf("; %llu keywords had no room", (unsigned long long)n->keywords_left);
	}
	if (refused)
		printf("; %llu %s", refused, "were left out");
	printf("\n");
}

/* ---- the conversation ---- */

/* What came in before a failure stays: it is made durable and counted. */
SUSPENDS static void converse(struct task *k)
{
	struct import_end_answer n = { 0 };
	struct err e = { 0 }, end;
	bool ok = k->run(&k->t, &e);

	arena_end(k->t.a);
	if (k->is_import && !link_is_away(&e) && !import_end(k->t.mailbox, &(struct import_end){ 0 }, &n, k->t.a, &end)) {
		e = ok ? end : e;
		ok = false;
	}
	progress_clear(&k->t.progress);
	if (!ok)
		fprintf(stderr, "waxwing: %s%s\n", link_is_away(&e) ? "the mailbox ended meanwhile; the same command goes on: " : "",
			e.text);
	if (ok || n.taken || n.already)
		sum(k, &n);
	k->code = !ok ? link_is_away(&e) || e.fault == FAULT_TEMP ? CODE_AWAY : CODE_NO : k->t.refused ? CODE_PARTLY : 0;
}

SUSPENDS static bool ask_control(struct task *k, struct nursery *n, int channel, struct err *e)
{
	const struct ctl *c = k->t.c;
	struct str path = str_from_z(k->t.path), account = str_from_z(k->account);
	struct ipc_text args[4] = { { str_from_z(c->args[0]) }, { str_from_z(c->args[1]) },
				    { k->is_import ? path : account }, { k->is_import ? account : path } };
	struct link *l = link_open(k->control, ROLE_TOOL, ROLE_CONTROL, 0, S(""), n, e);
	struct control_command_answer r = { 0 };
	bool ok;

	if (!l)
		return false;
	ok = control_command(l, &(struct control_command){ .dialect = ipc_dialect(), .json = c->is_json, .channel = channel,
							   .args = { args, ARRAY_LEN(args) } }, &r, k->t.a, e);
	link_close(l);
	k->code = ok ? r.exit : CODE_AWAY;
	return ok;
}

SUSPENDS static void run(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	AUTO(arena_end) struct arena a = { .limit = 64 << 20 };
	struct task *k = arg;
	struct err e = { 0 };
	int pair[2];

	k->t.a = &a;
	hearing = &k->t;
	ipc_hear(IPC_tool_output, ctl_hear_output);
	ipc_hear(IPC_transfer_progress, hear_progress);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
		fprintf(stderr, "waxwing: %s\n", strerrordesc_np(errno));
		return;
	}
	if (!ask_control(k, &n, pair[1], &e)) {
		fprintf(stderr, "waxwing: the server did not answer: %s\n", e.text);
		close(pair[0]);
	} else if (k->code) {
		close(pair[0]);
	} else {
		k->t.mailbox = link_open(pair[0], ROLE_TOOL, ROLE_MAILBOX, 0, S(""), &n, &e);
		close(pair[1]);
		pair[1] = -1;
		if (k->t.mailbox) {
			link_keep(k->t.mailbox);
			converse(k);
			link_let_go(k->t.mailbox);
		}
	}
	fd_end(&pair[1]);
}

/* ---- arguments ---- */

static const struct {
	const char *noun, *verb;
	bool is_import;
	SUSPENDS bool (*run)(struct transfer *t, struct err *e);
} tasks[] = {
	{ "import", "maildir", true, import_maildir_run }, { "import", "mbox", true, import_mbox_run },
	{ "export", "maildir", false, export_maildir_run }, { "export", "mbox", false, export_mbox_run },
};

/* Two words and perhaps --folder FOLDER, in any order. */
static bool read_args(const struct ctl *c, struct task *k)
{
	const char *words[2];
	int n = 0;

	for (int i = 2; i < c->n_args; i++) {
		if (strcmp(c->args[i], "--folder") == 0 && i + 1 < c->n_args) {
			k->t.folder = str_from_z(c->args[++i]);
			k->t.has_folder = true;
		} else if (n < 2) {
			words[n++] = c->args[i];
		} else {
			return false;
		}
	}
	if (n != 2)
		return false;
	k->t.path = words[k->is_import ? 0 : 1];
	k->account = words[k->is_import ? 1 : 0];
	return true;
}

int ctl_transfer(const struct ctl *c)
{
	struct task k = { .t.c = c, .code = CODE_AWAY };
	struct arena a = { .limit = CONF_MEMORY_MAX };
	struct conf conf;
	pid_t helper = -1;

	for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
		if (strcmp(c->args[0], tasks[i].noun) == 0 && strcmp(c->args[1], tasks[i].verb) == 0) {
			k.is_import = tasks[i].is_import;
			k.run = tasks[i].run;
		}
	if (!k.run || !read_args(c, &k)) {
		fprintf(stderr, "waxwing: usage: waxwing import maildir|mbox PATH NAME [--folder FOLDER]\n"
				"       waxwing export maildir|mbox NAME PATH [--folder FOLDER]\n");
		return CODE_USAGE;
	}
	if (!ctl_read_conf(c, &a, &conf, true)) {
		arena_end(&a);
		return CODE_NO;
	}
	signal(SIGPIPE, SIG_IGN);
	k.control = ctl_reach(c, conf.run, &helper);
	if (k.control < 0)
		k.code = -k.control;
	else
		loop_run(run, &k);
	arena_end(&a);
	return k.code;
}
