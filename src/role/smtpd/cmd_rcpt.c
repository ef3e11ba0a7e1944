/* cmd_rcpt.c — RCPT (RFC 5321 §4.1.1.3): `user` says whose address it is. */
#include "role/smtpd/checks.h"
#include "role/smtpd/refused.h"
#include "role/smtpd/session.h"
#include "role/smtpd/standing.h"

#include "user/rcpt_answer.h"

#define USER_WITHIN (30 * SECOND)

/* What `user` said, as a reply.  Whoever left a letter here is gone: a report says what cannot be said. */
static enum reply_id reply_of(const struct session *s, uint8_t kind)
{
	switch ((enum rcpt_answer)kind) {
	case RCPT_OK: return REPLY_RCPT_OK;
	case RCPT_REFUSED: return s->sender == SENDER_DROP ? REPLY_RCPT_OK : REPLY_NO_SUCH_USER;
	case RCPT_NOT_OURS: return s->t->is_ours ? REPLY_RCPT_OK : REPLY_RELAY_DENIED;
	case RCPT_LOOP: return REPLY_LOOP;
	case RCPT_LATER: return REPLY_ROUTE_LATER;
	}
	return REPLY_NO_ROUTE;
}

/* Some of those who are no strangers ask at the wrong door. */
static struct str next_step(const struct session *s)
{
	return s->listen && s->listen->auth ? S("relaying denied; who sends by this server logs in first") :
		S("relaying denied; who sends by this server logs in, at port 587 or 465");
}

static struct reply refuse(struct session *s, enum reply_id id, struct str why)
{
	s->t->n_refused++;
	return session_refuse(s, id, why);
}

/* A role that does not answer is no reason to refuse: the letter waits in the queue, whatever it finds later. */
SUSPENDS static bool is_full(struct session *s, const struct user_rcpt *q, uint64_t epoch)
{
	struct queue_room_answer r = { 0 };
	struct err ignored;

	if (!s->conf->c.quotas.n)
		return false;
	WITHIN(USER_WITHIN)
		(void)queue_room(link_to(ROLE_QUEUE), &(struct queue_room){ .local = q->local, .domain = q->domain,
									    .epoch = epoch }, &r, s->a, &ignored);
	return r.is_full;
}

SUSPENDS struct reply cmd_rcpt(struct session *s, const struct smtp_command *c)
{
	struct user_rcpt q = { .local = c->path.local, .domain = c->path.domain, .peer = str_from_z(s->peer) };
	struct user_rcpt_answer r = { 0 };
	struct err e = { 0 };
	struct reply said;
	bool ok = false;

	s->note.kind = WHY_rcpt_refused;
	s->note.rcpt = c->path.text;
	s->note.from = s->t->mail_from;
	s->note.msg = s->t->id;
	if (s->t->n_rcpts >= s->in->max_recipients || s->t->n_rcpts >= IPC_LIST_MAX)
		return refuse(s, REPLY_TOO_MANY_RCPTS, S("over max-recipients"));
	WITHIN(USER_WITHIN)
		ok = user_rcpt(link_to(ROLE_USER), &q, &r, s->a, &e);
	if (!ok)
		return refuse(s, REPLY_NO_ROUTE, str_from_z(e.text));
	said = (struct reply){ reply_of(s, r.kind), r.text, false };
	if (said.id == REPLY_RELAY_DENIED)
		said.text = next_step(s);
	if (reply_is_error(said.id)) {
		refuse(s, said.id, r.why);
		return said;
	}
	if (!standing_pass(s, &said) || !checks_pass(s, c, &said)) {
		refused_note_rcpt(s, c, &said);
		s->t->n_refused++;
		return said;
	}
	if (is_full(s, &q, r.epoch))
		return refuse(s, s->conf->c.over_quota == CONF_OVER_QUOTA_REFUSE ? REPLY_MAILBOX_FULL_FOR_GOOD :
				 REPLY_MAILBOX_FULL, S("over its quota"));
	if (!transaction_add_rcpt(s->t, c, r.epoch, &e))
		return refuse(s, REPLY_TEMPFAIL, str_from_z(e.text));
	return answer(REPLY_RCPT_OK);
}
