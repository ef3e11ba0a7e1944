/* html_text.c — the words of an HTML document; see html_text.h. */
#include "wire/html_text.h"

#include "wire/utf8_add.h"

/* What no reader sees, up to its end mark.  Where that is missing, only the mark itself goes. */
static const struct str hidden[] = { S("head"), S("style"), S("script"), S("title"), S("template"), S("noscript") };

/* Marks that do not part words. */
static const struct str inlines[] = { S("a"), S("abbr"), S("b"), S("big"), S("bdi"), S("bdo"), S("code"), S("em"),
				      S("font"), S("i"), S("ins"), S("del"), S("kbd"), S("mark"), S("s"), S("samp"),
				      S("small"), S("span"), S("strike"), S("strong"), S("sub"), S("sup"), S("tt"),
				      S("u"), S("var"), S("wbr") };

static const struct { struct str name; uint32_t cp; } references[] = {
	{ S("amp"), '&' }, { S("lt"), '<' }, { S("gt"), '>' }, { S("quot"), '"' }, { S("apos"), '\'' },
	{ S("nbsp"), 0xa0 }, { S("shy"), 0xad }, { S("copy"), 0xa9 }, { S("reg"), 0xae }, { S("euro"), 0x20ac },
	{ S("trade"), 0x2122 }, { S("ndash"), 0x2013 }, { S("mdash"), 0x2014 }, { S("hellip"), 0x2026 },
	{ S("lsquo"), 0x2018 }, { S("rsquo"), 0x2019 }, { S("ldquo"), 0x201c }, { S("rdquo"), 0x201d },
	{ S("bull"), 0x2022 }, { S("middot"), 0xb7 }, { S("laquo"), 0xab }, { S("raquo"), 0xbb },
	{ S("zwnj"), 0x200c }, { S("zwj"), 0x200d }, { S("auml"), 0xe4 }, { S("ouml"), 0xf6 }, { S("uuml"), 0xfc },
	{ S("Auml"), 0xc4 }, { S("Ouml"), 0xd6 }, { S("Uuml"), 0xdc }, { S("szlig"), 0xdf }, { S("eacute"), 0xe9 },
	{ S("egrave"), 0xe8 }, { S("agrave"), 0xe0 }, { S("ccedil"), 0xe7 }, { S("ntilde"), 0xf1 },
	{ S("aacute"), 0xe1 }, { S("iacute"), 0xed }, { S("oacute"), 0xf3 }, { S("uacute"), 0xfa },
};

enum { REFERENCE_MAX = 12 };     /* octets between & and ; */

static bool is_in(struct str name, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name.n == list[i].n && str_eq_nocase(name, list[i]))
			return true;
	return false;
}

/* &#65; &#x41; &amp; off *s, which begins with "&"; a lone "&" stays. */
static void reference_take(struct str *s, struct buf *ret)
{
	struct str name = str_head(str_from(*s, 1), REFERENCE_MAX);
	size_t n = str_find(name, ';');
	uint32_t cp = 0;

	if (n < name.n && str_at(name, 0) == '#') {
		bool is_hex = ascii_lower(str_at(name, 1)) == 'x';

		for (size_t i = is_hex ? 2 : 1; i < n && cp <= 0x10ffff; i++) {
			int d = ascii_hex(str_at(name, i));

			if (d < 0 || (!is_hex && d > 9))
				break;
			cp = cp * (is_hex ? 16U : 10U) + (uint32_t)d;
		}
		cp = cp ? cp : UTF8_REPLACEMENT;
	}
	for (size_t i = 0; n < name.n && !cp && i < ARRAY_LEN(references); i++)
		if (str_eq(str_head(name, n), references[i].name))
			cp = references[i].cp;
	if (cp)
		utf8_add(ret, cp);
	else
		buf_add_char(ret, '&');
	*s = str_from(*s, cp ? n + 2 : 1);
}

/* Behind </name … >, or where s begins if that does not come. */
static struct str hidden_skip(struct str s, struct str name)
{
	struct str at = s;

	for (;;) {
		size_t n = str_find(at, '<');

		if (n == at.n)
			return s;
		at = str_from(at, n + 1);
		if (str_at(at, 0) == '/' && str_starts_nocase(str_from(at, 1), name))
			return str_from(at, str_find(at, '>') + 1);
	}
}

/* A mark off *s, which begins with "<".  *unclosed has a bit for each hidden mark that never ends, so that
 * nobody looks for its end again. */
static void mark_take(struct str *s, struct buf *ret, unsigned *unclosed)
{
	struct str in = str_from(*s, 1), name;
	bool is_end = str_at(in, 0) == '/';
	size_t n = 0, end;

	if (str_starts(in, S("!--"))) {
		end = str_find_str(in, S("-->"));
		*s = str_from(in, end < in.n ? end + 3 : end);
		return;
	}
	in = str_from(in, is_end);
	while (ascii_is_alnum(str_at(in, n)))
		n++;
	if (n == 0 && str_at(in, 0) != '!' && str_at(in, 0) != '?') {
		buf_add_char(ret, '<');
		*s = str_from(*s, 1);
		return;
	}
	name = str_head(in, n);
	*s = str_from(in, str_find(in, '>') + 1);
	if (!is_in(name, inlines, ARRAY_LEN(inlines)))
		buf_add_char(ret, '\n');
	for (size_t i = 0; !is_end && i < ARRAY_LEN(hidden); i++) {
		if (name.n != hidden[i].n || *unclosed & 1U << i || !str_eq_nocase(name, hidden[i]))
			continue;
		in = hidden_skip(*s, name);
		if (in.n == s->n)
			*unclosed |= 1U << i;
		*s = in;
	}
}

void html_text_add(struct buf *ret, struct str html)
{
	unsigned unclosed = 0;

	while (html.n && !ret->full) {
		size_t n = 0;

		while (n < html.n && html.p[n] != '<' && html.p[n] != '&')
			n++;
		buf_add(ret, str_head(html, n));
		html = str_from(html, n);
		if (str_at(html, 0) == '&')
			reference_take(&html, ret);
		else if (html.n)
			mark_take(&html, ret, &unclosed);
	}
}
