/* mime_fuzz.c — every letter has a tree whose ranges lie in each other, and whose printed structure
 * reads back. */
#include "base/err.h"
#include "wire/imap_envelope.h"
#include "wire/imap_structure.h"
#include "wire/letter_summary.h"
#include "wire/section.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Step over one IMAP value: a list, a string, NIL or a number.  False if it is none. */
static bool value_skip(struct str *s)
{
	size_t depth = 0;

	do {
		struct str digits;
		uint64_t size;
		size_t i = 0;
		int c = str_at(*s, 0);

		if (c == '(') {
			depth++;
			i = 1;
		} else if (c == ')' && depth) {
			depth--;
			i = 1;
		} else if (c == '"') {
			for (i = 1; str_at(*s, i) != '"'; i++) {
				i += str_at(*s, i) == '\\';
				c = str_at(*s, i);
				if (c <= 0 || c >= 0x80 || c == '\r' || c == '\n')
					return false;
			}
			i++;
		} else if (c == '{') {
			digits = str_sub(*s, 1, str_find(*s, '}') - 1);
			*s = str_from(*s, digits.n + 2);
			if (!str_u64(digits, &size) || !str_starts(*s, S("\r\n")) || size > s->n - 2 ||
			    str_has(str_sub(*s, 2, size), '\0'))
				return false;
			i = size + 2;
		} else {
			while (ascii_is_alnum(str_at(*s, i)))
				i++;
		}
		if (i == 0)
			return false;
		*s = str_from(*s, i);
		if (depth && str_at(*s, 0) == ' ')
			*s = str_from(*s, 1);
	} while (depth);
	return true;
}

static void check_part(struct str letter, const struct mime_part *p)
{
	struct mime_range h = p->header, b = p->body;
	struct str bytes = mime_bytes(letter, &b);
	size_t lines = 0;

	must(b.at == h.at + h.n && b.at + b.n <= letter.n, "a body follows its header, in the letter");
	must(b.crlf_n >= b.n && b.crlf_n <= 2 * b.n && b.lines >= b.crlf_n - b.n, "CRLF adds one octet a line");
	for (size_t i = 0; i < bytes.n; i++)
		lines += bytes.p[i] == '\n';
	must(lines == b.lines, "lines are line ends");
	must(p->depth <= MIME_DEPTH_MAX && p->type.n && p->subtype.n, "limits hold");
	for (const struct mime_part *c = p->child; c; c = c->next) {
		must(c->parent == p && c->header.at >= b.at && c->body.at + c->body.n <= b.at + b.n, "parts lie in their parent");
		must(!c->next || c->body.at + c->body.n <= c->next->header.at, "and behind each other");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA }, kept = { .limit = MIME_ARENA };
	AUTO(buf_end) struct buf b = buf_on_heap(64 << 20);
	struct str letter = str_of(bytes, n), s;
	struct mime_part *root = mime_parse(letter, &a);
	struct letter_summary summary;

	must(root && root->header.at == 0 && root->header.n + root->body.n == n, "every letter has a tree");
	for (const struct mime_part *p = root; p; p = mime_next(p))
		check_part(letter, p);
	imap_envelope_add(&b, root);
	imap_structure_add(&b, root, false);
	imap_structure_add(&b, root, true);
	s = buf_str(&b);
	must(!b.full && value_skip(&s) && value_skip(&s) && value_skip(&s) && s.n == 0, "three values were printed");
	must(letter_summary_read(letter, &a, &kept, SUMMARY_BODY | SUMMARY_PREVIEW, &summary), "and can be kept");
	return 0;
}
