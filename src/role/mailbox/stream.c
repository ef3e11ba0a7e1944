/* stream.c — a session's bytes; see stream.h. */
#include "role/mailbox/stream.h"

#include "fiber/conn.h"
#include "fiber/conn_try.h"

#include <stdlib.h>
#include <zlib.h>

enum {
	PLAIN_MAX = 16 * 1024,           /* octets inflated at once: a bomb unfolds no further unread */
	DEFLATE_LEVEL = 5,
	DEFLATE_WINDOW = -13,            /* raw (RFC 1951); 8 KiB and a small table: 50 KiB per session */
	DEFLATE_MEMORY = 5,
	INFLATE_WINDOW = -15,            /* the client's may be as large as the format allows */
};

struct deflate {
	z_stream in, out;
	size_t at, n;                    /* of plain: pending */
	bool is_dirty;                   /* something was put since the last flush */
	bool is_wrong;                   /* what came is not deflated */
	char plain[PLAIN_MAX];
};

/* -- in -------------------------------------------------------------------- */

/* Inflate more of what came, if all of plain is eaten. */
static void unfold(struct stream *s)
{
	struct deflate *z = s->z;
	struct str in = conn_pending(s->conn);
	int r;

	if (z->at < z->n || z->is_wrong)
		return;
	z->in.next_in = (Bytef *)(uintptr_t)in.p;
	z->in.avail_in = (uInt)in.n;
	z->in.next_out = (Bytef *)z->plain;
	z->in.avail_out = PLAIN_MAX;
	r = inflate(&z->in, Z_SYNC_FLUSH);
	z->is_wrong = r != Z_OK && r != Z_BUF_ERROR;
	z->at = 0;
	z->n = PLAIN_MAX - z->in.avail_out;
	conn_eat(s->conn, in.n - z->in.avail_in);
}

struct str stream_pending(struct stream *s)
{
	if (!s->z)
		return conn_pending(s->conn);
	unfold(s);
	return str_of(s->z->plain + s->z->at, s->z->n - s->z->at);
}

void stream_eat(struct stream *s, size_t n)
{
	if (s->z)
		s->z->at += n;
	else
		conn_eat(s->conn, n);
}

SUSPENDS bool stream_fill(struct stream *s, struct err *e)
{
	if (!s->z)
		return conn_fill(s->conn, e);
	if (!stream_flush(s, e))
		return false;
	/* what came may have unfolded to more than fitted at once */
	for (unfold(s); s->z->at == s->z->n && !s->z->is_wrong; unfold(s))
		if (!conn_fill(s->conn, e))
			return false;
	return !s->z->is_wrong || fail(e, FAULT_PEER, "what came is not compressed");
}

void stream_rest(struct stream *s)
{
	if (!conn_pending(s->conn).n)
		conn_input_release(s->conn);
}

/* -- out ------------------------------------------------------------------- */

SUSPENDS static bool put_packed(struct stream *s, struct str bytes, int flush, struct err *e)
{
	z_stream *z = &s->z->out;
	char packed[1024];

	z->next_in = (Bytef *)(uintptr_t)bytes.p;
	z->avail_in = (uInt)bytes.n;
	do {
		z->next_out = (Bytef *)packed;
		z->avail_out = sizeof(packed);
		(void)deflate(z, flush);
		if (!conn_put(s->conn, str_of(packed, sizeof(packed) - z->avail_out), e))
			return false;
	} while (z->avail_out == 0);
	return true;
}

SUSPENDS static bool put(struct stream *s, struct str bytes, struct err *e)
{
	if (!s->z)
		return conn_put(s->conn, bytes, e);
	s->z->is_dirty = true;
	while (bytes.n) {
		struct str piece = str_head(bytes, 1 << 20);

		if (!put_packed(s, piece, Z_NO_FLUSH, e))
			return false;
		bytes = str_from(bytes, piece.n);
	}
	return true;
}

SUSPENDS bool stream_put(struct stream *s, struct str bytes, struct err *e)
{
	if (!bytes.n || put(s, bytes, e))
		return true;
	s->is_broken = true;
	return false;
}

SUSPENDS bool stream_flush(struct stream *s, struct err *e)
{
	if (s->z && s->z->is_dirty && !put_packed(s, S(""), Z_SYNC_FLUSH, e))
		return false;
	if (s->z)
		s->z->is_dirty = false;
	return conn_flush(s->conn, e);
}

/* -- life ------------------------------------------------------------------ */

bool stream_compress(struct stream *s, struct err *e)
{
	struct deflate *z = calloc(1, sizeof(*z));

	if (!z)
		return fail(e, FAULT_TEMP, "out of memory");
	if (inflateInit2(&z->in, INFLATE_WINDOW) != Z_OK) {
		free(z);
		return fail(e, FAULT_TEMP, "out of memory");
	}
	if (deflateInit2(&z->out, DEFLATE_LEVEL, Z_DEFLATED, DEFLATE_WINDOW, DEFLATE_MEMORY, Z_DEFAULT_STRATEGY) !=
	    Z_OK) {
		(void)inflateEnd(&z->in);
		free(z);
		return fail(e, FAULT_TEMP, "out of memory");
	}
	s->z = z;
	return true;
}

void stream_end(struct stream *s)
{
	if (s->z) {
		(void)inflateEnd(&s->z->in);
		(void)deflateEnd(&s->z->out);
	}
	free(s->z);
	*s = (struct stream){ 0 };
}
