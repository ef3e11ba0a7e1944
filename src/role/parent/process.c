/* process.c — role processes: start, introduce, keep alive, stop.
 *
 * A process that dies is started again: at once if it had served, with a growing
 * pause if it dies at start.  Each pair of roles that may call each other has a
 * channel; a new process gets one to every live process it has to do with. */
#include "role/parent/parent.h"

#include "base/fd.h"
#include "base/log.h"
#include "ipc/relay_say.h"
#include "role/hooks.h"
#include "role/roles.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHANNEL_FD = 3 };
#define MEND_PAUSE (100 * MILLISECOND)
#define PAUSE_LEAST (100 * MILLISECOND)
#define PAUSE_MOST (5 * SECOND)

static void name_of(const struct process *p, char *to, size_t n)
{
	if (p->account[0])
		snprintf(to, n, "mailbox.%s", p->account);
	else
		snprintf(to, n, "%s.%u", role_name(p->role), p->instance);
}

struct process *process_add(enum role r, uint32_t instance)
{
	struct process *p = calloc(1, sizeof(*p)), **at = &parent.processes;

	must(p, "out of memory for a process");
	*p = (struct process){ .role = r, .instance = instance, .pidfd = -1 };
	while (*at)
		at = &(*at)->next;
	*at = p;
	return p;
}

void process_remove(struct process *p)
{
	struct process **at = &parent.processes;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	free(p);
	wait_wake_all(&parent.changed);
}

/* -- birth ----------------------------------------------------------------- */

/* Nothing of ours but what is named here. */
static void environment(enum role r, char **ret, size_t max)
{
	size_t n = 0;

	/* mailboxes are many: memory that was freed goes back to the system, not to each thread's store */
	if (r == ROLE_ZYGOTE)
		ret[n++] = (char *)(uintptr_t)"GLIBC_TUNABLES=glibc.malloc.tcache_count=0";
#ifdef WAXWING_HOOKS
	/* a library that stands between the system and us, and its orders */
	for (char **v = environ; *v && n < max - 1; v++)
		if (str_starts(str_from_z(*v), S("LD_PRELOAD=")) || str_starts(str_from_z(*v), S("LIES=")))
			ret[n++] = *v;
#endif
	must(n < max, "room for the end of the list");
}

NORETURN static void become(const struct process *p, int channel, int log)
{
	char instance[16];
	char *argv[] = { (char *)(uintptr_t)"waxwing", (char *)(uintptr_t)"role",
			 (char *)(uintptr_t)role_name(p->role), instance, NULL };
	char *envp[8] = { NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	snprintf(instance, sizeof(instance), "%u", p->instance);
	environment(p->role, envp, ARRAY_LEN(envp));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log, 2) < 0)
		_exit(71);
	if (channel == CHANNEL_FD)
		fcntl(channel, F_SETFD, 0);
	else if (dup2(channel, CHANNEL_FD) < 0)
		_exit(71);
	execveat(parent.self_fd, "", argv, envp, AT_EMPTY_PATH);
	_exit(71);
}

bool process_pair(int *ret_one, int *ret_two, struct err *e)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return fail_sys(e, FAULT_TEMP, errno, "socketpair");
	*ret_one = sv[0];
	*ret_two = sv[1];
	return true;
}

bool process_log_pipe(int *ret_read, int *ret_write, struct err *e)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return fail_sys(e, FAULT_TEMP, errno, "pipe");
	*ret_read = p[0];
	*ret_write = p[1];
	return true;
}

static bool give_birth(struct process *p, struct err *e)
{
	AUTO(fd_end) int ours = -1, theirs = -1, log_r = -1, log_w = -1;
	char who[300];
	pid_t pid;

	if (!process_pair(&ours, &theirs, e) || !process_log_pipe(&log_r, &log_w, e))
		return false;
	pid = fork();
	if (pid < 0)
		return fail_sys(e, FAULT_TEMP, errno, "fork");
	if (pid == 0)
		become(p, theirs, log_w);
	p->pid = pid;
	p->pidfd = pidfd_open(pid, 0);
	if (p->pidfd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "pidfd_open");
	name_of(p, who, sizeof(who));
	logs_start(fd_take(&log_r), who);
	p->link = link_open(fd_take(&ours), ROLE_PARENT, p->role, p->instance, S(""), &parent.fibers, e);
	if (!p->link)
		return false;
	p->link->state = p;
	return true;
}

/* -- introduction ---------------------------------------------------------- */

