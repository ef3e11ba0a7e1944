/* room.c — is there room where a recipient leads (decisions §2: asked at RCPT, and not again)?
 *
 * An address may lead to several accounts: it is refused only if all of them are full. */
#include "role/queue/queue_role.h"

#include "user/rcpt_answer.h"

SUSPENDS bool serve_room(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_room *q = question;
	struct queue_room_answer *r = answer;
	struct ipc_rcpt rcpt = { .local = q->local, .domain = q->domain, .epoch = q->epoch };
	struct user_route_answer where = { 0 };

	(void)l;
	rcpt.address = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(q->local), STR_ARG(q->domain));
	if (!route_all(S(""), &rcpt, 1, false, &where, a, e))
		return false;
	r->is_full = where.targets.n > 0;
	for (size_t i = 0; i < where.targets.n && r->is_full; i++) {
		const struct ipc_target *t = &where.targets.p[i];
		const struct conf_quota *quota = conf_quota_of(&conf_now()->quotas, t->account);

		r->is_full = t->kind == TARGET_ACCOUNT && quota && (quota->bytes || quota->letters) &&
			     carry_is_full(t->account);
	}
	return true;
}
