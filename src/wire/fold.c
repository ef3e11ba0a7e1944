/* fold.c — folding for comparison; see fold.h. */
#include "wire/fold.h"

#include "base/utf8.h"
#include "wire/fold_tables.h"

enum {
	HANGUL_FIRST = 0xac00, HANGUL_LAST = 0xd7a3,
	HANGUL_L = 0x1100, HANGUL_V = 0x1161, HANGUL_T = 0x11a7,
	HANGUL_V_N = 21, HANGUL_T_N = 28,
};

static size_t ascii_run(struct str s)
{
	uint64_t eight;
	size_t n = 0;

	while (n + sizeof(eight) <= s.n) {
		memcpy(&eight, s.p + n, sizeof(eight));
		if (eight & 0x8080808080808080u)
			break;
		n += sizeof(eight);
	}
	while (n < s.n && (unsigned char)s.p[n] < 0x80)
		n++;
	return n;
}

/* Eight ASCII letters at once: of those from 'a' on, but not of those behind 'z', the first sum has
 * the upper bit. */
static uint64_t eight_upper(uint64_t v)
{
	uint64_t is_small = (v + 0x1f1f1f1f1f1f1f1fu) & ~(v + 0x0505050505050505u) & 0x8080808080808080u;

	return v - (is_small >> 2);
}

static void ascii_add(struct buf *ret, struct str s)
{
	char *to = buf_room(ret, s.n);
	uint64_t eight;
	size_t i = 0;

	for (; to && i + sizeof(eight) <= s.n; i += sizeof(eight)) {
		memcpy(&eight, s.p + i, sizeof(eight));
		eight = eight_upper(eight);
		memcpy(to + i, &eight, sizeof(eight));
	}
	for (; to && i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		to[i] = (char)(c - ((unsigned)(c - 'a') < 26 ? 32 : 0));
	}
}

/* A jamo: three octets of UTF-8. */
static void jamo_add(struct buf *ret, uint32_t cp)
{
	buf_add_char(ret, (char)(0xe0 | cp >> 12));
	buf_add_char(ret, (char)(0x80 | (cp >> 6 & 0x3f)));
	buf_add_char(ret, (char)(0x80 | (cp & 0x3f)));
}

/* Unicode §3.12: a syllable is computed from its parts. */
static void hangul_add(struct buf *ret, uint32_t cp)
{
	uint32_t i = cp - HANGUL_FIRST, t = i % HANGUL_T_N;

	jamo_add(ret, HANGUL_L + i / (HANGUL_V_N * HANGUL_T_N));
	jamo_add(ret, HANGUL_V + i / HANGUL_T_N % HANGUL_V_N);
	if (t)
		jamo_add(ret, HANGUL_T + t);
}

static const struct fold_row *row_find(uint32_t cp)
{
	size_t from = 0, to = fold_rows_n;

	if (!(fold_pages[cp >> 11] >> (cp >> 8 & 7) & 1))
		return NULL;
	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (fold_rows[mid].cp < cp)
			from = mid + 1;
		else
			to = mid;
	}
	return from < fold_rows_n && fold_rows[from].cp == cp ? &fold_rows[from] : NULL;
}

void fold_add(struct buf *ret, struct str text)
{
	while (text.n && !ret->full) {
		size_t n = ascii_run(text);
		const struct fold_row *row;
		uint32_t cp = 0;

		ascii_add(ret, str_head(text, n));
		text = str_from(text, n);
		if (!text.n)
			break;
		n = utf8_char(text, &cp);
		row = n ? row_find(cp) : NULL;
		if (row)
			buf_add(ret, str_of(fold_pool + row->at, row->n));
		else if (cp >= HANGUL_FIRST && cp <= HANGUL_LAST)
			hangul_add(ret, cp);
		else
			buf_add(ret, str_head(text, n ? n : 1));
		text = str_from(text, n ? n : 1);
	}
}
