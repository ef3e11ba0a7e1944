/* cmd_data.c — DATA (RFC 5321 §4.1.1.4): the letter up to CRLF "." CRLF. */
#include "role/smtpd/session.h"

/* Behind 354.  What is read is all fed, so that nothing is pending when we read on. */
SUSPENDS static struct reply data_read(struct session *s)
{
	struct body *b = &s->t->body;
	struct err e = { 0 };

	for (;;) {
		struct str in = conn_pending(&s->conn);
		size_t n = in.n;
		bool is_end = dot_feed(&b->dot, &in, &b->held);

		conn_eat(&s->conn, n - in.n);
		body_keep(b, s->t->id);
		if (is_end)
			return letter_commit(s);
		if (!body_fill(b, &s->conn, &e))
			return session_lost(s, &e);
	}
}

SUSPENDS struct reply cmd_data(struct session *s, const struct smtp_command *c)
{
	struct reply r;

	(void)c;
	if (!session_may_send(s, &r)) {
		session_forget(s);
		return r;
	}
	s->then = data_read;
	return answer(REPLY_GO_AHEAD);
}
