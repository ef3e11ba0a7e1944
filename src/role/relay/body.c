/* body.c — a letter as it goes out: behind DATA with each dot that begins a line doubled (RFC 5321 §4.5.2), or as BDAT
 * chunks (RFC 3030).
 *
 * Not a byte is changed besides; so a letter with a CR or LF alone is never sent:
 * the other server might see an end where there is none (attack A26). */
#include "role/relay/relay.h"
#include "role/relay/peer.h"

#include <stdlib.h>

enum { CHUNK_MAX = 1 << 20 };

/* Looks at lines across the borders of pieces. */
struct lines {
	char last[2];            /* the two octets before; a letter begins behind a line end */
};

static void lines_begin(struct lines *l)
{
	memcpy(l->last, "\r\n", 2);
}

static void lines_went(struct lines *l, struct str piece)
{
	if (piece.n == 1)
		l->last[0] = l->last[1];
	else if (piece.n > 1)
		l->last[0] = piece.p[piece.n - 2];
	if (piece.n)
		l->last[1] = piece.p[piece.n - 1];
}

/* Every LF behind a CR, every CR before an LF? */
static bool lines_whole(const struct lines *l, struct str piece)
{
	const char *p = piece.p, *end = piece.p + piece.n;

	if (piece.n && l->last[1] == '\r' && *p != '\n')
		return false;
	for (; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		if ((p > piece.p ? p[-1] : l->last[1]) != '\r')
			return false;
	for (p = piece.p; p < end && (p = memchr(p, '\r', (size_t)(end - p))); p++)
		if (p + 1 < end && p[1] != '\n')
			return false;
	return true;
}

static bool fail_bare(struct err *e)
{
	return fail(e, FAULT_PERM, "554 5.6.0 the letter has a CR or LF alone, which SMTP cannot carry");
}

/* Up to and with the LF before a dot that begins a line, or all. */
static size_t until_dot(struct str s)
{
	const char *p = s.p, *end = s.p + s.n;

	for (; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		if (p + 1 < end && p[1] == '.')
			return (size_t)(p + 1 - s.p);
	return s.n;
}

SUSPENDS static bool put_within(struct peer *s, struct str piece, struct err *e)
{
	bool ok = false;

	WITHIN(peer_patience(WAIT_BLOCK))
		ok = conn_put(&s->c, piece, e);
	if (!ok && e->timed_out)
		fail(e, FAULT_PEER, "the server takes nothing of the letter");
	return ok;
}

SUSPENDS static bool put_dotted(struct peer *s, struct lines *l, struct str piece, struct err *e)
{
	bool at_dot = l->last[1] == '\n' && str_at(piece, 0) == '.';

	if (!lines_whole(l, piece))
		return fail_bare(e);
	lines_went(l, piece);
	while (piece.n) {
		size_t n;

		if (at_dot && !put_within(s, S("."), e))
			return false;
		n = until_dot(piece);
		if (!put_within(s, str_head(piece, n), e))
			return false;
		piece = str_from(piece, n);
		at_dot = true;
	}
	return true;
}

SUSPENDS static bool send_dotted(struct peer *s, struct job *j, char *block, struct err *e)
{
	struct letter_reader r;
	struct lines l;
	struct str piece;

	lines_begin(&l);
	if (!letter_reader_init(&r, &j->src, &j->view, block, e))
		return false;
	do {
		if (!letter_reader_next(&r, &piece, e) || !put_dotted(s, &l, piece, e))
			return false;
	} while (piece.n);
	if (l.last[1] == '\r')
		return fail_bare(e);
	return (l.last[1] == '\n' || put_within(s, S("\r\n"), e)) && put_within(s, S(".\r\n"), e);
}

SUSPENDS static bool with_block(struct peer *s, struct job *j, struct err *e,
				SUSPENDS bool (*send)(struct peer *s, struct job *j, char *block, struct err *e))
{
	char *block = j->src.fd >= 0 ? malloc(LETTER_BLOCK) : NULL;
	bool ok = j->src.fd < 0 || block ? send(s, j, block, e) : fail(e, FAULT_TEMP, "no memory for the letter");

	free(block);
	if (!ok)
		s->is_broken = true;     /* half a letter stands there */
	return ok;
}

SUSPENDS bool body_send_dotted(struct peer *s, struct job *j, struct err *e)
{
	steps_addf(s->steps, "client", true, "(the letter, %llu octets)", (unsigned long long)j->size);
	return with_block(s, j, e, send_dotted);
}

/* -- BDAT -------------------------------------------------------------------------- */

struct chunks {
	uint64_t left;           /* of the letter */
	uint64_t in_chunk;       /* still to come in the chunk under way */
};

SUSPENDS static bool next_chunk(struct peer *s, struct chunks *c, struct err *e)
{
	struct buf b = buf_over((char[48]){ 0 }, 48);

	c->in_chunk = c->left < CHUNK_MAX ? c->left : CHUNK_MAX;
	buf_addf(&b, "BDAT %llu%s", (unsigned long long)c->in_chunk, c->in_chunk == c->left ? " LAST" : "");
	return peer_put(s, buf_str(&b), e);
}

/* A chunk that is not the last is over: is it taken? */
SUSPENDS static bool end_chunk(struct peer *s, struct chunks *c, struct err *e)
{
	if (c->in_chunk || c->left == 0)
		return true;
	if (!peer_read(s, WAIT_BLOCK, e))
		return false;
	if (client_reply_class(s->r) != 2)
		return fail(e, FAULT_NONE, "%s", "");    /* the reply says it */
	return next_chunk(s, c, e);
}

SUSPENDS static bool put_chunked(struct peer *s, struct chunks *c, struct str piece, struct err *e)
{
	while (piece.n) {
		size_t n = piece.n < c->in_chunk ? piece.n : (size_t)c->in_chunk;

		if (!put_within(s, str_head(piece, n), e))
			return false;
		piece = str_from(piece, n);
		c->in_chunk -= n;
		c->left -= n;
		if (!end_chunk(s, c, e))
			return false;
	}
	return true;
}

SUSPENDS static bool send_chunks(struct peer *s, struct job *j, char *block, struct err *e)
{
	struct chunks c = { .left = j->size };
	struct letter_reader r;
	struct lines l;
	struct str piece;

	lines_begin(&l);
	if (!letter_reader_init(&r, &j->src, &j->view, block, e) || !next_chunk(s, &c, e))
		return false;
	for (;;) {
		if (!letter_reader_next(&r, &piece, e))
			return false;
		if (!piece.n)
			break;
		if (!lines_whole(&l, piece))
			return fail_bare(e);
		lines_went(&l, piece);
		/* the last octets wait for the judgement of all */
		if (piece.n >= c.left && l.last[1] == '\r')
			return fail_bare(e);
		if (!put_chunked(s, &c, piece, e))
			return false;
	}
	return true;
}

SUSPENDS bool body_send_chunks(struct peer *s, struct job *j, struct err *e)
{
	return with_block(s, j, e, send_chunks);
}
