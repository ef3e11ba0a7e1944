/* binary_letter.c — a letter with binary parts, as it can lie at rest; see binary_letter.h. */
#include "wire/binary_letter.h"

#include "wire/header.h"
#include "wire/mime.h"
#include "wire/text.h"

enum { LINE_OCTETS = 57 };       /* that make 76 characters of base64 */

static bool has_bare_lf(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		i += str_find(str_from(s, i), '\n');
		if (i < s.n && str_at(s, i - 1) != '\r')
			return true;
	}
	return false;
}

/* 7bit and 8bit are lines (RFC 2045 §2.7, §2.8), and so is text (RFC 2046 §4.1.1, RFC 3516 §6): there a bare LF is a
 * line end that was written badly. */
static bool needs_base64(struct str letter, const struct mime_part *p)
{
	struct str body = mime_bytes(letter, &p->body);

	if (p->kind != MIME_LEAF)
		return false;
	switch (p->encoding) {
	case MIME_BINARY:
		return str_has(body, '\0') || (!mime_is(p, S("text"), S("")) && has_bare_lf(body));
	case MIME_7BIT:
	case MIME_8BIT:
		return str_has(body, '\0');
	default:
		return false;
	}
}

/* The part's fields with another Content-Transfer-Encoding, and the empty line. */
static void header_add(struct buf *b, struct str header)
{
	struct header h = header_of(header);
	struct field f;
	size_t at = 0;

	h.is_lenient = true;
	while (header_next(&h, &f)) {
		if (!str_eq_nocase(f.name, S("Content-Transfer-Encoding")))
			continue;
		buf_add(b, str_sub(header, at, f.at - at));
		at = f.at + f.n;
	}
	buf_add(b, str_sub(header, at, h.at - at));
	if (h.at && header.p[h.at - 1] != '\n')
		buf_add(b, S("\r\n"));
	buf_add(b, S("Content-Transfer-Encoding: base64\r\n"));
	buf_add(b, h.at < header.n ? str_from(header, h.at) : S("\r\n"));
}

static void body_add(struct buf *b, struct str body)
{
	while (body.n) {
		struct str line = str_head(body, LINE_OCTETS);

		base64_add(b, line);
		buf_add(b, S("\r\n"));
		body = str_from(body, line.n);
	}
}

enum binary_result binary_letter_encode(struct str letter, struct arena *a, struct buf *ret)
{
	const struct mime_part *root;
	size_t at = 0;

	if (!str_has(letter, '\0') && !has_bare_lf(letter))
		return BINARY_AS_IS;
	root = mime_parse(letter, a);
	if (!root)
		return BINARY_NO_MEMORY;
	for (const struct mime_part *p = root; p; p = mime_next(p)) {
		if (!needs_base64(letter, p))
			continue;
		buf_add(ret, str_sub(letter, at, p->header.at - at));
		header_add(ret, mime_bytes(letter, &p->header));
		body_add(ret, mime_bytes(letter, &p->body));
		at = p->body.at + p->body.n;
	}
	if (at == 0)
		return str_has(letter, '\0') ? BINARY_CANNOT : BINARY_AS_IS;
	buf_add(ret, str_from(letter, at));
	if (ret->full)
		return BINARY_NO_MEMORY;
	return str_has(buf_str(ret), '\0') ? BINARY_CANNOT : BINARY_ENCODED;
}
