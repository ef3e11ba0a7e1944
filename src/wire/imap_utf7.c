/* imap_utf7.c — modified UTF-7; see imap_utf7.h.
 *
 * Between "&" and "-" stand UTF-16 units in base64, six bits a letter, with "," for "/"
 * and without padding. */
#include "wire/imap_utf7.h"

#include "base/utf8.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static bool is_printable(uint32_t c)
{
	return c >= ' ' && c < 0x7f;
}

/* One UTF-16 unit more.  *high is the first half of a pair, or 0.  Of a name's control
 * characters none is let through. */
static bool unit_add(char *p, size_t *n, uint32_t unit, uint32_t *high)
{
	uint32_t c = unit;

	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		c = 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00);
		*high = 0;
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	} else if (unit >= 0xdc00 && unit <= 0xdfff) {
		return false;
	}
	if (c < 0x80)
		return false;            /* it has a spelling of its own, or is a control character */
	if (c < 0x800) {
		p[(*n)++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		p[(*n)++] = (char)(0xe0 | c >> 12);
		p[(*n)++] = (char)(0x80 | (c >> 6 & 63));
	} else {
		p[(*n)++] = (char)(0xf0 | c >> 18);
		p[(*n)++] = (char)(0x80 | (c >> 12 & 63));
		p[(*n)++] = (char)(0x80 | (c >> 6 & 63));
	}
	p[(*n)++] = (char)(0x80 | (c & 63));
	return true;
}

/* What stands between "&" and "-"; not empty. */
static bool shifted_decode(struct str s, char *p, size_t *n)
{
	uint32_t bits = 0, high = 0;
	unsigned have = 0;

	for (size_t i = 0; i < s.n; i++) {
		int v = value(str_at(s, i));

		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have < 16)
			continue;
		have -= 16;
		if (!unit_add(p, n, bits >> have & 0xffff, &high))
			return false;
	}
	/* what is left over is less than a letter, and zero: one name, one spelling */
	return have < 6 && (bits & ((1U << have) - 1)) == 0 && high == 0;
}

bool imap_utf7_decode(struct str s, struct arena *a, struct str *ret)
{
	/* eight letters of base64 are three units, at most three octets each */
	char *p = arena_alloc(a, s.n * 9 / 8 + 4, 1);
	size_t n = 0;

	if (!p)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		struct str inner = str_from(s, i + 1);
		size_t end = str_find(inner, '-');

		if (!is_printable((uint32_t)str_at(s, i)))
			return false;
		if (s.p[i] != '&') {
			p[n++] = s.p[i];
			continue;
		}
		if (end == inner.n)
			return false;
		if (end == 0)
			p[n++] = '&';
		else if (!shifted_decode(str_head(inner, end), p, &n))
			return false;
		i += end + 1;
		/* "&…-&…-" could be one run */
		if (end && str_at(s, i + 1) == '&' && str_at(s, i + 2) != '-')
			return false;
	}
	*ret = str_of(p, n);
	return true;
}

/* Bits on their way into base64. */
struct bits {
	uint32_t v;
	unsigned n;
};

static void bits_add(struct buf *b, struct bits *w, uint32_t unit)
{
	w->v = w->v << 16 | unit;
	w->n += 16;
	while (w->n >= 6) {
		w->n -= 6;
		buf_add_char(b, alphabet[w->v >> w->n & 63]);
	}
}

static void bits_end(struct buf *b, struct bits *w)
{
	if (w->n)
		buf_add_char(b, alphabet[w->v << (6 - w->n) & 63]);
	*w = (struct bits){ 0 };
	buf_add_char(b, '-');
}

bool imap_utf7_add(struct buf *b, struct str s)
{
	struct bits w = { 0 };
	bool is_shifted = false;

	if (!utf8_valid(s))
		return false;
	for (size_t i = 0, n; i < s.n; i += n) {
		uint32_t c = 0;

		n = utf8_char(str_from(s, i), &c);
		if (is_shifted == is_printable(c)) {
			if (is_shifted)
				bits_end(b, &w);
			else
				buf_add_char(b, '&');
			is_shifted = !is_shifted;
		}
		if (!is_shifted) {
			buf_add(b, c == '&' ? S("&-") : str_sub(s, i, 1));
		} else if (c >= 0x10000) {
			bits_add(b, &w, 0xd800 + ((c - 0x10000) >> 10));
			bits_add(b, &w, 0xdc00 + ((c - 0x10000) & 0x3ff));
		} else {
			bits_add(b, &w, c);
		}
	}
	if (is_shifted)
		bits_end(b, &w);
	return true;
}
