/* zygote.c — forks a mailbox process for each account.
 *
 * Small, warm, without secrets, a loop or threads: it reads one question at a
 * time and forks; a request is unpacked in the child after its uid is dropped,
 * but for the few numbers that say which uid.  Children are reaped by the kernel. */
#include "role/runtime.h"

#include "base/fd.h"
#include "base/log.h"
#include "role/confine_role.h"
#include "role/mailbox/mailbox.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PARENT_FD = 3, ACCOUNT_MAX = 256 };

struct packet {
	struct ipc_header h;
	char body[IPC_MESSAGE_MAX];
};

static ssize_t take(struct packet *p, int *fds, size_t *n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	} control;
	struct iovec v = { p, sizeof(*p) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(PARENT_FD, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*n_fds = 0;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), *n_fds * sizeof(int));
	}
	return n;
}

static void answer(const struct ipc_header *q, pid_t pid, int sys)
{
	static char mem[256];
	struct ipc_header h = { .number = q->number, .kind = pid > 0 ? IPC_ANSWER : IPC_FAULT, .call = q->call };
	struct buf b = buf_over(mem, sizeof(mem));
	uint32_t n = (uint32_t)pid;

	buf_add(&b, str_of(&h, sizeof(h)));
	if (pid > 0) {
		buf_add(&b, str_of(&n, sizeof(n)));
	} else {
		buf_add_char(&b, FAULT_TEMP);
		buf_addf(&b, "fork: %s", strerrordesc_np(sys));
	}
	h.n = (uint32_t)b.n;
	memcpy(mem, &h, sizeof(h));
	if (send(PARENT_FD, mem, b.n, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static bool copy_z(char *to, size_t room, struct str s)
{
	if (s.n >= room || str_has(s, '\0'))
		return false;
	if (s.n)
		memcpy(to, s.p, s.n);
	to[s.n] = '\0';
	return true;
}

/* The child becomes the account's mailbox. */
NORETURN static void become(struct zygote_mailbox *q, struct arena *a)
{
	static char account[ACCOUNT_MAX], home[PATH_MAX];
	uint32_t uid = q->uid, gid = q->gid;
	bool is_linux = q->is_linux;

	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, 0);
	if (!copy_z(account, sizeof(account), q->account) || !copy_z(home, sizeof(home), q->home) ||
	    dup2(q->log, STDERR_FILENO) < 0 || dup2(q->channel, PARENT_FD) < 0)
		_exit(71);
	close(q->log);
	close(q->channel);
	arena_end(a);
	arena_trim();
	mailbox_main(account, uid, gid, is_linux, home);
}

static void serve_one(struct packet *p, size_t n, int *fds, size_t n_fds)
{
	const struct ipc_type *t = ipc_type_find(p->h.number);
	static struct arena a;
	struct zygote_mailbox q = { .channel = -1, .log = -1 };
	struct err e;
	pid_t pid;

	a = (struct arena){ .limit = 1 << 20 };
	if (n < sizeof(p->h) || p->h.n != n || p->h.kind != IPC_QUESTION || p->h.number != IPC_zygote_mailbox ||
	    p->h.n_fds != n_fds || !ipc_decode(str_of(p->body, n - sizeof(p->h)), t->question(), &q, fds, n_fds, &a, &e) ||
	    q.channel <= 0 || q.log <= 0) {
		for (size_t i = 0; i < n_fds; i++)
			close(fds[i]);
		arena_end(&a);
		/* setup and the like are not for us; a question may have lost its descriptors */
		if (n >= sizeof(p->h) && p->h.kind == IPC_QUESTION)
			answer(&p->h, -1, EMFILE);
		return;
	}
	pid = fork();
	if (pid == 0)
		become(&q, &a);
	answer(&p->h, pid, errno);
	close(q.channel);
	close(q.log);
	arena_end(&a);
}

void zygote_main(void)
{
	static struct packet p;
	struct err e = { 0 };
	char warnings[512];
	struct buf w = buf_over(warnings, sizeof(warnings));

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	self.role = ROLE_ZYGOTE;
	if (!confine_prepare_mailbox(&e) || !confine_role(&w, &e)) {
		log_error("start", "why=%s", LOGQ(str_from_z(e.text)));
		_exit(78);
	}
	/* what starting took and every child would copy */
	store_prepare();
	(void)malloc_trim(0);
	for (;;) {
		int fds[IPC_FDS_MAX];
		size_t n_fds;
		ssize_t n = take(&p, fds, &n_fds);

		if (n == 0 || (n < 0 && errno != EINTR))
			_exit(0);
		if (n > 0)
			serve_one(&p, (size_t)n, fds, n_fds);
	}
}
