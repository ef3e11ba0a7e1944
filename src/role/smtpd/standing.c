/* standing.c — asks `user` about blocks and exceptions; see standing.h. */
#include "role/smtpd/standing.h"

#include "base/id.h"

#define USER_WITHIN (30 * SECOND)

static uint8_t flags;                    /* enum entries_flags */

static void hear_entries(struct link *l, void *tell)
{
	struct smtpd_entries *t = tell;

	(void)l;
	flags = t->flags;
}

void standing_open(void)
{
	ipc_hear(IPC_smtpd_entries, hear_entries);
}

bool standing_wants_letter(void)
{
	return flags & ENTRIES_LETTER;
}

SUSPENDS static bool ask(struct session *s, struct reply *ret)
{
	struct transaction *t = s->t;
	struct user_judge q = { .id = t->id, .peer = str_from_z(s->peer), .helo = str_from_z(s->helo), .from = t->mail_from };
	struct user_judge_answer r = { 0 };
	struct err e = { 0 };
	bool ok = false;

	if (flags & ENTRIES_HOST) {
		session_find_host(s);
		q.host = str_from_z(s->host);
		q.is_confirmed = s->host_is_confirmed;
	}
	WITHIN(USER_WITHIN)
		ok = user_judge(link_to(ROLE_USER), &q, &r, s->a, &e);
	if (!ok) {
		*ret = session_refuse(s, REPLY_NO_ROUTE, str_from_z(e.text));
		return false;
	}
	t->standing = r.standing == STANDING_BLOCKED || r.standing == STANDING_EXEMPT ? (enum standing)r.standing : STANDING_NONE;
	t->standing_why = arena_str(&t->a, r.why);
	return true;
}

bool standing_pass(struct session *s, struct reply *ret)
{
	struct transaction *t = s->t;

	if (t->is_ours || !flags)
		return true;
	if (t->standing == STANDING_UNKNOWN && !ask(s, ret))
		return false;
	if (t->standing != STANDING_BLOCKED)
		return true;
	*ret = session_refuse(s, REPLY_BLOCKED, t->standing_why);
	ret->text = arena_printf(s->a, "%s (%s)", reply_row(REPLY_BLOCKED)->text, ID_Z(t->id));
	return false;
}

bool standing_rehearse(struct user_judge *q, const uint8_t addr[16], struct user_judge_answer *r, struct arena *a,
		       struct err *e)
{
	bool is_confirmed = false;

	*r = (struct user_judge_answer){ .standing = STANDING_NONE };
	if (!flags)
		return true;
	if (flags & ENTRIES_HOST) {
		q->host = host_find(addr, &is_confirmed, a);
		q->is_confirmed = is_confirmed;
	}
	q->is_rehearsal = true;
	return user_judge(link_to(ROLE_USER), q, r, a, e);
}
