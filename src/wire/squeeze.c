/* squeeze.c — texts that repeat themselves; see squeeze.h. */
#include "wire/squeeze.h"

#include <stdlib.h>

enum {
	PIECE_MOST = 255,
	MATCH_LEAST = 6,                 /* octets: a shorter one saves nothing */
	BACK_MOST = 65535,
	SEEN_BITS = 13,
};

/* ---- squeeze ---- */

static size_t hash_at(const char *p)
{
	uint64_t v = 0;

	memcpy(&v, p, MATCH_LEAST);
	return (size_t)(v * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SEEN_BITS));
}

static void literals_add(struct str s, struct buf *to)
{
	for (; s.n >= PIECE_MOST; s = str_from(s, PIECE_MOST)) {
		buf_add_char(to, (char)PIECE_MOST);
		buf_add(to, str_head(s, PIECE_MOST));
	}
	buf_add_char(to, (char)s.n);
	buf_add(to, s);
}

static size_t match_length(struct str in, size_t was, size_t at)
{
	size_t n = 0;

	while (n < PIECE_MOST && at + n < in.n && in.p[was + n] == in.p[at + n])
		n++;
	return n;
}

static void pieces_add(struct str in, uint32_t *seen, struct buf *to)
{
	size_t done = 0, at = 0;

	while (at + MATCH_LEAST <= in.n) {
		size_t h = hash_at(in.p + at), was = seen[h], n = 0;

		seen[h] = (uint32_t)at + 1;      /* 0: not seen */
		if (was && at + 1 - was <= BACK_MOST)
			n = match_length(in, was - 1, at);
		if (n < MATCH_LEAST) {
			at++;
			continue;
		}
		literals_add(str_sub(in, done, at - done), to);
		buf_add_char(to, (char)n);
		buf_add_char(to, (char)((at + 1 - was) & 0xff));
		buf_add_char(to, (char)((at + 1 - was) >> 8));
		at += n;
		done = at;
	}
	literals_add(str_from(in, done), to);
	buf_add_char(to, '\0');
}

void squeeze(struct str in, struct buf *ret)
{
	uint32_t n = (uint32_t)in.n, *seen = calloc((size_t)1 << SEEN_BITS, sizeof(*seen));

	if (!seen || in.n > UINT32_MAX / 2) {
		free(seen);
		ret->full = true;
		return;
	}
	buf_add(ret, str_of(&n, sizeof(n)));
	pieces_add(in, seen, ret);
	free(seen);
}

/* ---- and back ---- */

/* n octets as they stand `back` before: they may overlap. */
static void repeat(char *to, size_t back, size_t n)
{
	if (back >= n) {
		memcpy(to, to - back, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		to[i] = to[(ptrdiff_t)i - (ptrdiff_t)back];
}

static bool pieces_read(struct str in, char *to, size_t size)
{
	size_t at = 0;

	while (in.n) {
		size_t n = (unsigned char)in.p[0], back;

		if (n > in.n - 1 || n > size - at)
			return false;
		memcpy(to + at, in.p + 1, n);
		at += n;
		in = str_from(in, n + 1);
		if (n == PIECE_MOST)
			continue;
		if (!in.n)
			return false;
		n = (unsigned char)in.p[0];
		in = str_from(in, 1);
		if (!n)
			continue;
		if (in.n < 2)
			return false;
		back = (size_t)(unsigned char)in.p[0] | (size_t)(unsigned char)in.p[1] << 8;
		if (!back || back > at || n > size - at)
			return false;
		repeat(to + at, back, n);
		at += n;
		in = str_from(in, 2);
	}
	return at == size;
}

bool unsqueeze(struct str in, size_t most, struct buf *ret)
{
	size_t was = ret->n;
	uint32_t size;
	char *to;

	if (in.n < sizeof(size))
		return false;
	memcpy(&size, in.p, sizeof(size));
	/* no piece gives more than 255 octets for two */
	if (size > most || size / PIECE_MOST > in.n)
		return false;
	to = buf_room(ret, (size_t)size + 1);
	if (to && pieces_read(str_from(in, sizeof(size)), to, size)) {
		ret->n = was + size;
		return true;
	}
	ret->n = was;
	return false;
}
