/* imap_structure.c — BODY and BODYSTRUCTURE; see imap_structure.h.
 *
 *	body      = "(" (body-type-1part / body-type-mpart) ")"
 *	1part     = type subtype params id description encoding octets
 *	            [text: lines / message: envelope body lines] [md5 dsp lang loc]
 *	mpart     = 1*body subtype [params dsp lang loc] */
#include "wire/imap_structure.h"

#include "wire/imap_envelope.h"
#include "wire/imap_string.h"
#include "wire/mime_field.h"

enum { FIELD_ARENA = 4 << 20 };

static void add_param(struct buf *b, struct str name, bool is_extended, struct str value)
{
	if (is_extended) {
		AUTO(buf_end) struct buf starred = buf_on_heap(name.n + 1);

		buf_add(&starred, name);
		buf_add_char(&starred, '*');
		imap_add_string(b, buf_str(&starred));
	} else {
		imap_add_string(b, name);
	}
	buf_add_char(b, ' ');
	imap_add_string(b, value);
}

/* The parameters, and the charset of text that names none (RFC 2046 §4.1.2). */
static void add_params(struct buf *b, const struct mime_param *list, bool is_text)
{
	bool add_charset = is_text && !mime_param_find(list, S("charset"));

	if (!list && !add_charset) {
		buf_add(b, S("NIL"));
		return;
	}
	buf_add_char(b, '(');
	for (const struct mime_param *p = list; p; p = p->next) {
		if (p != list)
			buf_add_char(b, ' ');
		add_param(b, p->name, p->is_extended, p->value);
	}
	if (add_charset) {
		if (list)
			buf_add_char(b, ' ');
		add_param(b, S("charset"), false, S("us-ascii"));
	}
	buf_add_char(b, ')');
}

/* ("attachment" ("filename" "x")) */
static void add_disposition(struct buf *b, struct str raw)
{
	AUTO(arena_end) struct arena a = { .limit = FIELD_ARENA };
	struct mime_param *params;
	struct str word;

	if (!raw.p || !mime_word_parse(raw, &a, &word, &params)) {
		buf_add(b, S("NIL"));
		return;
	}
	buf_add_char(b, '(');
	imap_add_string(b, word);
	buf_add_char(b, ' ');
	add_params(b, params, false);
	buf_add_char(b, ')');
}

static void add_languages(struct buf *b, struct str raw)
{
	struct str tag = mime_language_next(&raw);
	bool is_first = true;

	if (tag.n == 0) {
		buf_add(b, S("NIL"));
		return;
	}
	for (; tag.n; tag = mime_language_next(&raw)) {
		buf_add_char(b, is_first ? '(' : ' ');
		imap_add_string(b, tag);
		is_first = false;
	}
	buf_add_char(b, ')');
}

/* disposition, language, location */
static void add_extension(struct buf *b, const struct mime_part *p)
{
	buf_add_char(b, ' ');
	add_disposition(b, p->content[CONTENT_DISPOSITION]);
	buf_add_char(b, ' ');
	add_languages(b, p->content[CONTENT_LANGUAGE]);
	buf_add_char(b, ' ');
	imap_add_field(b, p->content[CONTENT_LOCATION]);
}

static void add_single(struct buf *b, const struct mime_part *p, bool is_extended)
{
	bool is_text = mime_is(p, S("text"), S(""));

	imap_add_string(b, p->type);
	buf_add_char(b, ' ');
	imap_add_string(b, p->subtype);
	buf_add_char(b, ' ');
	add_params(b, p->params, is_text);
	buf_add_char(b, ' ');
	imap_add_field(b, p->content[CONTENT_ID]);
	buf_add_char(b, ' ');
	imap_add_field(b, p->content[CONTENT_DESCRIPTION]);
	buf_add_char(b, ' ');
	imap_add_string(b, p->encoding_text);
	buf_add_char(b, ' ');
	buf_add_u64(b, p->body.crlf_n);
	if (p->kind == MIME_MESSAGE) {
		buf_add_char(b, ' ');
		imap_envelope_add(b, p->child);
		buf_add_char(b, ' ');
		imap_structure_add(b, p->child, is_extended);
	}
	if (is_text || p->kind == MIME_MESSAGE) {
		buf_add_char(b, ' ');
		buf_add_u64(b, p->body.lines);
	}
	if (is_extended) {
		buf_add_char(b, ' ');
		imap_add_field(b, p->content[CONTENT_MD5]);
		add_extension(b, p);
	}
}

static void add_multipart(struct buf *b, const struct mime_part *p, bool is_extended)
{
	for (const struct mime_part *c = p->child; c; c = c->next)
		imap_structure_add(b, c, is_extended);
	/* the grammar wants a part, where none came */
	if (!p->child)
		buf_add(b, is_extended ? S("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 "
					   "NIL NIL NIL NIL)") :
					 S("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)"));
	buf_add_char(b, ' ');
	imap_add_string(b, p->subtype);
	if (is_extended) {
		buf_add_char(b, ' ');
		add_params(b, p->params, false);
		add_extension(b, p);
	}
}

/* Calls itself no deeper than MIME_DEPTH_MAX, the parser's limit. */
void imap_structure_add(struct buf *b, const struct mime_part *p, bool is_extended)
{
	buf_add_char(b, '(');
	if (p->kind == MIME_MULTIPART)
		add_multipart(b, p, is_extended);
	else
		add_single(b, p, is_extended);
	buf_add_char(b, ')');
}
