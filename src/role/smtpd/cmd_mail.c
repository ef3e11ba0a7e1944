/* cmd_mail.c — MAIL (RFC 5321 §4.1.1.2): a letter begins. */
#include "role/smtpd/ids.h"
#include "role/smtpd/session.h"

#define QUEUE_WITHIN (30 * SECOND)

static bool may_have_bare_newlines(const struct session *s)
{
	return s->listen && conf_nets_has(&s->listen->allow_bare_newline, s->addr);
}

/* Whose letter is it?  On failure *ret is the refusal. */
SUSPENDS static bool sender_check(struct session *s, const struct smtp_command *c, bool *ret_is_ours, struct reply *ret)
{
	struct queue_sender q = { .session = s->number,
				  .sender = (uint8_t)(s->sender == SENDER_STRANGER ? SENDER_NETWORK : s->sender),
				  .peer = str_from_z(s->peer), .mail_from = c->path.text };
	struct queue_sender_answer r = { 0 };
	struct err e = { 0 };
	bool ok = false;

	*ret_is_ours = false;
	if (s->sender == SENDER_STRANGER && session_is_submission(s)) {
		*ret = answer(session_offers_auth(s) ? REPLY_NEED_AUTH : REPLY_NEED_TLS);
		return false;
	}
	if (s->sender == SENDER_STRANGER && !s->has_network)
		return true;
	WITHIN(QUEUE_WITHIN)
		ok = queue_sender(link_to(ROLE_QUEUE), &q, &r, s->a, &e);
	*ret_is_ours = ok && r.answer == SENDER_IS_OURS;
	if (*ret_is_ours || (ok && r.answer == SENDER_IS_STRANGER && s->sender == SENDER_STRANGER))
		return true;
	if (!ok || r.reply >= REPLY_COUNT || !reply_is_error((enum reply_id)r.reply)) {
		*ret = session_refuse(s, REPLY_NO_QUEUE, str_from_z(e.text));
		return false;
	}
	session_refuse(s, (enum reply_id)r.reply, r.why);
	*ret = (struct reply){ (enum reply_id)r.reply, r.text, false };
	return false;
}

SUSPENDS struct reply cmd_mail(struct session *s, const struct smtp_command *c)
{
	uint64_t id = 0;
	struct err e = { 0 };
	struct reply refusal;
	bool ok = false, is_ours;

	s->note.kind = WHY_sender_refused;
	s->note.from = c->path.text;
	if (c->has_size && c->size > s->in->max_size)
		return session_refuse(s, REPLY_TOO_BIG, S("SIZE= is over max-size"));
	WITHIN(QUEUE_WITHIN)
		ok = ids_take(s->a, &id, &e);
	if (!ok)
		return session_refuse(s, e.fault == FAULT_PERM ? REPLY_NO_STORAGE : REPLY_NO_QUEUE, str_from_z(e.text));
	s->note.msg = id;
	if (!sender_check(s, c, &is_ours, &refusal)) {
		queue_forget(link_to(ROLE_QUEUE), &(struct queue_forget){ .id = id });
		return refusal;
	}
	s->t = transaction_open(id, c, s->in, may_have_bare_newlines(s));
	if (s->t) {
		s->t->is_ours = is_ours;
		return answer(REPLY_SENDER_OK);
	}
	queue_forget(link_to(ROLE_QUEUE), &(struct queue_forget){ .id = id });
	return session_refuse(s, REPLY_NO_RESOURCES, S("no memory for a letter"));
}