bool process_connect(struct process *a, struct process *b, struct err *e)
{
	AUTO(fd_end) int one = -1, two = -1;

	if (!process_pair(&one, &two, e))
		return false;
	role_channel(a->link, &(struct role_channel){ .role = (uint8_t)b->role, .instance = b->instance,
						      .pid = (uint32_t)b->pid, .account = str_from_z(b->account), .channel = one });
	role_channel(b->link, &(struct role_channel){ .role = (uint8_t)a->role, .instance = a->instance,
						      .pid = (uint32_t)a->pid, .account = str_from_z(a->account), .channel = two });
	return true;
}

static bool are_acquainted(const struct process *a, const struct process *b)
{
	if (a->role == ROLE_MAILBOX || b->role == ROLE_MAILBOX || a->role == ROLE_ZYGOTE || b->role == ROLE_ZYGOTE)
		return false;            /* those are granted one by one */
	if ((a->role == ROLE_RELAY && relay_is_scanner(a->instance)) || (b->role == ROLE_RELAY && relay_is_scanner(b->instance)))
		return a->role == ROLE_QUEUE || b->role == ROLE_QUEUE || a->role == ROLE_CONTROL || b->role == ROLE_CONTROL;
	return role_may_call(a->role, b->role) || role_may_call(b->role, a->role);
}

void process_connect_queue(struct process *p)
{
	struct err e;

	for (struct process *q = parent.processes; q; q = q->next) {
		struct process *mailbox = p->role == ROLE_MAILBOX ? p : q, *queue = p->role == ROLE_MAILBOX ? q : p;

		if (mailbox->role == ROLE_MAILBOX && mailbox->link && queue->role == ROLE_QUEUE && queue->link &&
		    queue->is_ready && !process_connect(queue, mailbox, &e))
			log_error("channel", "role=mailbox peer=queue why=%s", LOGQ(str_from_z(e.text)));
	}
}

static void send_setup(struct process *p)
{
	AUTO(fd_end) int image = -1;
	struct err e;

	if (!config_image(&parent.conf->c, p->role, &image, &e)) {
		log_error("config", "role=%s why=%s", role_name(p->role), LOGQ(str_from_z(e.text)));
		return;
	}
	p->asked = 0;
	role_setup(p->link, &(struct role_setup){ .dialect = ipc_dialect(),
		.instance = p->instance, .copies = 1, .log_level = (uint8_t)parent.conf->c.log,
		.generation = parent.conf->generation, .config = image,
		.directory_fd = p->role == ROLE_QUEUE || p->role == ROLE_USER ? parent.storage_fd : -1 });
}

void process_introduce(struct process *p)
{
	struct err e;

	hooks_hand(p->link);
	send_setup(p);
	for (struct process *q = parent.processes; q; q = q->next)
		if (q != p && q->link && are_acquainted(p, q) && !process_connect(p, q, &e))
			log_error("channel", "role=%s peer=%s why=%s", role_name(p->role), role_name(q->role),
				  LOGQ(str_from_z(e.text)));
	listeners_send(p);
	watch_send(p);
	role_go(p->link, &(struct role_go){ 0 });
}

/* -- life and death -------------------------------------------------------- */

static void log_death(const struct process *p, const siginfo_t *how)
{
	char who[300];

	name_of(p, who, sizeof(who));
	if ((how->si_code == CLD_EXITED && how->si_status == 0) || how->si_pid == 0 ||
	    (p->role == ROLE_ZYGOTE && p->is_ending))
		log_info("ended", "who=%s", who);
	else if (how->si_code == CLD_EXITED)
		log_error("died", "who=%s pid=%d why=\"exit status %d\"", who, p->pid, how->si_status);
	else
		log_error("died", "who=%s pid=%d why=\"signal %d (%s)\"", who, p->pid, how->si_status,
			  how->si_status == SIGSYS ? "a system call its sandbox forbids"
						   : sigdescr_np(how->si_status));
}

/* Waits for the process's end and cleans up after it. */
SUSPENDS static void wait_end(struct process *p)
{
	siginfo_t how = { 0 };
	struct err e;

	while (waitid(P_PIDFD, (id_t)p->pidfd, &how, WEXITED | WNOHANG) == 0 && how.si_pid == 0)
		if (!fd_wait(p->pidfd, POLLIN, "the end of a process", &e))
			break;
	log_death(p, &how);
	fd_wait_forget(p->pidfd);
	fd_end(&p->pidfd);
	if (p->link)
		link_close(p->link);
	p->link = NULL;
	p->pid = 0;
}

