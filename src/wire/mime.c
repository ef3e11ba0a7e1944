/* mime.c — a letter as a tree of parts; see mime.h.
 *
 * One walk over the lines.  The innermost open part is `part`; the multiparts around it wait on a
 * stack of boundaries.  A position is known three ways at once (octets, octets in CRLF form,
 * lines), so that a part's sizes are the difference of two positions, however deep it lies. */
#include "wire/mime.h"

#include "wire/cfws.h"
#include "wire/mime_field.h"

struct point {
	size_t at, crlf, lines;
};

struct boundary {
	struct boundary *outer;
	struct str text;
	struct mime_part *part;
	struct mime_part **tail; /* where its next child goes */
};

struct walk {
	struct str letter;
	struct arena *a;
	struct point here;       /* the beginning of the line we look at */
	struct point text_end;   /* the end of the line before, without its line end */
	struct mime_part *part;
	struct boundary *boundary;
	size_t parts, parts_max;
	bool in_header;          /* of part */
	/* the header field we are in */
	size_t fields;
	bool in_field;
	size_t name_n, value_at, value_end;
	size_t name_at;
};

static const struct known {
	struct str name;
	bool is_content, is_list;
	unsigned index;
} known[] = {
	{ S("Content-Type"), true, false, CONTENT_TYPE },
	{ S("Content-Transfer-Encoding"), true, false, CONTENT_ENCODING },
	{ S("Content-ID"), true, false, CONTENT_ID },
	{ S("Content-Description"), true, false, CONTENT_DESCRIPTION },
	{ S("Content-Disposition"), true, false, CONTENT_DISPOSITION },
	{ S("Content-Language"), true, false, CONTENT_LANGUAGE },
	{ S("Content-Location"), true, false, CONTENT_LOCATION },
	{ S("Content-MD5"), true, false, CONTENT_MD5 },
	{ S("Date"), false, false, LETTER_DATE },
	{ S("Subject"), false, false, LETTER_SUBJECT },
	{ S("From"), false, true, LETTER_FROM },
	{ S("Sender"), false, true, LETTER_SENDER },
	{ S("Reply-To"), false, true, LETTER_REPLY_TO },
	{ S("To"), false, true, LETTER_TO },
	{ S("Cc"), false, true, LETTER_CC },
	{ S("Bcc"), false, true, LETTER_BCC },
	{ S("In-Reply-To"), false, false, LETTER_IN_REPLY_TO },
	{ S("Message-ID"), false, false, LETTER_MESSAGE_ID },
	{ S("References"), false, false, LETTER_REFERENCES },
};

static const struct { struct str name; enum mime_encoding encoding; } encodings[] = {
	{ S("7bit"), MIME_7BIT },
	{ S("8bit"), MIME_8BIT },
	{ S("binary"), MIME_BINARY },
	{ S("quoted-printable"), MIME_QUOTED_PRINTABLE },
	{ S("base64"), MIME_BASE64 },
};

static void range_begin(struct mime_range *r, struct point p)
{
	*r = (struct mime_range){ .at = p.at, .crlf_n = p.crlf, .lines = p.lines };
}

/* Up to p, or empty if it begins behind p. */
static void range_end(struct mime_range *r, struct point p)
{
	bool is_empty = p.at <= r->at;

	r->n = is_empty ? 0 : p.at - r->at;
	r->crlf_n = is_empty ? 0 : p.crlf - r->crlf_n;
	r->lines = is_empty ? 0 : p.lines - r->lines;
}

/* A new part that begins here with its header. */
static struct mime_part *part_open(struct walk *w, struct mime_part *parent, bool is_letter)
{
	struct mime_part *p = ARENA_NEW(w->a, struct mime_part);

	if (!p || (is_letter && !(p->fields = ARENA_ARRAY(w->a, struct mime_value, LETTER_FIELDS))))
		return NULL;
	p->parent = parent;
	p->depth = parent ? parent->depth + 1 : 0;
	range_begin(&p->header, w->here);
	w->part = p;
	w->parts++;
	w->in_header = true;
	w->in_field = false;
	w->fields = 0;
	return p;
}

/* Keep the value under its name.  Of Content-* the first counts, as readers agree; of a letter's own
 * fields the last, which is what DKIM signs (RFC 6376 §5.4.2); addresses all count. */
static bool field_keep(struct walk *w, const struct known *k, struct str value)
{
	struct mime_value *v;

	if (k->is_content) {
		if (!w->part->content[k->index].p)
			w->part->content[k->index] = value;
		else
			w->part->is_ambiguous |= k->index <= CONTENT_ENCODING;
		return true;
	}
	if (!w->part->fields)
		return true;
	v = &w->part->fields[k->index];
	if (k->is_list && v->raw.p) {
		while (v->more)
			v = v->more;
		v->more = ARENA_NEW(w->a, struct mime_value);
		v = v->more;
		if (!v)
			return false;
	}
	v->raw = value;
	return true;
}

