/* cmd_bdat.c — BDAT (RFC 3030 §2): the letter in chunks of announced size.
 *
 * Whatever is wrong, the announced bytes are read first, so that they are never
 * taken for commands; then the whole transaction is gone. */
#include "role/smtpd/session.h"

enum { SWALLOW_FACTOR = 4 };     /* × max-size; nobody means a larger chunk */

/* Read n bytes, and feed them unless they are to be thrown away. */
SUSPENDS static bool chunk_read(struct session *s, struct body *b, uint64_t n, bool feed, struct err *e)
{
	while (n) {
		struct str in = conn_pending(&s->conn);

		if (in.n == 0) {
			if (!body_fill(b, &s->conn, e))
				return false;
			continue;
		}
		in = str_head(in, n < in.n ? (size_t)n : in.n);
		if (feed)
			bdat_feed(&b->dot, in, &b->held);
		conn_eat(&s->conn, in.n);
		n -= in.n;
		if (feed)
			body_keep(b, s->t->id);
	}
	return true;
}

SUSPENDS struct reply bdat_refuse(struct session *s, uint64_t size, struct reply r)
{
	struct body b;
	struct err e = { 0 };
	bool ok;

	session_forget(s);
	if (size / SWALLOW_FACTOR > s->in->max_size) {
		r.close = true;
		return r;
	}
	body_init(&b, s->in, false);
	ok = chunk_read(s, &b, size, false, &e);
	body_end(&b);
	return ok ? r : session_lost(s, &e);
}

SUSPENDS struct reply cmd_bdat(struct session *s, const struct smtp_command *c)
{
	struct transaction *t = s->t;
	struct err e = { 0 };
	struct reply r = { 0 };
	enum reply_id why;

	if (!t->is_chunked && !session_may_send(s, &r))
		return bdat_refuse(s, c->size, r);
	t->is_chunked = true;
	s->note.kind = WHY_letter_refused;
	s->note.msg = t->id;
	s->note.from = arena_str(s->a, t->mail_from);
	if (c->size > s->in->max_size - t->body.dot.size)
		return bdat_refuse(s, c->size, session_refuse(s, REPLY_TOO_BIG, S("the chunks are over max-size")));
	if (!chunk_read(s, &t->body, c->size, true, &e))
		return session_lost(s, &e);
	if (c->is_last) {
		bdat_end(&t->body.dot, &t->body.held);
		body_keep(&t->body, t->id);
		return letter_commit(s);
	}
	why = body_judge(&t->body.dot);
	if (why) {
		session_forget(s);
		return session_refuse(s, why, S(""));
	}
	s->stagnant += c->size == 0;
	r.id = REPLY_CHUNK_OK;
	r.text = arena_printf(s->a, "%llu octets received", (unsigned long long)c->size);
	return r;
}
