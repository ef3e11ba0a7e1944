/* letter.c — a complete letter goes to the queue, whose answer we pass on. */
#include "role/smtpd/refused.h"
#include "role/smtpd/session.h"
#include "role/smtpd/standing.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"

#define COMMIT_WITHIN (4 * MINUTE)       /* clients wait ten (RFC 5321 §4.5.3.2.6) */

SUSPENDS bool session_may_send(struct session *s, struct reply *ret)
{
	struct user_letter q = { .peer = str_from_z(s->peer) };
	struct user_letter_answer r;
	struct err e = { 0 };

	if (s->is_friend || s->is_unlimited || s->in->letters.n == 0 || s->t->is_ours)
		return true;
	if (!user_letter(link_to(ROLE_USER), &q, &r, s->a, &e)) {
		*ret = session_refuse(s, REPLY_TEMPFAIL, str_from_z(e.text));
		return false;
	}
	if (r.allow)
		return true;
	*ret = session_refuse(s, REPLY_RATE, r.why);
	return false;
}

SUSPENDS static bool commit(struct session *s, struct transaction *t, struct queue_commit_answer *ret, struct err *e)
{
	AUTO(fd_end) int memfd = -1;
	struct tls_facts tls = conn_tls_facts(&s->conn);
	struct queue_commit q = {
		.id = t->id, .size = t->body.dot.size, .is_piped = t->body.pipe >= 0,
		.mail_from = t->mail_from, .body = (uint8_t)t->body_type, .smtputf8 = t->utf8, .ret = (uint8_t)t->ret,
		.envid = t->envid, .received = time_now(), .peer = s->sender >= SENDER_LOCAL ? S("") : str_from_z(s->peer), .helo = str_from_z(s->helo),
		.protocol = s->is_esmtp ? S("ESMTP") : S("SMTP"), .port = s->port, .is_friend = s->is_friend,
		.sender = (uint8_t)(t->is_ours && s->sender == SENDER_STRANGER ? SENDER_NETWORK :
				    t->is_ours ? s->sender : SENDER_STRANGER),
		.session = s->number, .host = str_from_z(s->host), .host_confirmed = s->host_is_confirmed,
		.judge_authors = !t->is_ours && standing_wants_letter(), .is_exempt = t->standing == STANDING_EXEMPT,
		.rcpts = { t->rcpts, t->n_rcpts }, .signals = { t->signals, t->n_signals },
	};
	bool ok = false;

	if (tls.version.n)
		q.tls = arena_printf(s->a, STR_FMT " " STR_FMT, STR_ARG(tls.version), STR_ARG(tls.cipher));
	if (!body_seal(&t->body, &memfd, &q.bytes, e))
		return false;
	q.letter = memfd;
	WITHIN(COMMIT_WITHIN)
		ok = queue_commit(link_to(ROLE_QUEUE), &q, ret, s->a, e);
	return ok;
}

/* Another role's number is a stranger's number: it must be one that may end a letter. */
static struct reply reply_from_queue(struct session *s, uint64_t id, const struct queue_commit_answer *r)
{
	struct reply said = { (enum reply_id)r->reply, r->text, false };

	if (r->reply == REPLY_QUEUED) {
		s->letters++;
		s->stagnant = s->deferred = 0;
		said.text = arena_printf(s->a, "%s: %s", reply_row(REPLY_QUEUED)->text, ID_Z(id));
		return said;
	}
	if (r->reply == REPLY_NONE || r->reply >= REPLY_COUNT || !reply_is_error(said.id))
		return session_refuse(s, REPLY_TEMPFAIL, S("the queue gave an answer that is none"));
	session_refuse(s, said.id, r->why);
	return said;
}

SUSPENDS struct reply letter_commit(struct session *s)
{
	AUTO(transaction_close) struct transaction *t = s->t;
	struct queue_commit_answer r = { 0 };
	struct err e = { 0 };
	enum reply_id why = body_judge(&t->body.dot);
	struct reply said;
	uint64_t id = t->id;

	s->t = NULL;     /* whatever comes of it, the transaction is over */
	s->note.kind = WHY_letter_refused;
	s->note.msg = id;
	s->note.from = arena_str(s->a, t->mail_from);
	if (why) {
		refused_tell_letter(s, t, why);
		said = session_refuse(s, why, S(""));
		said.close = t->body.dot.flags & DOT_END_DOUBTFUL;
		return said;
	}
	if (!commit(s, t, &r, &e))
		return session_refuse(s, REPLY_NO_QUEUE, str_from_z(e.text));
	t->id = 0;       /* taken, or thrown away by the queue */
	return reply_from_queue(s, id, &r);
}