/* The field that was open is whole. */
static bool field_end(struct walk *w)
{
	struct str name = str_sub(w->letter, w->name_at, w->name_n), value;

	if (!w->in_field)
		return true;
	w->in_field = false;
	value = str_head(str_sub(w->letter, w->value_at, w->value_end - w->value_at), MIME_FIELD_SIZE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].name.n == name.n && str_eq_nocase(known[i].name, name))
			return field_keep(w, &known[i], value);
	return true;
}

/* A line of the header; `text` is without its line end.  Lines that are no field are stepped over
 * with what continues them. */
static bool header_line(struct walk *w, struct str text)
{
	size_t colon, n;

	if (str_at(text, 0) == ' ' || str_at(text, 0) == '\t') {
		w->value_end = w->here.at + text.n;
		return true;
	}
	if (!field_end(w))
		return false;
	colon = str_find(text, ':');
	if (colon == text.n || w->fields == MIME_FIELDS_MAX)
		return true;
	for (n = colon; n && (text.p[n - 1] == ' ' || text.p[n - 1] == '\t'); n--)
		;
	w->fields++;
	w->in_field = true;
	w->name_at = w->here.at;
	w->name_n = n;
	w->value_at = w->here.at + colon + 1;
	w->value_end = w->here.at + text.n;
	return true;
}

static void encoding_read(struct mime_part *p)
{
	struct str s = p->content[CONTENT_ENCODING], word;

	p->encoding_text = S("7bit");
	cfws_skip(&s);
	word = s;
	while (s.n && !is_cfws_space(str_at(s, 0)) && str_at(s, 0) != '(' && str_at(s, 0) != ';')
		s = str_from(s, 1);
	word.n -= s.n;
	cfws_skip(&s);
	p->is_ambiguous |= s.n > 0;
	/* "quoted printable", "text/html": no encoding has such a name, and nothing was encoded */
	if (word.n == 0 || str_has(word, '/') || (s.n && str_at(s, 0) != ';'))
		return;
	p->encoding_text = word;
	p->encoding = MIME_UNKNOWN;
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++)
		if (str_eq_nocase(word, encodings[i].name))
			p->encoding = encodings[i].encoding;
}

/* The default, also for what cannot be read (RFC 2045 §5.2), is text/plain, in a digest
 * message/rfc822 (RFC 2046 §5.1.5). */
static void type_read(struct mime_part *p, struct arena *a)
{
	bool in_digest = p->parent && p->parent->kind == MIME_MULTIPART && mime_is(p->parent, S("multipart"), S("digest"));

	p->type = S("text");
	p->subtype = S("plain");
	if (p->content[CONTENT_TYPE].p) {
		p->has_type = mime_type_parse(p->content[CONTENT_TYPE], a, &p->type, &p->subtype, &p->params);
	} else if (in_digest) {
		p->type = S("message");
		p->subtype = S("rfc822");
	}
}

/* A part beyond a limit: its bytes are there, its meaning is not looked at. */
static void part_seal(struct mime_part *p)
{
	p->is_cut = true;
	p->type = S("application");
	p->subtype = S("octet-stream");
	p->params = NULL;
}

static bool multipart_open(struct walk *w, struct mime_part *p)
{
	const struct mime_param *param = mime_param_find(p->params, S("boundary"));
	struct boundary *b;

	p->kind = MIME_MULTIPART;
	if (!param || param->value.n > MIME_BOUNDARY_MAX)
		return true;
	p->is_ambiguous |= mime_param_find(param->next, S("boundary")) != NULL;
	b = ARENA_NEW(w->a, struct boundary);
	if (!b)
		return false;
	*b = (struct boundary){ .outer = w->boundary, .text = param->value, .part = p, .tail = &p->child };
	w->boundary = b;
	return true;
}

/* The header of the innermost part ends here: what is it, and does something begin within? */
static bool header_end(struct walk *w)
{
	struct mime_part *p = w->part;
	bool is_message, is_multipart;

	if (!field_end(w))
		return false;
	w->in_header = false;
	range_end(&p->header, w->here);
	range_begin(&p->body, w->here);
	encoding_read(p);
	type_read(p, w->a);
	is_multipart = p->has_type && mime_is(p, S("multipart"), S(""));
	/* RFC 6532 §3.7 lets message/global be encoded, RFC 2046 §5.2.1 message/rfc822 not */
	is_message = mime_is(p, S("message"), S("rfc822")) ||
		     (mime_is(p, S("message"), S("global")) && p->encoding <= MIME_BINARY);
	if (!is_message && !is_multipart)
		return true;
	if (p->depth == MIME_DEPTH_MAX || w->parts >= w->parts_max) {
		part_seal(p);
		return true;
	}
	if (is_multipart)
		return multipart_open(w, p);
	p->kind = MIME_MESSAGE;
	p->child = part_open(w, p, true);
	return p->child != NULL;
}

