/* charset.c — from any charset to UTF-8; see charset.h. */
#include "wire/charset.h"

#include "base/utf8.h"
#include "wire/charset_tables.h"
#include "wire/utf8_add.h"

#include <errno.h>
#include <iconv.h>

enum { LABEL_MAX = 40, CHARSETS_MAX = 64 };

/* One for each row of charsets[] that needs it; 0 if it is not open. */
static iconv_t open_iconv[CHARSETS_MAX];

bool charset_open_all(struct err *e)
{
	bool ok = true;

	must(charsets_n <= CHARSETS_MAX, "there is a place for every charset");
	for (size_t i = 0; i < charsets_n; i++) {
		iconv_t cd;

		if (charsets[i].kind != CHARSET_ICONV || open_iconv[i])
			continue;
		cd = iconv_open("UTF-8", charsets[i].iconv_name);
		if (cd != (iconv_t)-1)
			open_iconv[i] = cd;
		else if (ok)
			ok = fail_sys(e, FAULT_PERM, errno, "charset " STR_FMT, STR_ARG(charsets[i].name));
	}
	return ok;
}

void charset_close_all(void)
{
	for (size_t i = 0; i < charsets_n; i++) {
		if (open_iconv[i])
			iconv_close(open_iconv[i]);
		open_iconv[i] = 0;
	}
}

