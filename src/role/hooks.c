/* hooks.c — see hooks.h; only in builds with -Dhooks=true. */
#include "role/hooks.h"

#include "base/fd.h"
#include "base/hooks.h"
#include "base/log.h"

#include <unistd.h>

static int page_fd = -1, tally_fd = -1;
static enum role self_role;

static uint8_t who_is(enum role r)
{
	return (uint8_t)(r + 1);
}

/* -- the parent ------------------------------------------------------------ */

static void tell_all(void)
{
	loop_clock_moved();
	for (struct link *l = link_next(NULL); l; l = link_next(l))
		role_hooks(l, &(struct role_hooks){ 0 });
}

static bool serve_clock(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct parent_clock *q = question;

	(void)l, (void)answer, (void)a;
	if (q->mono < hooks_mono())
		return fail(e, FAULT_PERM, "the monotonic clock does not go back");
	hooks_set_clock(q->wall, q->mono);
	tell_all();
	return true;
}

static bool serve_fault(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct parent_fault *q = question;
	struct fault_order o = { (enum fault_action)q->action, q->who, q->nth, q->value };

	(void)l, (void)answer, (void)a;
	if (q->point >= FAULT_POINTS || q->action > ACTION_KILL)
		return fail(e, FAULT_PERM, "no such fault");
	hooks_order((enum fault_point)q->point, &o);
	return true;
}

bool hooks_open(struct err *e)
{
	log_warn("hooks", "why=\"a build for tests: who may command it can make it fail\"");
	ipc_serve(IPC_parent_clock, serve_clock);
	ipc_serve(IPC_parent_fault, serve_fault);
	return hooks_make(who_is(ROLE_PARENT), &page_fd, &tally_fd, e);
}

void hooks_hand(struct link *l)
{
	role_hooks(l, &(struct role_hooks){ .page = page_fd, .tally = tally_fd });
}

/* -- a role ---------------------------------------------------------------- */

static void hear(struct link *l, void *tell)
{
	struct role_hooks *t = tell;
	struct err e;

	(void)l;
	if (t->page > 0 && !hooks_map(who_is(self_role), t->page, t->tally, &e)) {
		log_error("start", "why=%s", LOGQ(str_from_z(e.text)));
		_exit(78);
	}
	loop_clock_moved();
}

void hooks_hear(enum role who)
{
	self_role = who;
	ipc_hear(IPC_role_hooks, hear);
}