/* Close the innermost parts up to `outer`, which stays open (NULL: all).  The line end before a
 * boundary belongs to the boundary (RFC 2046 §5.1.1), but not that of a header. */
static bool parts_close(struct walk *w, struct mime_part *outer, struct point end)
{
	if (!w->in_header && w->part->body.at > end.at)
		end = w->here;
	while (w->in_header) {
		end = w->here;
		/* a message without any header still holds a letter */
		if (!header_end(w))
			return false;
	}
	for (; w->part != outer; w->part = w->part->parent)
		range_end(&w->part->body, end);
	return true;
}

/* The boundary a line "--…" begins with: the longest, of equals the innermost; one that the whole line
 * agrees with is taken at once. */
static struct boundary *boundary_find(struct walk *w, struct str text, bool *ret_last)
{
	struct boundary *best = NULL;

	for (struct boundary *b = w->boundary; b; b = b->outer) {
		if (!str_starts(text, b->text) || (best && b->text.n <= best->text.n))
			continue;
		best = b;
		if (text.n == b->text.n || str_eq(str_from(text, b->text.n), S("--")))
			break;
	}
	*ret_last = best && str_starts(str_from(text, best->text.n), S("--"));
	return best;
}

/* A line that begins with "--".  *ret_found: it was a boundary, and the next line is *next. */
static bool boundary_line(struct walk *w, struct str text, struct point text_end, struct point next,
			  bool *ret_found)
{
	bool is_last;
	struct boundary *b = boundary_find(w, str_from(text, 2), &is_last);
	struct mime_part *p;

	*ret_found = b != NULL;
	if (!b)
		return true;
	if (!parts_close(w, b->part, w->text_end))
		return false;
	w->text_end = text_end;
	if (!is_last && w->parts >= w->parts_max) {
		/* no more parts: what follows is nobody's, as an epilogue is */
		b->part->is_cut = true;
		is_last = true;
	}
	/* a boundary in the very last line, without its end, begins nothing */
	is_last |= next.lines == w->here.lines;
	w->boundary = is_last ? b->outer : b;
	w->here = next;
	if (is_last)
		return true;
	p = part_open(w, b->part, false);
	if (!p)
		return false;
	*b->tail = p;
	b->tail = &p->next;
	return true;
}

/* Look at one line. */
static bool line_read(struct walk *w)
{
	struct str rest = str_from(w->letter, w->here.at), text;
	size_t n = str_find(rest, '\n'), end = n < rest.n;
	bool has_cr = end && n && rest.p[n - 1] == '\r', found;
	struct point next = { w->here.at + n + end, w->here.crlf + n + end + (end && !has_cr), w->here.lines + end };
	struct point text_end;

	text = str_head(rest, n - has_cr);
	text_end = (struct point){ w->here.at + text.n, w->here.crlf + text.n, w->here.lines };
	if (w->boundary && n >= 2 && rest.p[0] == '-' && rest.p[1] == '-') {
		if (!boundary_line(w, text, text_end, next, &found))
			return false;
		if (found)
			return true;
	}
	w->text_end = text_end;
	if (w->in_header && text.n == 0 && end) {
		w->here = next;
		return header_end(w);
	}
	if (w->in_header && !header_line(w, text))
		return false;
	w->here = next;
	return true;
}

struct mime_part *mime_parse_parts(struct str letter, size_t max, struct arena *a)
{
	struct walk w = { .letter = letter, .a = a, .parts_max = max < MIME_PARTS_MAX ? max : MIME_PARTS_MAX };
	struct mime_part *root = part_open(&w, NULL, true);

	if (!root)
		return NULL;
	while (w.here.at < letter.n)
		if (!line_read(&w))
			return NULL;
	return parts_close(&w, NULL, w.here) && !a->full ? root : NULL;
}

struct mime_part *mime_parse(struct str letter, struct arena *a)
{
	struct arena_mark m = arena_mark(a);
	struct mime_part *root = a->full ? NULL : mime_parse_parts(letter, MIME_PARTS_MAX, a);

	if (root)
		return root;
	/* thousands of parts with a hundred parameters each */
	arena_rewind(a, m);
	a->full = false;
	return mime_parse_parts(letter, 1, a);
}

struct mime_part *mime_next(const struct mime_part *p)
{
	if (p->child)
		return p->child;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

bool mime_is(const struct mime_part *p, struct str type, struct str subtype)
{
	return str_eq_nocase(p->type, type) && (subtype.n == 0 || str_eq_nocase(p->subtype, subtype));
}