void process_keep(void *arg)
{
	struct process *p = arg;
	int64_t pause = PAUSE_LEAST;
	struct err e = { 0 };

	while (!p->is_ending) {
		p->is_ready = false;
		p->warnings[0] = '\0';
		if (give_birth(p, &e)) {
			process_introduce(p);
			wait_end(p);
		} else {
			log_error("start", "role=%s why=%s", role_name(p->role), LOGQ(str_from_z(e.text)));
		}
		p->has_failed = !p->is_ready;
		wait_wake_all(&parent.changed);
		if (p->is_ending || (p->has_failed && !parent.is_ready))
			break;
		p->restarts++;
		pause = p->is_ready ? PAUSE_LEAST : pause * 2 > PAUSE_MOST ? PAUSE_MOST : pause * 2;
		if (!p->is_ready && !fiber_sleep(pause, &e))
			break;
	}
	p->is_ending = true;
	p->is_ready = false;
	wait_wake_all(&parent.changed);
}

static bool any_alive(enum role r)
{
	for (struct process *p = parent.processes; p; p = p->next)
		if (p->role == r && (r == ROLE_MAILBOX ? p->link != NULL : p->pid > 0))
			return true;
	return false;
}

/* Tell all of a role to stop and wait; who has not ended in time is killed. */
bool process_stop_all(enum role r, int64_t within)
{
	struct err e;

	for (struct process *p = parent.processes; p; p = p->next)
		if (p->role == r) {
			p->is_ending = true;
			if (p->link)
				role_stop(p->link, &(struct role_stop){ 0 });
		}
	WITHIN(within)
		while (any_alive(r))
			if (!wait_on(&parent.changed, "roles to end", &e))
				break;
	for (struct process *p = parent.processes; p; p = p->next)
		if (p->role == r && p->pid > 0 && (r != ROLE_MAILBOX || p->link)) {
			log_warn("kill", "who=%s.%u pid=%d why=\"did not end in time\"", role_name(r), p->instance, p->pid);
			kill(p->pid, SIGKILL);
		}
	return !any_alive(r);
}

static void hear_ready(struct link *l, void *tell)
{
	struct parent_ready *t = tell;
	struct process *p = l->state;

	if (!p)
		return;
	p->is_ready = true;
	if (p->role == ROLE_QUEUE)
		process_connect_queue(p);
	snprintf(p->warnings, sizeof(p->warnings), STR_FMT, STR_ARG(t->warnings));
	wait_wake_all(&parent.changed);
}

/* -- broken channels ------------------------------------------------------- */

struct broken {
	struct process *a, *b;
	pid_t a_pid, b_pid;
};

static bool is_still(const struct process *p, pid_t pid)
{
	const struct process *q = parent.processes;

	while (q && q != p)
		q = q->next;
	return q && p->link && p->pid == pid && !p->is_ending;
}

/* A role that died takes its channels along and gets new ones when it is started again; if both
 * still live after a moment, one of them has closed it. */
SUSPENDS static void mend(void *arg)
{
	struct broken *w = arg;
	struct err e = { 0 };

	if (fiber_sleep(MEND_PAUSE, &e) && is_still(w->a, w->a_pid) && is_still(w->b, w->b_pid)) {
		log_warn("channel", "role=%s.%u peer=%s.%u why=\"it broke; both get a new one\"", role_name(w->a->role),
			 w->a->instance, role_name(w->b->role), w->b->instance);
		process_connect(w->a, w->b, &e);
	}
	free(w);
}

static void hear_lost(struct link *l, void *tell)
{
	struct parent_lost *t = tell;
	struct process *a = l->state, *b = parent.processes;
	struct broken *w;

	while (b && (b->role != t->role || b->instance != t->instance))
		b = b->next;
	/* both sides say so; the one that calls is heard.  Another pid: it died, and its successor has its own */
	if (!a || !b || t->pid != (uint32_t)b->pid || !are_acquainted(a, b) || !role_may_call(a->role, b->role) || !b->link || parent.is_stopping)
		return;
	w = malloc(sizeof(*w));
	if (!w)
		return;
	*w = (struct broken){ a, b, a->pid, b->pid };
	if (!fiber_start(&parent.fibers, "mend", mend, w))
		free(w);
}

void process_hear(void)
{
	ipc_hear(IPC_parent_lost, hear_lost);
	ipc_hear(IPC_parent_ready, hear_ready);
}