const struct charset *charset_find(struct str label)
{
	size_t low = 0, high = charset_labels_n;
	char lower[LABEL_MAX];

	label = str_trim(label);
	if (label.n == 0 || label.n > sizeof(lower))
		return NULL;
	for (size_t i = 0; i < label.n; i++)
		lower[i] = (char)ascii_lower(str_at(label, i));
	label = str_of(lower, label.n);
	while (low < high) {
		size_t middle = (low + high) / 2;
		int d = str_cmp(label, charset_labels[middle].label);

		if (d == 0) {
			size_t i = charset_labels[middle].index;

			return charsets[i].kind == CHARSET_ICONV && !open_iconv[i] ? NULL : &charsets[i];
		}
		if (d < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

struct str charset_name(const struct charset *c)
{
	return c->name;
}

/* Length of the ASCII at the beginning of s. */
static size_t ascii_length(struct str s)
{
	size_t n = 0;
	uint64_t eight;

	while (s.n - n >= sizeof(eight)) {
		memcpy(&eight, s.p + n, sizeof(eight));
		if (eight & UINT64_C(0x8080808080808080))
			break;
		n += sizeof(eight);
	}
	while (n < s.n && str_at(s, n) < 0x80)
		n++;
	return n;
}

static void from_utf8(struct str in, struct buf *ret)
{
	uint32_t cp;

	while (in.n && !ret->full) {
		size_t n = ascii_length(in), more;

		while ((more = str_at(in, n) >= 0x80 ? utf8_char(str_from(in, n), &cp) : 0))
			n += more;
		buf_add(ret, str_head(in, n));
		in = str_from(in, n);
		if (str_at(in, 0) < 0x80)
			continue;
		utf8_add(ret, UTF8_REPLACEMENT);
		in = str_from(in, 1);
		while (str_at(in, 0) >= 0x80 && str_at(in, 0) < 0xc0)
			in = str_from(in, 1);
	}
}

static void from_single(const uint16_t *high, struct str in, struct buf *ret)
{
	while (in.n && !ret->full) {
		size_t n = ascii_length(in);

		buf_add(ret, str_head(in, n));
		in = str_from(in, n);
		if (in.n) {
			uint16_t cp = high[str_at(in, 0) - 0x80];

			utf8_add(ret, cp ? cp : UTF8_REPLACEMENT);
			in = str_from(in, 1);
		}
	}
}

/* One unit after another; a high surrogate waits for its low one (RFC 2781 §2.2). */
static void utf16_unit(uint32_t *held, uint32_t unit, struct buf *ret)
{
	bool is_low = unit >= 0xdc00 && unit < 0xe000, is_high = unit >= 0xd800 && unit < 0xdc00;

	if (*held && is_low) {
		utf8_add(ret, 0x10000 + ((*held - 0xd800) << 10) + (unit - 0xdc00));
		*held = 0;
		return;
	}
	if (*held)
		utf8_add(ret, UTF8_REPLACEMENT);
	*held = is_high ? unit : 0;
	if (!is_high)
		utf8_add(ret, is_low ? UTF8_REPLACEMENT : unit);
}

static void from_utf16(bool is_big, struct str in, struct buf *ret)
{
	uint32_t held = 0;

	/* a byte order mark outranks the label, as in WHATWG §6 */
	if (str_starts(in, S("\xfe\xff")) || str_starts(in, S("\xff\xfe"))) {
		is_big = in.p[0] == '\xfe';
		in = str_from(in, 2);
	}
	for (; in.n >= 2 && !ret->full; in = str_from(in, 2)) {
		unsigned a = (unsigned)str_at(in, 0), b = (unsigned)str_at(in, 1);

		utf16_unit(&held, is_big ? a << 8 | b : b << 8 | a, ret);
	}
	if (held || in.n)
		utf8_add(ret, UTF8_REPLACEMENT);
}

static int base64_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* UTF-16 units in base64 off *s, which stands behind "+" (RFC 2152); "-" ends it and goes. */
static void utf7_shifted(struct str *s, struct buf *ret)
{
	uint32_t bits = 0, held = 0;
	unsigned n = 0;
	int v;

	while ((v = base64_value(str_at(*s, 0))) >= 0) {
		bits = bits << 6 | (uint32_t)v;
		n += 6;
		if (n >= 16) {
			n -= 16;
			utf16_unit(&held, bits >> n & 0xffff, ret);
		}
		*s = str_from(*s, 1);
	}
	if (held || n >= 6)
		utf8_add(ret, UTF8_REPLACEMENT);
	if (str_at(*s, 0) == '-')
		*s = str_from(*s, 1);
}

static void from_utf7(struct str in, struct buf *ret)
{
	while (in.n && !ret->full) {
		size_t n = str_find(in, '+');
		struct str plain = str_head(in, n);

		from_utf8(plain, ret);
		in = str_from(in, n + 1);
		if (n == plain.n && plain.p + n < in.p) {
			if (str_at(in, 0) == '-') {
				buf_add_char(ret, '+');
				in = str_from(in, 1);
			} else if (base64_value(str_at(in, 0)) < 0) {
				buf_add_char(ret, '+');
			} else {
				utf7_shifted(&in, ret);
			}
		}
	}
}

static void from_iconv(iconv_t cd, struct str in, struct buf *ret)
{
	char block[512], *from = (char *)(uintptr_t)in.p;
	size_t left = in.n;

	iconv(cd, NULL, NULL, NULL, NULL);
	while (left && !ret->full) {
		char *to = block;
		size_t room = sizeof(block), before = left, r = iconv(cd, &from, &left, &to, &room);
		bool is_bad = r == (size_t)-1 && errno == EILSEQ, is_short = r == (size_t)-1 && errno == EINVAL;

		buf_add(ret, str_of(block, (size_t)(to - block)));
		if (is_bad || is_short || (left == before && to == block)) {
			utf8_add(ret, UTF8_REPLACEMENT);
			from++;
			left--;
		}
		if (is_short)
			return;
	}
	if (!left) {
		char *to = block;
		size_t room = sizeof(block);

		/* what a shift state still held back */
		iconv(cd, NULL, NULL, &to, &room);
		buf_add(ret, str_of(block, (size_t)(to - block)));
	}
}

void charset_to_utf8(const struct charset *c, struct str in, struct buf *ret)
{
	switch (c->kind) {
	case CHARSET_UTF8:
		from_utf8(in, ret);
		return;
	case CHARSET_GUESS:
		charset_guess_to_utf8(in, ret);
		return;
	case CHARSET_SINGLE:
		from_single(c->high, in, ret);
		return;
	case CHARSET_UTF16BE:
	case CHARSET_UTF16LE:
		from_utf16(c->kind == CHARSET_UTF16BE, in, ret);
		return;
	case CHARSET_UTF7:
		from_utf7(in, ret);
		return;
	case CHARSET_ICONV:
		from_iconv(open_iconv[c - charsets], in, ret);
		return;
	}
}

void charset_guess_to_utf8(struct str in, struct buf *ret)
{
	if (ascii_length(in) == in.n || utf8_valid(in))
		buf_add(ret, in);
	else
		from_single(charset_find(S("windows-1252"))->high, in, ret);
}
