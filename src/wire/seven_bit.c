/* seven_bit.c — a letter for a server that takes 7 bits only; see seven_bit.h.
 *
 * The letter is read once, which gives a list of edits in order of place: fields that go, lines that come, bodies that
 * are encoded, and the cuts of the view.  What is between two edits is copied, and must be 7-bit already. */
#include "wire/seven_bit.h"

#include "wire/header.h"
#include "wire/mime.h"
#include "wire/text.h"

enum {
	STEP = 16 << 10,         /* octets of the letter in one piece; encoded they are at most 3.2 times as many */
	LINE_COLUMNS = 76,       /* RFC 2045 §6.7 rule 5, §6.8 */
	BASE64_OCTETS = 57,      /* that make 76 characters */
};

enum edit_kind { EDIT_DROP, EDIT_TEXT, EDIT_QUOTED_PRINTABLE, EDIT_BASE64 };

struct seven_bit_edit {
	struct seven_bit_edit *prev, *next;
	enum edit_kind kind;
	size_t at, n;            /* octets of the letter it stands for */
	struct str text;
};

static bool is_7bit(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) > 127)
			return false;
	return true;
}

static bool no_memory(struct err *e)
{
	return fail(e, FAULT_TEMP, "4.3.0 the letter in 7 bits needs more memory than it may");
}

/* Behind all that begin at or before its place: almost always the last. */
static bool edit_add(struct seven_bit *s, const struct seven_bit_edit *what, struct err *e)
{
	struct seven_bit_edit *x = ARENA_NEW(s->arena, struct seven_bit_edit), *before = s->last;

	if (!x)
		return no_memory(e);
	*x = *what;
	while (before && before->at > x->at)
		before = before->prev;
	x->prev = before;
	x->next = before ? before->next : s->edit;
	*(x->prev ? &x->prev->next : &s->edit) = x;
	*(x->next ? &x->next->prev : &s->last) = x;
	return true;
}

static bool cuts_add(struct seven_bit *s, const struct view *v, size_t header_n, struct err *e)
{
	if (!view_is_valid(v, s->letter.n))
		return fail(e, FAULT_PERM, "5.6.0 the view does not fit the letter");
	for (size_t i = 0; i < v->n_cuts; i++) {
		if (v->cuts[i].at + v->cuts[i].n > header_n)
			return fail(e, FAULT_PERM, "5.6.3 a cut outside the header");
		if (!edit_add(s, &(struct seven_bit_edit){ .at = (size_t)v->cuts[i].at, .n = (size_t)v->cuts[i].n }, e))
			return false;
	}
	return true;
}

static bool is_in_signed(const struct mime_part *p)
{
	for (p = p->parent; p; p = p->parent)
		if (mime_is(p, S("multipart"), S("signed")))
			return true;
	return false;
}

/* The field's old forms go, `encoding` comes; and, if it is a body that nothing describes, what it is. */
static bool header_change(struct seven_bit *s, const struct mime_part *p, struct str encoding, bool is_encoded,
			  struct err *e)
{
	struct str bytes = mime_bytes(s->letter, &p->header);
	bool has_version = false, has_type = p->content[CONTENT_TYPE].p;
	struct header h = header_of(bytes);
	struct field f;
	struct str text;

	h.is_lenient = true;
	while (header_next(&h, &f)) {
		has_version |= str_eq_nocase(f.name, S("MIME-Version"));
		if (str_eq_nocase(f.name, S("Content-Transfer-Encoding")) &&
		    !edit_add(s, &(struct seven_bit_edit){ .at = p->header.at + f.at, .n = f.n }, e))
			return false;
	}
	text = arena_printf(s->arena, "%s%s%sContent-Transfer-Encoding: " STR_FMT "\r\n%s",
			    h.at && str_at(bytes, h.at - 1) != '\n' ? "\r\n" : "",
			    is_encoded && p->fields && !has_version ? "MIME-Version: 1.0\r\n" : "",
			    is_encoded && !has_type ? "Content-Type: text/plain; charset=unknown-8bit\r\n" : "",
			    STR_ARG(encoding), h.at < bytes.n ? "" : "\r\n");
	if (!text.n)
		return no_memory(e);
	return edit_add(s, &(struct seven_bit_edit){ .kind = EDIT_TEXT, .at = p->header.at + h.at, .text = text }, e);
}

static bool part_encode(struct seven_bit *s, const struct mime_part *p, struct err *e)
{
	bool is_text = mime_is(p, S("text"), S(""));

	if (is_in_signed(p))
		return fail(e, FAULT_PERM, "5.6.3 8-bit octets within what is signed");
	if (p->is_cut || p->encoding > MIME_BINARY || mime_is(p, S("multipart"), S("")) || mime_is(p, S("message"), S("")))
		return fail(e, FAULT_PERM, "5.6.3 8-bit octets in a part that cannot be encoded");
	return header_change(s, p, is_text ? S("quoted-printable") : S("base64"), true, e) &&
	       edit_add(s, &(struct seven_bit_edit){ .kind = is_text ? EDIT_QUOTED_PRINTABLE : EDIT_BASE64,
						     .at = p->body.at, .n = p->body.n }, e);
}

