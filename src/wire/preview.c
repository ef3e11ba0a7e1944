/* preview.c — the beginning of a letter's text; see preview.h. */
#include "wire/preview.h"

#include "base/utf8.h"
#include "wire/decode.h"
#include "wire/html_text.h"
#include "wire/mime_field.h"

enum { PREVIEW_PARTS_MAX = 20 };         /* text parts tried */

/* Characters nobody sees, with which senders fill the beginning of their letters. */
static bool is_invisible(uint32_t cp)
{
	return cp == 0xad || cp == 0x34f || cp == 0x61c || cp == 0x180e || (cp >= 0x200b && cp <= 0x200f) ||
	       (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x2064) || cp == 0xfeff;
}

static bool is_blank(uint32_t cp)
{
	return cp <= ' ' || (cp >= 0x7f && cp <= 0xa0) || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
	       cp == 0x2029 || cp == 0x202f || cp == 0x3000;
}

/* At most PREVIEW_MAX characters of s, blanks as one space, none at the ends. */
static void add_squeezed(struct buf *b, struct str s)
{
	size_t count = 0;
	bool space = false;

	while (s.n && count < PREVIEW_MAX) {
		uint32_t cp;
		size_t n = utf8_char(s, &cp);
		struct str c = str_head(s, n);

		if (n == 0) {    /* cut at the limit of what was read */
			s = str_from(s, 1);
			continue;
		}
		s = str_from(s, n);
		if (is_invisible(cp))
			continue;
		if (is_blank(cp)) {
			space = count > 0;
			continue;
		}
		if (space && ++count == PREVIEW_MAX)
			return;
		if (space)
			buf_add_char(b, ' ');
		space = false;
		buf_add(b, c);
		count++;
	}
}

static bool is_attachment(const struct mime_part *p)
{
	struct str raw = p->content[CONTENT_DISPOSITION];

	return str_starts_nocase(str_trim(raw), S("attachment"));
}

/* What the writer said, not what is quoted: lines that begin with ">" are left out. */
static void add_unquoted(struct buf *ret, struct str s)
{
	while (s.n) {
		struct str line = str_head(s, str_find(s, '\n') + 1);

		if (s.p[0] != '>')
			buf_add(ret, line);
		s = str_from(s, line.n);
	}
}

static bool add_part(struct buf *b, struct str letter, const struct mime_part *p)
{
	AUTO(buf_end) struct buf text = buf_on_heap(3 * PREVIEW_READ), plain = buf_on_heap(3 * PREVIEW_READ);
	struct str bytes = str_head(mime_bytes(letter, &p->body), PREVIEW_READ);
	size_t before = b->n;

	mime_bytes_text(p, bytes, &text);
	if (mime_is(p, S("text"), S("html"))) {
		html_text_add(&plain, buf_str(&text));
		add_squeezed(b, buf_str(&plain));
	} else {
		add_unquoted(&plain, buf_str(&text));
		add_squeezed(b, buf_str(&plain));
		if (b->n == before)
			add_squeezed(b, buf_str(&text));
	}
	return b->n > before;
}

/* Of alternatives the plain one says it best, wherever it stands. */
static bool add_plain_sibling(struct buf *b, struct str letter, const struct mime_part *p)
{
	if (!p->parent || !mime_is(p->parent, S("multipart"), S("alternative")))
		return false;
	for (const struct mime_part *c = p->next; c; c = c->next)
		if (mime_is(c, S("text"), S("plain")))
			return add_part(b, letter, c);
	return false;
}

/* The first text, and only if there is none, the first that is attached or of another kind. */
static bool add_first(struct buf *b, struct str letter, const struct mime_part *root, bool is_any)
{
	size_t tried = 0;

	for (const struct mime_part *p = root; p && tried < PREVIEW_PARTS_MAX; p = mime_next(p)) {
		bool is_html = mime_is(p, S("text"), S("html"));

		if (!mime_is(p, S("text"), S("")) || p->encoding == MIME_UNKNOWN)
			continue;
		if (!is_any && (is_attachment(p) || (!is_html && !mime_is(p, S("text"), S("plain")))))
			continue;
		tried++;
		if ((is_html && add_plain_sibling(b, letter, p)) || add_part(b, letter, p))
			return true;
	}
	return false;
}

void preview_add(struct buf *b, struct str letter, const struct mime_part *root)
{
	if (!add_first(b, letter, root, false))
		add_first(b, letter, root, true);
}
