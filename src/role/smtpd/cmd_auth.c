/* cmd_auth.c — AUTH (RFC 4954): whose letters are these?
 *
 * In the clear no password is taken (§4; §6: 538).  Once it was right, the queue knows by the parent
 * whose session this is; nothing that we say later makes it another's. */
#include "role/smtpd/session.h"

#include "role/sasl_exchange.h"

enum { FAILURES_MAX = 5 };

static struct reply reply_of(struct session *s, const struct verdict *v)
{
	static const enum reply_id ids[LOGIN_RESULTS] = {
		[LOGIN_OK] = REPLY_AUTH_OK,             [LOGIN_FAILED] = REPLY_AUTH_FAILED,
		[LOGIN_LATER] = REPLY_AUTH_LATER,       [LOGIN_DISABLED] = REPLY_AUTH_REFUSED,
		[LOGIN_LIMIT] = REPLY_AUTH_LATER,       [LOGIN_NO_MAILBOX] = REPLY_AUTH_REFUSED,
		[LOGIN_UNAVAILABLE] = REPLY_AUTH_LATER,
	};

	if (v->result == LOGIN_OK)
		s->sender = SENDER_ACCOUNT;
	return (struct reply){ .id = ids[v->result], .text = v->text };
}

static struct reply reply_to_sasl(struct session *s, const struct sasl_end *end)
{
	if (end->is_for_other)
		return answer(REPLY_AUTH_OTHER);
	switch (end->why) {
	case SASL_WHY_NONE:
		return reply_of(s, &end->verdict);
	case SASL_WHY_CANCELLED:
		return answer(REPLY_AUTH_CANCELLED);
	case SASL_WHY_BASE64:
	case SASL_WHY_SYNTAX:
		return answer(REPLY_AUTH_BAD);
	case SASL_WHY_CREDENTIALS:
	case SASL_WHY_BINDING:
		break;
	}
	return reply_of(s, &(struct verdict){ .result = LOGIN_FAILED, .text = login_failed_text });
}

SUSPENDS struct reply cmd_auth(struct session *s, const struct smtp_command *c)
{
	enum sasl_mechanism m = sasl_mechanism_parse(c->mechanism);
	struct sasl_end end;
	struct reply r;
	struct err e = { 0 };
	bool ok = false;

	if (s->sender != SENDER_STRANGER)
		return answer(REPLY_AUTH_ALREADY);
	if (!s->listen || (!session_is_submission(s) && !s->listen->auth))
		return answer(REPLY_NOT_IMPLEMENTED);
	if (!claimant_may_log_in(&s->claim))
		return answer(REPLY_AUTH_NEEDS_TLS);
	if (!sasl_is_offered(&s->claim, m))
		return answer(REPLY_AUTH_MECHANISM);
	WITHIN(s->in->idle)
		ok = sasl_exchange(&s->claim, m, c->arg.n, c->arg, s->a, &end, &e);
	if (!ok)
		return session_lost(s, &e);
	r = reply_to_sasl(s, &end);
	return s->claim.failures >= FAILURES_MAX ? answer_last(REPLY_TOO_MANY_ERRORS) : r;
}
