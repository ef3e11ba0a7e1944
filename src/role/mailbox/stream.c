/* stream.c — a session's bytes; see stream.h. */
#include "role/mailbox/stream.h"

#include "fiber/conn.h"

struct str stream_pending(struct stream *s)
{
	return conn_pending(s->conn);
}

void stream_eat(struct stream *s, size_t n)
{
	conn_eat(s->conn, n);
}

SUSPENDS bool stream_fill(struct stream *s, struct err *e)
{
	return conn_fill(s->conn, e);
}

SUSPENDS bool stream_put(struct stream *s, struct str bytes, struct err *e)
{
	if (!bytes.n || conn_put(s->conn, bytes, e))
		return true;
	s->is_broken = true;
	return false;
}

SUSPENDS bool stream_flush(struct stream *s, struct err *e)
{
	return conn_flush(s->conn, e);
}

void stream_end(struct stream *s)
{
	s->conn = NULL;
}
