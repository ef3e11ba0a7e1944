/* child.c — see pam.h. */
#include "role/pam/pam.h"

#include "base/fd.h"
#include "base/log.h"
#include "fiber/fiber.h"
#include "role/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUT_FD = 3, LAST_WORD_S = 12 };
#define ANSWER_TIME (10 * SECOND)

static unsigned n_children;
static struct wait one_ended;

struct child {
	void (*fn)(void *arg, int out);
	void *arg;
	int in, out;             /* of its pipe: ours, its */
	pid_t pid;
};

/* Only the pipe and standard error are left to what runs here. */
NORETURN static void child_main(const struct child *c)
{
	struct rlimit none = { 0, 0 };
	sigset_t all;

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (c->out != OUT_FD && dup2(c->out, OUT_FD) < 0)
		_exit(1);
	close_range(OUT_FD + 1, ~0U, 0);
	alarm(LAST_WORD_S);              /* if the parent cannot stop us */
	c->fn(c->arg, OUT_FD);
	_exit(0);
}

static void fork_child(void *arg)
{
	struct child *c = arg;

	c->pid = fork();
	if (c->pid == 0)
		child_main(c);
}

/* Owns the place among CHILDREN_MAX until the child is gone. */
SUSPENDS static void reap(void *arg)
{
	int pidfd = (int)(intptr_t)arg;
	siginfo_t si = { 0 };
	struct err e;

	while (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED | WNOHANG) == 0 && si.si_pid == 0)
		if (!fd_wait(pidfd, POLLIN, "the end of a child", &e))
			break;
	fd_wait_forget(pidfd);
	close(pidfd);
	n_children--;
	wait_wake(&one_ended);
}

SUSPENDS static bool child_read(int fd, char *to, size_t size, size_t *ret_n, struct err *e)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = read(fd, to + n, size - n);

		if (got == 0 || n == size)
			break;
		if (got > 0)
			n += (size_t)got;
		else if (errno != EAGAIN && errno != EINTR)
			return fail_sys(e, FAULT_TEMP, errno, "read the answer of a child");
		else if (!fd_wait(fd, POLLIN, "the answer of a child", e))
			return false;
	}
	*ret_n = n;
	return true;
}

static bool child_start(struct child *c, int *ret_pidfd, struct err *e)
{
	on_loop_stack(fork_child, c);
	if (c->pid < 0)
		return fail_sys(e, FAULT_TEMP, errno, "fork");
	*ret_pidfd = pidfd_open(c->pid, 0);
	if (*ret_pidfd >= 0)
		return true;
	fail_sys(e, FAULT_TEMP, errno, "pidfd_open");
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	return false;
}

static bool pipe_open(struct child *c, struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return fail_sys(e, FAULT_TEMP, errno, "pipe");
	c->in = ends[0];
	c->out = ends[1];
	return fd_set_nonblocking(c->in, e);
}

SUSPENDS static bool child_talk(struct child *c, void *answer, size_t size, size_t *ret_n, struct err *e)
{
	bool ok = false;
	int pidfd;

	if (!child_start(c, &pidfd, e))
		return false;
	fd_end(&c->out);                 /* its end of the pipe is the end of the answer */
	c->out = -1;
	n_children++;
	WITHIN(ANSWER_TIME)
		ok = child_read(c->in, answer, size, ret_n, e);
	fd_wait_forget(c->in);
	if (!ok)
		pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	if (!fiber_start(&self.fibers, "reap", reap, (void *)(intptr_t)pidfd)) {
		log_error("child", "why=\"out of memory, a dead child stays\"");
		close(pidfd);
		n_children--;
	}
	return ok;
}

SUSPENDS bool child_ask(void (*fn)(void *arg, int out), void *arg, void *answer, size_t size, size_t *ret_n, struct err *e)
{
	struct child c = { .fn = fn, .arg = arg, .in = -1, .out = -1 };
	bool ok;

	WITHIN(ANSWER_TIME)
		while (n_children >= CHILDREN_MAX)
			if (!wait_on(&one_ended, "another child's end", e))
				return fail_in(e, "%u questions are being asked already", n_children);
	ok = pipe_open(&c, e) && child_talk(&c, answer, size, ret_n, e);
	fd_end(&c.in);
	fd_end(&c.out);
	return ok;
}
