/* client.c — a command is asked of the server through its command socket.
 *
 * Without a server, commands about users and addresses start just the roles they need for the
 * moment (`serve --helper`), so that no two programs ever open the same files. */
#include "ctl/command.h"

#include "base/fd.h"
#include "fiber/fiber.h"
#include "ipc/say.h"
#include "wire/lf.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { INPUT_MAX = 32 * 1024, LETTER_MAX = 256 << 20, CODE_AWAY = 3, CODE_FORBIDDEN = 4 };

struct asking {
	const struct ctl *c;
	int fd;
	char *input;
	size_t input_n;
	int letter;              /* for a command that reads one; -1: none */
	int code;
};

/* By a relative name, since a path may be longer than the 108 bytes of sun_path. */
static int connect_control(struct str run, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(fd_end) int was = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd_end) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "control" };
	char *dir = str_z(&a, run);
	int sys = 0;

	if (fd < 0 || !dir || chdir(dir) || connect(fd, (struct sockaddr *)&at, sizeof(at)))
		sys = errno;
	if (was >= 0 && fchdir(was))
		sys = sys ? sys : errno;
	if (sys) {
		fail_sys(e, FAULT_TEMP, sys, STR_FMT "/control", STR_ARG(run));
		return -1;
	}
	return fd_take(&fd);
}

void ctl_hear_output(struct link *l, void *tell)
{
	struct tool_output *t = tell;
	FILE *to = t->is_error ? stderr : stdout;

	(void)l;
	fwrite(t->text.p, 1, t->text.n, to);
	fflush(to);
}

SUSPENDS static void ask(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct asking *q = arg;
	struct ipc_text *args = ARENA_ARRAY(&a, struct ipc_text, (size_t)q->c->n_args + 1);
	struct control_command_answer r;
	struct link *l;
	struct err e = { 0 };

	ipc_hear(IPC_tool_output, ctl_hear_output);
	l = link_open(q->fd, ROLE_TOOL, ROLE_CONTROL, 0, S(""), &n, &e);
	if (l)
		link_keep(l);
	for (int i = 0; args && i < q->c->n_args; i++)
		args[i].text = str_from_z(q->c->args[i]);
	if (!l || !args ||
	    !control_command(l, &(struct control_command){ .dialect = ipc_dialect(), .json = q->c->is_json, .input = str_of(q->input, q->input_n),
							   .channel = q->letter, .args = { args, (size_t)q->c->n_args } }, &r, &a, &e)) {
		fprintf(stderr, "waxwing: the server did not answer: %s\n", e.text);
		q->code = CODE_AWAY;
	} else {
		q->code = r.exit;
	}
	if (l)
		link_let_go(l);
}

/* -- passwords ------------------------------------------------------------- */

static bool wants_password(const struct ctl *c)
{
	return c->n_args >= 2 && strcmp(c->args[0], "user") == 0 &&
	       (strcmp(c->args[1], "add") == 0 || strcmp(c->args[1], "passwd") == 0);
}

/* One that is there already: typed once. */
static bool tries_password(const struct ctl *c)
{
	return c->n_args >= 2 && strcmp(c->args[0], "test") == 0 && strcmp(c->args[1], "login") == 0;
}

static bool read_line_silently(const char *prompt, char **ret, size_t *ret_n)
{
	struct termios was, silent;
	size_t cap = 0;
	ssize_t n;

	fprintf(stderr, "%s", prompt);
	tcgetattr(STDIN_FILENO, &was);
	silent = was;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSANOW, &silent);
	n = getline(ret, &cap, stdin);
	tcsetattr(STDIN_FILENO, TCSANOW, &was);
	fprintf(stderr, "\n");
	*ret_n = n < 0 ? 0 : (size_t)n;
	return n > 0;
}

static bool read_password(struct asking *q)
{
	char *again = NULL;
	size_t again_n = 0;
	struct err e;
	bool ok;

	if (!isatty(STDIN_FILENO))
		return fd_slurp(STDIN_FILENO, INPUT_MAX, &q->input, &q->input_n, &e);
	ok = read_line_silently("Password: ", &q->input, &q->input_n);
	if (!ok || tries_password(q->c))
		return ok;
	ok = read_line_silently("Again: ", &again, &again_n);
	if (ok && !str_eq(str_of(q->input, q->input_n), str_of(again, again_n))) {
		fprintf(stderr, "waxwing: the two do not agree; nothing was changed\n");
		ok = false;
	}
	if (again)
		explicit_bzero(again, again_n);
	free(again);
	return ok;
}

