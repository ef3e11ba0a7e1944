/* mailboxes.c — who may open a mailbox.
 *
 * `user` tells who an account is (uid, home); `queue`, and `control` for the administrator, ask for the
 * mailbox of an account by name; the zygote makes the process; we hand a channel to each side.
 * `user` also says whose a session of login is: then the account's mailbox gets one end of a new
 * stream and that session the other.  Nobody else ever names an account to us. */
#include "role/parent/parent.h"

#include "base/fd.h"
#include "base/log.h"
#include "ipc/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GRANT_WITHIN (20 * SECOND)

struct account {
	uint32_t uid, gid;
	bool is_linux;
	char *home;
};

static struct map being_made;            /* names of accounts whose mailbox is on its way */

static void hear_account(struct link *l, void *tell)
{
	struct parent_account *t = tell;
	struct account *was, *now = calloc(1, sizeof(*now));

	(void)l;
	must(now, "out of memory for an account");
	*now = (struct account){ t->uid, t->gid, t->is_linux, strndup(t->home.p ? t->home.p : "", t->home.n) };
	must(now->home, "out of memory for an account");
	was = map_put(&parent.accounts, t->account, now);
	if (was) {
		free(was->home);
		free(was);
	}
	wait_wake_all(&parent.changed);
}

static struct process *find_mailbox(struct str account)
{
	for (struct process *p = parent.processes; p; p = p->next)
		if (p->role == ROLE_MAILBOX && p->link && str_eq(account, str_from_z(p->account)))
			return p;
	return NULL;
}

static struct process *find_role(enum role r)
{
	for (struct process *p = parent.processes; p; p = p->next)
		if (p->role == r && p->link)
			return p;
	return NULL;
}

SUSPENDS static bool make_mailbox(struct str name, const struct account *a, struct process **ret, struct arena *ar,
				  struct err *e)
{
	AUTO(fd_end) int ours = -1, theirs = -1, log_r = -1, log_w = -1;
	struct zygote_mailbox_answer made;
	struct process *zygote = find_role(ROLE_ZYGOTE), *p;
	char who[300];

	if (!zygote)
		return fail(e, FAULT_TEMP, "the zygote is away");
	if (!process_pair(&ours, &theirs, e) || !process_log_pipe(&log_r, &log_w, e))
		return false;
	if (!zygote_mailbox(zygote->link, &(struct zygote_mailbox){
			.account = name, .uid = a->uid, .gid = a->gid, .is_linux = a->is_linux,
			.home = str_from_z(a->home), .channel = theirs, .log = log_w }, &made, ar, e))
		return fail_in(e, "start a mailbox");
	p = process_add(ROLE_MAILBOX, made.pid);
	p->pid = (pid_t)made.pid;
	snprintf(p->account, sizeof(p->account), STR_FMT, STR_ARG(name));
	snprintf(who, sizeof(who), "mailbox.%s", p->account);
	logs_start(fd_take(&log_r), who);
	p->link = link_open(fd_take(&ours), ROLE_PARENT, ROLE_MAILBOX, made.pid, name, &parent.fibers, e);
	if (!p->link) {
		process_remove(p);
		return false;
	}
	p->link->state = p;
	process_introduce(p);
	process_connect_queue(p);
	*ret = p;
	return true;
}

/* The one that runs, or a new one; the pointer holds until the next wait. */
SUSPENDS static bool get_mailbox(struct str name, struct process **ret, struct arena *a, struct err *e)
{
	struct account *account = NULL;
	bool ok;

	/* what `user` tells us may still be on its way */
	WITHIN(SECOND)
		while (!(account = map_get(&parent.accounts, name)))
			if (!wait_on(&parent.changed, "an account", e))
				return fail_in(e, "nobody said who " STR_FMT " is", STR_ARG(name));
	/* one for each account: who comes while it is made waits for it */
	while (map_get(&being_made, name))
		if (!wait_on(&parent.changed, "a mailbox", e))
			return fail_in(e, "start a mailbox");
	*ret = find_mailbox(name);
	if (*ret)
		return true;
	account = map_get(&parent.accounts, name);
	map_put(&being_made, name, &being_made);
	ok = make_mailbox(name, account, ret, a, e);
	map_remove(&being_made, name);
	wait_wake_all(&parent.changed);
	return ok;
}