static bool part_change(struct seven_bit *s, const struct mime_part *p, struct err *e)
{
	if (p->kind == MIME_LEAF && !is_7bit(mime_bytes(s->letter, &p->body)))
		return part_encode(s, p, e);
	if ((p->encoding == MIME_8BIT || p->encoding == MIME_BINARY) && !is_in_signed(p))
		return header_change(s, p, S("7bit"), false, e);
	return true;
}

/* What is copied is 7-bit, and no edit reaches into another. */
static bool is_sound(const struct seven_bit *s, struct err *e)
{
	size_t at = 0;

	if (!is_7bit(s->prefix))
		return fail(e, FAULT_PERM, "5.6.3 8-bit octets in the header");
	for (const struct seven_bit_edit *x = s->edit; x; x = x->next) {
		if (x->at < at)
			return fail(e, FAULT_PERM, "5.6.3 a cut through a field");
		if (!is_7bit(str_sub(s->letter, at, x->at - at)))
			return fail(e, FAULT_PERM, "5.6.3 8-bit octets in a header or between the parts");
		at = x->at + x->n;
	}
	return is_7bit(str_from(s->letter, at)) ||
	       fail(e, FAULT_PERM, "5.6.3 8-bit octets in a header or between the parts");
}

bool seven_bit_init(struct seven_bit *s, struct str letter, const struct view *v, struct arena *a, struct err *e)
{
	const struct mime_part *root = mime_parse(letter, a);

	*s = (struct seven_bit){ .arena = a, .letter = letter };
	if (!root)
		return no_memory(e);
	if (v) {
		s->prefix = v->prefix;
		if (!cuts_add(s, v, root->header.n, e))
			return false;
	}
	for (const struct mime_part *p = root; p; p = mime_next(p))
		if (!part_change(s, p, e))
			return false;
	return is_sound(s, e);
}

static bool is_line_end(struct str s, size_t i)
{
	return str_at(s, i) == '\r' && str_at(s, i + 1) == '\n';
}

/* RFC 2045 §6.7 rules 1–3.  A "-" that begins a line is escaped: a line of ours never looks like a boundary. */
static bool is_literal(struct str body, size_t i, unsigned column)
{
	int c = str_at(body, i);

	if (c == ' ' || c == '\t')
		return i + 1 < body.n && !is_line_end(body, i + 1);
	return c > 32 && c < 127 && c != '=' && (c != '-' || column > 0);
}

static void octet_add(struct seven_bit *s, struct str body, size_t i, struct buf *ret)
{
	bool is_last = i + 1 == body.n || is_line_end(body, i + 1);
	unsigned width = is_literal(body, i, s->column) ? 1 : 3;
	unsigned limit = LINE_COLUMNS - !is_last;

	if (s->column + width > limit) {
		buf_add(ret, S("=\r\n"));
		s->column = 0;
	}
	if (is_literal(body, i, s->column)) {
		buf_add(ret, str_sub(body, i, 1));
		s->column++;
	} else {
		buf_addf(ret, "=%02X", (unsigned)str_at(body, i));
		s->column += 3;
	}
}

/* Some of the body from `i`; gives how far it came. */
static size_t quoted_printable_add(struct seven_bit *s, struct str body, size_t i, struct buf *ret)
{
	for (size_t end = i + STEP; i < body.n && i < end;) {
		if (is_line_end(body, i)) {
			buf_add(ret, S("\r\n"));
			s->column = 0;
			i += 2;
		} else {
			octet_add(s, body, i++, ret);
		}
	}
	return i;
}

static size_t base64_lines_add(struct str body, size_t i, struct buf *ret)
{
	for (size_t end = i + STEP; i < body.n && i < end;) {
		struct str line = str_sub(body, i, BASE64_OCTETS);

		base64_add(ret, line);
		buf_add(ret, S("\r\n"));
		i += line.n;
	}
	return i;
}

/* Some of the edit we are at. */
static void edit_run(struct seven_bit *s, struct buf *ret)
{
	const struct seven_bit_edit *x = s->edit;
	struct str body = str_sub(s->letter, x->at, x->n);
	size_t i = s->at - x->at;

	if (x->kind == EDIT_QUOTED_PRINTABLE)
		i = quoted_printable_add(s, body, i, ret);
	else if (x->kind == EDIT_BASE64)
		i = base64_lines_add(body, i, ret);
	else
		i = x->n;
	buf_add(ret, x->text);
	s->at = x->at + i;
	if (i == x->n) {
		s->edit = x->next;
		s->column = 0;
	}
}

bool seven_bit_next(struct seven_bit *s, struct buf *ret)
{
	size_t until = s->edit ? s->edit->at : s->letter.n;
	struct str piece;

	if (s->prefix.n) {
		piece = str_head(s->prefix, STEP);
		s->prefix = str_from(s->prefix, piece.n);
		buf_add(ret, piece);
	} else if (s->at < until) {
		piece = str_sub(s->letter, s->at, until - s->at < STEP ? until - s->at : STEP);
		s->at += piece.n;
		buf_add(ret, piece);
	} else if (s->edit) {
		edit_run(s, ret);
	} else {
		return false;
	}
	return !ret->full;
}
