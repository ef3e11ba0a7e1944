/* mailboxes.c — who may open a mailbox.
 *
 * `user` tells who an account is (uid, home); `queue` asks for the mailbox of an
 * account by name; the zygote makes the process; we hand a channel to each side.
 * Nobody else ever names an account to us. */
#include "role/parent/parent.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct account {
	uint32_t uid, gid;
	bool is_linux;
	char *home;
};

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
	*ret = p;
	return true;
}

SUSPENDS static bool serve_mailbox(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct parent_mailbox *q = question;
	struct parent_mailbox_answer *r = answer;
	struct account *account = NULL;
	AUTO(fd_end) int theirs = -1;
	struct process *p;

	if (parent.is_stopping && l->peer != ROLE_QUEUE)
		return fail(e, FAULT_TEMP, "the server is stopping");
	/* what `user` tells us may still be on its way */
	WITHIN(SECOND)
		while (!(account = map_get(&parent.accounts, q->account)))
			if (!wait_on(&parent.changed, "an account", e))
				return fail_in(e, "nobody said who " STR_FMT " is", STR_ARG(q->account));
	p = find_mailbox(q->account);
	if (!p && !make_mailbox(q->account, account, &p, a, e))
		return false;
	if (!process_pair(&r->channel, &theirs, e))
		return false;
	role_channel(p->link, &(struct role_channel){ .role = ROLE_QUEUE, .channel = theirs });
	return true;
}

void mailboxes_hear(void)
{
	ipc_hear(IPC_parent_account, hear_account);
	ipc_serve(IPC_parent_mailbox, serve_mailbox);
}
