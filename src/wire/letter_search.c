/* letter_search.c — looking for a text in a letter; see letter_search.h. */
#include "wire/letter_search.h"

#include "wire/decode.h"
#include "wire/fold.h"
#include "wire/grams.h"
#include "wire/header.h"
#include "wire/mail_address.h"
#include "wire/mime.h"
#include "wire/mime_header.h"

enum { ADDRESSES_BYTES = 4 << 20 };      /* of one field, parsed */

bool searcher_init(struct searcher *s, struct str text)
{
	*s = (struct searcher){ .needle = buf_on_heap(SEARCH_NEEDLE_MAX), .text = buf_on_heap(SEARCH_TEXT_MAX),
				.folded = buf_on_heap((SEARCH_PIECE + 8) * FOLD_GROWTH_MAX + SEARCH_NEEDLE_MAX) };
	fold_add(&s->needle, text);
	return !s->needle.full;
}

void searcher_end(struct searcher *s)
{
	buf_end(&s->needle);
	buf_end(&s->text);
	buf_end(&s->folded);
}

/* So many octets that no character is cut. */
static size_t piece_of(struct str text)
{
	size_t n = text.n < SEARCH_PIECE ? text.n : SEARCH_PIECE;

	for (size_t i = 0; n < text.n && i < 3 && (str_at(text, n) & 0xc0) == 0x80; i++)
		n++;
	return n;
}

/* What searcher_finds() would look through. */
static void note(struct searcher *s, struct str text)
{
	grams_begin(s->note);
	while (text.n) {
		size_t n = piece_of(text);

		buf_clear(&s->folded);
		fold_add(&s->folded, str_head(text, n));
		s->is_short |= s->folded.full;
		grams_add(s->note, buf_str(&s->folded));
		text = str_from(text, n);
	}
}

/* Piece by piece; what may be the beginning of a find stays for the next one. */
bool searcher_finds(struct searcher *s, struct str text)
{
	struct str needle = buf_str(&s->needle);

	if (s->note) {
		note(s, text);
		return false;
	}
	if (!needle.n)
		return true;
	buf_clear(&s->folded);
	while (text.n) {
		size_t n = piece_of(text);

		fold_add(&s->folded, str_head(text, n));
		if (s->folded.n >= needle.n && str_find_str(buf_str(&s->folded), needle) < s->folded.n)
			return true;
		if (s->folded.n >= needle.n)
			buf_drop(&s->folded, s->folded.n - (needle.n - 1));
		text = str_from(text, n);
	}
	return false;
}

static bool field_finds(struct searcher *s, const struct field *f, bool with_name)
{
	buf_clear(&s->text);
	if (with_name) {
		buf_add(&s->text, f->name);
		buf_add(&s->text, S(": "));
	}
	mime_header_decode(str_head(f->value, SEARCH_FIELD_MAX), &s->text);
	s->is_short |= s->text.full;
	return searcher_finds(s, buf_str(&s->text));
}

/* Addresses as the envelope has them, where comments and escapes in the field keep apart what belongs together
 * (RFC 9051 §6.4.4, FROM and its like). */
static bool addresses_find(struct searcher *s, const struct field *f)
{
	AUTO(arena_end) struct arena a = { .limit = ADDRESSES_BYTES };
	struct mail_address *first = NULL;
	size_t count = 0;

	if (!str_has(f->value, '(') && !str_has(f->value, '\\'))
		return false;
	mail_address_parse(str_head(f->value, SEARCH_FIELD_MAX), &a, &first, &count);
	buf_clear(&s->text);
	for (const struct mail_address *m = first; m; m = m->next) {
		mime_header_decode(m->name, &s->text);
		buf_add(&s->text, S(" <"));
		buf_add(&s->text, m->mailbox);
		buf_add(&s->text, m->domain.n ? S("@") : S(""));
		buf_add(&s->text, m->domain);
		buf_add(&s->text, S(">, "));
	}
	return searcher_finds(s, buf_str(&s->text));
}

static bool is_address_field(struct str name)
{
	static const struct str names[] = { S("From"), S("To"), S("Cc"), S("Bcc"), S("Reply-To"), S("Sender") };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(name, names[i]))
			return true;
	return false;
}

bool search_field(struct searcher *s, struct str bytes, struct str name)
{
	bool has_addresses = is_address_field(name);
	struct header h = header_of(bytes);
	struct field f;

	h.is_lenient = true;
	while (header_next(&h, &f))
		if (str_eq_nocase(f.name, name) &&
		    (field_finds(s, &f, false) || (has_addresses && addresses_find(s, &f))))
			return true;
	return false;
}

bool search_header(struct searcher *s, struct str bytes)
{
	struct header h = header_of(bytes);
	struct field f;

	h.is_lenient = true;
	while (header_next(&h, &f))
		if (field_finds(s, &f, true))
			return true;
	return false;
}

bool search_body(struct searcher *s, struct str letter, const struct mime_part *root)
{
	for (const struct mime_part *p = root; p; p = mime_next(p)) {
		if (p != root && search_header(s, mime_bytes(letter, &p->header)))
			return true;
		if (p->kind != MIME_LEAF || !mime_is(p, S("text"), S("")))
			continue;
		buf_clear(&s->text);
		mime_part_text(letter, p, &s->text);
		s->is_short |= s->text.full;
		if (searcher_finds(s, buf_str(&s->text)))
			return true;
	}
	return false;
}
