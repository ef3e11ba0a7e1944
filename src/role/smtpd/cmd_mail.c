/* cmd_mail.c — MAIL (RFC 5321 §4.1.1.2): a letter begins. */
#include "role/smtpd/ids.h"
#include "role/smtpd/session.h"

#define QUEUE_WITHIN (30 * SECOND)

static bool may_have_bare_newlines(const struct session *s)
{
	return s->listen && conf_nets_has(&s->listen->allow_bare_newline, s->addr);
}

SUSPENDS struct reply cmd_mail(struct session *s, const struct smtp_command *c)
{
	uint64_t id = 0;
	struct err e = { 0 };
	bool ok = false;

	s->note.kind = WHY_sender_refused;
	s->note.from = c->path.text;
	if (c->has_size && c->size > s->in->max_size)
		return session_refuse(s, REPLY_TOO_BIG, S("SIZE= is over max-size"));
	WITHIN(QUEUE_WITHIN)
		ok = ids_take(s->a, &id, &e);
	if (!ok)
		return session_refuse(s, e.fault == FAULT_PERM ? REPLY_NO_STORAGE : REPLY_NO_QUEUE, str_from_z(e.text));
	s->note.msg = id;
	s->t = transaction_open(id, c, s->in, may_have_bare_newlines(s));
	if (s->t)
		return answer(REPLY_SENDER_OK);
	queue_forget(link_to(ROLE_QUEUE), &(struct queue_forget){ .id = id });
	return session_refuse(s, REPLY_NO_RESOURCES, S("no memory for a letter"));
}
