/* mime_header.c — encoded-words; see mime_header.h. */
#include "wire/mime_header.h"

#include "base/utf8.h"
#include "wire/charset.h"
#include "wire/decode.h"

enum { WORD_MAX = 8192, HELD_MAX = 64 << 10 };     /* octets of one word (RFC 2047 says 75); of joined ones */

/* =?charset*language?B?text?= */
struct word {
	const struct charset *charset;
	bool is_base64;
	struct str text;
};

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Take an encoded-word off *s.  Spaces in its text are a fault of the sender and let pass; a question
 * mark in it is not. */
static bool word_take(struct str *s, struct word *ret)
{
	struct str rest = str_from(*s, 2), label, ignored;
	size_t end;
	int how;

	if (!str_starts(*s, S("=?")))
		return false;
	rest = str_head(rest, WORD_MAX);
	end = str_find(rest, '?');
	label = str_head(rest, end);
	rest = str_from(rest, end + 1);
	how = ascii_lower(str_at(rest, 0));
	if ((how != 'b' && how != 'q') || str_at(rest, 1) != '?')
		return false;
	rest = str_from(rest, 2);
	end = str_find(rest, '?');
	/* "?==41?=": the text may begin with "=" right behind a stray "?" */
	if (str_at(rest, end + 1) != '=')
		return false;
	ret->charset = charset_find(str_cut(label, '*', &ignored));      /* RFC 2231 §5 */
	ret->is_base64 = how == 'b';
	ret->text = str_head(rest, end);
	*s = str_from(*s, (size_t)(rest.p - s->p) + end + 2);
	return ret->charset != NULL;
}

/* The Q encoding, RFC 2047 §4.2: "_" is a space. */
static void q_decode(struct str s, struct buf *ret)
{
	for (size_t i = 0; i < s.n; i++) {
		int high = ascii_hex(str_at(s, i + 1)), low = ascii_hex(str_at(s, i + 2));

		if (s.p[i] == '=' && high >= 0 && low >= 0) {
			buf_add_char(ret, (char)(high * 16 + low));
			i += 2;
		} else {
			buf_add_char(ret, s.p[i] == '_' ? ' ' : s.p[i]);
		}
	}
}

/* As much of it as fits. */
static void add_head(struct buf *ret, struct str s)
{
	size_t room = ret->limit - ret->n;

	buf_add(ret, str_head(s, room));
	ret->full |= s.n > room;
}

/* Line ends go, other controls become spaces. */
static void add_clean(struct buf *ret, struct str s)
{
	while (s.n) {
		size_t n = 0;
		int c;

		while (n < s.n && (unsigned char)s.p[n] >= ' ' && s.p[n] != 0x7f)
			n++;
		add_head(ret, str_head(s, n));
		c = str_at(s, n);
		if (c >= 0 && c != '\r' && c != '\n')
			buf_add_char(ret, ' ');
		s = str_from(s, n + 1);
	}
}

/* Decoded words' text: nothing in it may look like a line end. */
static void add_words(const struct charset *c, struct str bytes, struct buf *ret)
{
	size_t at = ret->n;

	charset_to_utf8(c, bytes, ret);
	for (size_t i = at; i < ret->n; i++)
		if ((unsigned char)ret->p[i] < ' ' || ret->p[i] == 0x7f)
			ret->p[i] = ' ';
}

/* Encoded-words off *s, as long as they follow each other: the white space between them goes, and
 * those of one charset are one text, since some senders split characters (against §5). */
static bool words_take(struct str *s, struct buf *ret)
{
	AUTO(buf_end) struct buf bytes = buf_on_heap(HELD_MAX);
	struct word w, next;
	struct str in = *s;

	if (!word_take(&in, &w))
		return false;
	for (;;) {
		struct str behind;
		bool is_more;

		if (w.is_base64)
			decode_all(MIME_BASE64, w.text, &bytes);
		else
			q_decode(w.text, &bytes);
		*s = behind = in;
		while (is_space(str_at(behind, 0)))
			behind = str_from(behind, 1);
		is_more = word_take(&behind, &next);
		if (!is_more || next.charset != w.charset || bytes.n > HELD_MAX / 2) {
			add_words(w.charset, buf_str(&bytes), ret);
			buf_clear(&bytes);
		}
		if (!is_more)
			return true;
		in = behind;
		w = next;
	}
}

/* Octets before the next "=?". */
static size_t plain_length(struct str s)
{
	size_t n = 0;

	while ((n += str_find(str_from(s, n), '=')) < s.n && str_at(s, n + 1) != '?')
		n++;
	return n;
}

void mime_header_decode(struct str raw, struct buf *ret)
{
	raw = str_trim(raw);
	while (raw.n && !ret->full) {
		struct str plain = str_head(raw, plain_length(raw));

		if (plain.n == 0 && words_take(&raw, ret))
			continue;
		if (plain.n == 0)
			plain = str_head(raw, 2);
		if (str_is_ascii(plain)) {
			add_clean(ret, plain);
		} else {
			AUTO(buf_end) struct buf text = buf_on_heap(3 * plain.n);

			charset_guess_to_utf8(plain, &text);
			add_clean(ret, buf_str(&text));
		}
		raw = str_from(raw, plain.n);
	}
}