/* -- letters --------------------------------------------------------------- */

/* The file with the letter that the command is about, "-" for standard input; NULL: there is none. */
static const char *letter_of(const struct ctl *c)
{
	if (c->n_args >= 2 && strcmp(c->args[0], "test") == 0 && strcmp(c->args[1], "auth") == 0)
		return "-";
	return c->n_args >= 3 && strcmp(c->args[0], "doctor") == 0 && strcmp(c->args[1], "mail") == 0 ? c->args[2] : NULL;
}

/* As it was on the wire: at rest its lines end in LF. */
static bool read_letter(struct asking *q)
{
	AUTO(buf_end) struct buf b = buf_on_heap(LETTER_MAX);
	const char *path = letter_of(q->c);
	AUTO(fd_end) int file = strcmp(path, "-") == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	char *p = NULL;
	size_t n = 0;
	struct err e;
	bool ok = strcmp(path, "-") == 0 || file >= 0 || fail_sys(&e, FAULT_PERM, errno, "%s", path);

	ok = ok && fd_slurp(file < 0 ? STDIN_FILENO : file, LETTER_MAX, &p, &n, &e);
	if (ok)
		lf_restore(str_of(p, n), &b);
	free(p);
	ok = ok && (!b.full || fail(&e, FAULT_PERM, "the letter is too big")) && fd_sealed("letter", buf_str(&b), &q->letter, &e);
	if (!ok)
		fprintf(stderr, "waxwing: the letter cannot be read: %s\n", e.text);
	return ok;
}

/* -- without a server ------------------------------------------------------ */

static pid_t start_helper(const struct ctl *c)
{
	int p[2];
	char word[16];
	ssize_t n;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0) {
		char *argv[] = { (char *)(uintptr_t)"waxwing", (char *)(uintptr_t)"-c", (char *)(uintptr_t)c->conf_path,
				 (char *)(uintptr_t)"serve", (char *)(uintptr_t)"--helper", NULL };

		dup2(p[1], STDOUT_FILENO);
		execv("/proc/self/exe", argv);
		_exit(71);
	}
	close(p[1]);
	n = read(p[0], word, sizeof(word));
	close(p[0]);
	if (n > 0)
		return pid;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return -1;
}

/* What can be asked of the files alone. */
static bool needs_no_server(const struct ctl *c)
{
	return c->n_args && (strcmp(c->args[0], "user") == 0 ||
			     (strcmp(c->args[0], "test") == 0 && strcmp(c->args[1], "address") == 0));
}

int ctl_reach(const struct ctl *c, struct str run, pid_t *helper)
{
	struct err e = { 0 };
	int fd = connect_control(run, &e);

	if (fd < 0 && (e.sys == ENOENT || e.sys == ECONNREFUSED) && needs_no_server(c)) {
		*helper = start_helper(c);
		fd = *helper > 0 ? connect_control(run, &e) : -1;
	}
	if (fd < 0)
		fprintf(stderr, "waxwing: the server is not reachable (%s); start it with: waxwing -c %s serve\n", e.text,
			c->conf_path);
	if (fd < 0 && (e.sys == EACCES || e.sys == EPERM))
		return -CODE_FORBIDDEN;
	return fd < 0 ? -CODE_AWAY : fd;
}

int ctl_ask(const struct ctl *c)
{
	struct arena a = { .limit = CONF_MEMORY_MAX };
	struct asking q = { .c = c, .fd = -1, .letter = -1 };
	pid_t helper = -1;
	struct conf conf;

	if (!ctl_read_conf(c, &a, &conf, true)) {
		arena_end(&a);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	if (((wants_password(c) || tries_password(c)) && !read_password(&q)) || (letter_of(c) && !read_letter(&q))) {
		q.code = 1;
	} else {
		q.fd = ctl_reach(c, conf.run, &helper);
		q.code = q.fd < 0 ? -q.fd : 70;
		if (q.fd >= 0)
			loop_run(ask, &q);
	}
	if (helper > 0) {
		kill(helper, SIGTERM);
		waitpid(helper, NULL, 0);
	}
	if (q.input)
		explicit_bzero(q.input, q.input_n);
	free(q.input);
	fd_end(&q.letter);
	arena_end(&a);
	return q.code;
}