SUSPENDS static bool serve_mailbox(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct parent_mailbox *q = question;
	struct parent_mailbox_answer *r = answer;
	AUTO(fd_end) int theirs = -1;
	struct process *p;

	if (parent.is_stopping && l->peer != ROLE_QUEUE)
		return fail(e, FAULT_TEMP, "the server is stopping");
	if (!get_mailbox(q->account, &p, a, e))
		return false;
	if (!process_pair(&r->channel, &theirs, e))
		return false;
	role_channel(p->link, &(struct role_channel){ .role = (uint8_t)l->peer, .channel = theirs });
	return true;
}

/* -- sessions -------------------------------------------------------------- */

enum { SESSION_TRIES = 3 };

static struct process *find_login(uint32_t instance)
{
	for (struct process *p = parent.processes; p; p = p->next)
		if (p->role == ROLE_LOGIN && p->instance == instance && p->link)
			return p;
	return NULL;
}

SUSPENDS static bool wait_ready(struct str account, struct process **ret, struct err *e)
{
	while (*ret && !(*ret)->is_ready) {
		if (!wait_on(&parent.changed, "a mailbox", e))
			return fail_in(e, "a mailbox that starts");
		*ret = find_mailbox(account);
	}
	return *ret || fail(e, FAULT_TEMP, "it could not start; its reason stands in the log");
}

/* A mailbox may end for want of work just when it is asked: then a new one is. */
SUSPENDS static bool open_session(const struct parent_grant *q, int stream, struct arena *a, struct err *e)
{
	struct mailbox_session_answer r;
	struct process *p;
	bool ok = false;

	for (int i = 0; i < SESSION_TRIES && !ok; i++) {
		if (!get_mailbox(q->account, &p, a, e) || !wait_ready(q->account, &p, e))
			return false;
		ok = mailbox_session(p->link, &(struct mailbox_session){
				.instance = q->instance, .session = q->session, .protocol = q->protocol,
				.peer = q->peer, .tls = q->tls, .stream = stream }, &r, a, e);
		if (!ok && e->sys != ENOLINK)
			return false;
	}
	return ok;
}

/* A session of smtpd: what it sends goes through the queue, which asks `user` by which addresses it may. */
static bool grant_sending(const struct parent_grant *q, struct err *e)
{
	struct process *queue = find_role(ROLE_QUEUE);

	if (!queue)
		return fail(e, FAULT_TEMP, "the queue is away");
	return link_say(queue->link, IPC_queue_account,
			&(struct queue_account){ .instance = q->instance, .session = q->session,
						 .sender = SENDER_ACCOUNT, .account = q->account }, e);
}

SUSPENDS static bool serve_grant(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct parent_grant *q = question;
	AUTO(fd_end) int one = -1, two = -1;
	struct process *login;
	bool ok = false;
	int sv[2];

	(void)l, (void)answer;
	if (parent.is_stopping)
		return fail(e, FAULT_TEMP, "the server is stopping");
	if (q->protocol == CONF_SUBMISSION)
		return grant_sending(q, e);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv))
		return fail_sys(e, FAULT_TEMP, errno, "socketpair");
	one = sv[0];
	two = sv[1];
	WITHIN(GRANT_WITHIN)
		ok = open_session(q, one, a, e);
	if (!ok)
		return fail_in(e, "the mailbox of " STR_FMT, STR_ARG(q->account));
	login = find_login(q->instance);
	if (!login)
		return fail(e, FAULT_TEMP, "login is away");
	return link_say(login->link, IPC_login_session,
			&(struct login_session){ .session = q->session, .stream = two }, e);
}

void mailboxes_leave(void)
{
	for (struct process *p = parent.processes; p; p = p->next)
		if (p->role == ROLE_MAILBOX && p->link && p->is_ready)
			mailbox_leave(p->link, &(struct mailbox_leave){ 0 });
}

void mailboxes_hear(void)
{
	ipc_serve(IPC_parent_grant, serve_grant);
	ipc_hear(IPC_parent_account, hear_account);
	ipc_serve(IPC_parent_mailbox, serve_mailbox);
}
