/* text.c — base64 and xtext; see text.h. */
#include "wire/text.h"

#include "base/utf8.h"
#include "wire/utf8_add.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of an octet, plus one; 0: it has none. */
static const uint8_t values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['/'] = 64,
};

/* Four octets, of which n are not padding, as three; padding counts as zeros. */
static bool base64_four(const char *p, size_t n, uint32_t *ret)
{
	unsigned a = values[(uint8_t)p[0]], b = values[(uint8_t)p[1]];
	unsigned c = n > 2 ? values[(uint8_t)p[2]] : 1, d = n > 3 ? values[(uint8_t)p[3]] : 1;

	*ret = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
	return a && b && c && d;
}

bool base64_decode(struct str s, struct arena *a, struct str *ret)
{
	size_t pad = s.n == 0 || str_at(s, s.n - 1) != '=' ? 0 : str_at(s, s.n - 2) == '=' ? 2 : 1;
	size_t n = s.n / 4 * 3;
	uint32_t v = 0;
	char *p;

	if (s.n % 4)
		return false;
	p = arena_alloc(a, n, 1);
	if (!p)
		return false;
	for (size_t i = 0; i < s.n / 4; i++) {
		if (!base64_four(s.p + 4 * i, i + 1 < s.n / 4 ? 4 : 4 - pad, &v))
			return false;
		p[3 * i] = (char)(v >> 16);
		p[3 * i + 1] = (char)(v >> 8);
		p[3 * i + 2] = (char)v;
	}
	/* what padding leaves over must be zero: one value, one spelling */
	if (v & (pad == 2 ? 0xffffU : pad == 1 ? 0xffU : 0U))
		return false;
	*ret = str_of(p, n - pad);
	return true;
}

void base64_add(struct buf *b, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t n = bytes.n - i < 3 ? bytes.n - i : 3;
		uint32_t v = (uint32_t)str_at(bytes, i) << 16;

		if (n > 1)
			v |= (uint32_t)str_at(bytes, i + 1) << 8;
		if (n > 2)
			v |= (uint32_t)str_at(bytes, i + 2);
		buf_add_char(b, alphabet[v >> 18]);
		buf_add_char(b, alphabet[v >> 12 & 63]);
		buf_add_char(b, n > 1 ? alphabet[v >> 6 & 63] : '=');
		buf_add_char(b, n > 2 ? alphabet[v & 63] : '=');
	}
}

bool xtext_decode(struct str s, bool utf8, struct arena *a, struct str *ret)
{
	char *p = arena_alloc(a, s.n, 1);
	size_t n = 0;

	if (!p || (utf8 ? !utf8_valid(s) : !str_is_ascii(s)))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i), high, low;

		if (c <= ' ' || c == '=' || c == 0x7f)
			return false;
		if (c == '+') {
			high = ascii_hex(str_at(s, i + 1));
			low = ascii_hex(str_at(s, i + 2));
			c = high < 0 || low < 0 ? -1 : high * 16 + low;
			if (c < ' ' || c >= 0x7f)
				return false;
			i += 2;
		}
		p[n++] = (char)c;
	}
	*ret = str_of(p, n);
	return true;
}

void xtext_add(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (c > ' ' && c != '+' && c != '=' && c != 0x7f)
			buf_add_char(b, (char)c);
		else
			buf_addf(b, "+%02X", (unsigned)c);
	}
}

/* "\x{FC}": its length, or 0.  Of ASCII only what may not stand as it is. */
static size_t embedded(struct str s, uint32_t *ret)
{
	uint32_t c = 0;
	size_t i = 3;

	if (!str_starts(s, S("\\x{")) || str_at(s, i) == '0')
		return 0;
	for (; i < 9 && ascii_hex(str_at(s, i)) >= 0; i++)
		c = c * 16 + (uint32_t)ascii_hex(str_at(s, i));
	if (i < 5 || str_at(s, i) != '}' || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (c < 0x80 && c != ' ' && c != '+' && c != '=' && c != '\\')
		return 0;
	*ret = c;
	return i + 1;
}

static bool stands_as_it_is(uint32_t c, bool is_utf8)
{
	return c > ' ' && c != '+' && c != '=' && c != '\\' && c != 0x7f && (c < 0x80 || is_utf8);
}

bool unitext_decode(struct str s, bool is_utf8, struct arena *a, struct str *ret)
{
	struct buf b = buf_over(arena_alloc(a, s.n, 1), s.n);

	while (s.n) {
		uint32_t c = 0;
		size_t n = embedded(s, &c);

		if (!n && (!(n = utf8_char(s, &c)) || !stands_as_it_is(c, is_utf8)))
			return false;
		utf8_add(&b, c);
		s = str_from(s, n);
	}
	*ret = buf_str(&b);
	return !b.full;
}

void unitext_add(struct buf *b, struct str s, bool is_utf8)
{
	while (s.n) {
		uint32_t c = 0xfffd;
		size_t n = utf8_char(s, &c);

		if (stands_as_it_is(c, is_utf8))
			utf8_add(b, c);
		else
			buf_addf(b, "\\x{%02X}", c);
		s = str_from(s, n ? n : 1);
	}
}
