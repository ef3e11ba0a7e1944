/* imap_url.c — URLs of letters and their parts; see imap_url.h. */
#include "wire/imap_url.h"

#include "base/utf8.h"

/* "%41" is "A"; no NUL, valid UTF-8. */
static bool unescape(struct str s, struct arena *a, struct str *ret)
{
	char *p = arena_alloc(a, s.n + 1, 1);
	size_t n = 0;

	if (!p)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i), high = ascii_hex(str_at(s, i + 1)), low = ascii_hex(str_at(s, i + 2));

		if (c == '%' && (high < 0 || low < 0))
			return false;
		if (c == '%') {
			c = high * 16 + low;
			i += 2;
		} else if (c <= ' ' || c >= 0x7f) {
			return false;
		}
		if (c == 0)
			return false;
		p[n++] = (char)c;
	}
	*ret = str_of(p, n);
	return utf8_valid(*ret);
}

/* Where a word begins in any letter case; s.n: nowhere. */
static size_t find(struct str s, struct str word)
{
	size_t i = 0;

	while (i < s.n && !str_starts_nocase(str_from(s, i), word))
		i++;
	return i;
}

/* Takes "/;UID=" or the like off the front. */
static bool take(struct str *s, struct str word)
{
	if (!str_starts_nocase(*s, word))
		return false;
	*s = str_from(*s, word.n);
	return true;
}

static bool take_number(struct str *s, uint64_t max, uint64_t *ret)
{
	size_t n = 0;

	while (ascii_is_digit(str_at(*s, n)))
		n++;
	if (!str_u64(str_head(*s, n), ret) || *ret > max)
		return false;
	*s = str_from(*s, n);
	return true;
}

static bool take_nz(struct str *s, uint32_t *ret)
{
	uint64_t v;

	if (!take_number(s, UINT32_MAX, &v) || v == 0)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* enc-mailbox [uidvalidity] */
static bool mailbox_parse(struct str s, struct arena *a, struct imap_url *ret)
{
	size_t n = find(s, S(";UIDVALIDITY="));
	struct str validity = str_from(s, n);

	if (take(&validity, S(";UIDVALIDITY=")) && (!take_nz(&validity, &ret->uidvalidity) || validity.n))
		return false;
	s = str_head(s, n);
	return s.n && !str_has(s, ';') && unescape(s, a, &ret->mailbox);
}

/* ["/" isection] ["/" ipartial], behind the UID */
static bool part_parse(struct str s, struct arena *a, struct imap_url *ret)
{
	struct str section;

	if (take(&s, S("/;SECTION="))) {
		size_t n = str_find(s, '/');

		if (!n || !unescape(str_head(s, n), a, &section) || !section_parse(section, a, &ret->section))
			return false;
		s = str_from(s, n);
	}
	if (!take(&s, S("/;PARTIAL=")))
		return s.n == 0;
	ret->has_partial = true;
	ret->length = UINT64_MAX;
	if (!take_number(&s, INT64_MAX, &ret->offset))
		return false;
	return s.n == 0 || (take(&s, S(".")) && take_number(&s, INT64_MAX, &ret->length) && ret->length && s.n == 0);
}

/* ["/"] enc-mailbox [uidvalidity] "/" iuid-only …, or iuid-only … alone */
bool imap_url_parse(struct str url, struct arena *a, struct imap_url *ret)
{
	struct imap_url u = { 0 };
	size_t n;

	if (url.n > IMAP_URL_MAX || find(url, S("://")) < url.n || str_starts(url, S("//")))
		return false;
	if (!str_starts_nocase(url, S(";UID="))) {
		take(&url, S("/"));
		n = find(url, S("/;UID="));
		if (!mailbox_parse(str_head(url, n), a, &u))
			return false;
		url = str_from(url, n + 1);
	}
	if (!take(&url, S(";UID=")) || !take_nz(&url, &u.uid) || !part_parse(url, a, &u))
		return false;
	*ret = u;
	return true;
}
