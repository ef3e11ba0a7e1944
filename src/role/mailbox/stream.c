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
	bool has_in, has_out;            /* their states are there; at rest they are not */
	char *past;                      /* at rest: the last octets that came, which those to come may repeat */
	unsigned past_n;
	char *plain;                     /* PLAIN_MAX, or NULL: inflated … */
	size_t at, n;                    /* … and pending */
	bool is_full;                    /* there may be more without more coming */
	bool is_dirty;                   /* something was put since the last flush */
	const char *why;                 /* what comes cannot be read */
};

/* -- in -------------------------------------------------------------------- */

static bool inflater_wake(struct deflate *z)
{
	if (!z->plain)
		z->plain = malloc(PLAIN_MAX);
	if (!z->has_in && z->plain) {
		z->in = (z_stream){ 0 };
		z->has_in = inflateInit2(&z->in, INFLATE_WINDOW) == Z_OK;
		if (z->has_in && z->past_n)
			(void)inflateSetDictionary(&z->in, (const Bytef *)z->past, z->past_n);
		if (z->has_in) {
			free(z->past);
			z->past = NULL;
			z->past_n = 0;
		}
	}
	return z->has_in && z->plain;
}

/* Between two blocks, at the edge of an octet, all that counts is what was said before. */
static void inflater_rest(struct deflate *z)
{
	enum { BETWEEN_BLOCKS = 128 };
	char *past = NULL;
	unsigned n = 0;

	if (z->at < z->n || z->is_full || z->why)
		return;
	free(z->plain);
	z->plain = NULL;
	if (!z->has_in || z->in.data_type != BETWEEN_BLOCKS || inflateGetDictionary(&z->in, NULL, &n) != Z_OK)
		return;
	if (n && !(past = malloc(n)))
		return;
	if (n)
		(void)inflateGetDictionary(&z->in, (Bytef *)past, &n);
	(void)inflateEnd(&z->in);
	z->has_in = false;
	z->past = past;
	z->past_n = n;
}

/* Inflate more of what came, if all of plain is eaten. */
static void unfold(struct stream *s)
{
	struct deflate *z = s->z;
	struct str in = conn_pending(s->conn);
	int r;

	if (z->at < z->n || z->why || (!in.n && !z->is_full))
		return;
	if (!inflater_wake(z)) {
		z->why = "no memory to inflate what came";
		return;
	}
	z->in.next_in = (Bytef *)(uintptr_t)in.p;
	z->in.avail_in = (uInt)in.n;
	z->in.next_out = (Bytef *)z->plain;
	z->in.avail_out = PLAIN_MAX;
	r = inflate(&z->in, Z_SYNC_FLUSH);
	if (r != Z_OK && r != Z_BUF_ERROR)
		z->why = "what came is not compressed";
	z->at = 0;
	z->n = PLAIN_MAX - z->in.avail_out;
	z->is_full = z->in.avail_out == 0;
	conn_eat(s->conn, in.n - z->in.avail_in);
}

struct str stream_pending(struct stream *s)
{
	if (!s->z)
		return conn_pending(s->conn);
	unfold(s);
	return s->z->plain ? str_of(s->z->plain + s->z->at, s->z->n - s->z->at) : S("");
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
	for (unfold(s); s->z->at == s->z->n && !s->z->why; unfold(s))
		if (!conn_fill(s->conn, e))
			return false;
	return s->z->at < s->z->n || fail(e, FAULT_PEER, "%s", s->z->why);
}

/* Behind a flush the compressor starts at the edge of an octet: another one may go on. */
void stream_rest(struct stream *s)
{
	if (!conn_pending(s->conn).n)
		conn_input_release(s->conn);
	if (!s->z)
		return;
	inflater_rest(s->z);
	if (s->z->has_out && !s->z->is_dirty) {
		(void)deflateEnd(&s->z->out);
		s->z->has_out = false;
	}
}

/* -- out ------------------------------------------------------------------- */

static bool deflater_wake(struct deflate *z)
{
	if (!z->has_out) {
		z->out = (z_stream){ 0 };
		z->has_out = deflateInit2(&z->out, DEFLATE_LEVEL, Z_DEFLATED, DEFLATE_WINDOW, DEFLATE_MEMORY,
					  Z_DEFAULT_STRATEGY) == Z_OK;
	}
	return z->has_out;
}

SUSPENDS static bool put_packed(struct stream *s, struct str bytes, int flush, struct err *e)
{
	z_stream *z = &s->z->out;
	char packed[1024];

	if (!deflater_wake(s->z))
		return fail(e, FAULT_TEMP, "no memory to compress");
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
	s->z = calloc(1, sizeof(*s->z));
	return s->z || fail(e, FAULT_TEMP, "out of memory");
}

void stream_end(struct stream *s)
{
	if (s->z) {
		if (s->z->has_in)
			(void)inflateEnd(&s->z->in);
		if (s->z->has_out)
			(void)deflateEnd(&s->z->out);
		free(s->z->past);
		free(s->z->plain);
	}
	free(s->z);
	*s = (struct stream){ 0 };
}
