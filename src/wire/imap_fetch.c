/* imap_fetch.c — what FETCH and STORE ask for; see imap_fetch.h. */
#include "wire/imap_fetch.h"

#include "wire/imap_args.h"
#include "wire/imap_print.h"

enum { ALL_STARS = SEQSET_STAR | SEQSET_SAVED };

bool imap_fetch_marks_seen(const struct imap_fetch *f)
{
	for (size_t i = 0; i < f->n_sections; i++)
		if (!f->sections[i].peek)
			return true;
	return false;
}

/* Items that are one word. */
static const struct lex_choice items[] = {
	{ S("UID"), FETCH_UID },               { S("FLAGS"), FETCH_FLAGS },
	{ S("INTERNALDATE"), FETCH_INTERNALDATE }, { S("RFC822.SIZE"), FETCH_SIZE },
	{ S("ENVELOPE"), FETCH_ENVELOPE },     { S("BODYSTRUCTURE"), FETCH_BODYSTRUCTURE },
	{ S("MODSEQ"), FETCH_MODSEQ },         { S("EMAILID"), FETCH_EMAILID },
	{ S("THREADID"), FETCH_THREADID },     { S("SAVEDATE"), FETCH_SAVEDATE },
	{ S("PREVIEW"), FETCH_PREVIEW },
};

static const struct lex_choice macros[] = {
	{ S("ALL"), FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE },
	{ S("FAST"), FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE },
	{ S("FULL"), FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE | FETCH_BODY },
};

/* Items with a section, before "["; and the old names for three of them. */
static const struct form {
	struct str name;
	enum fetch_form form;
	enum section_what what;
	bool peek;
	bool is_bare;            /* no [section] */
} forms[] = {
	{ S("BODY.PEEK"), FETCH_AS_BODY, SECTION_ALL, true, false },
	{ S("BODY"), FETCH_AS_BODY, SECTION_ALL, false, false },
	{ S("BINARY.PEEK"), FETCH_AS_BINARY, SECTION_ALL, true, false },
	{ S("BINARY.SIZE"), FETCH_AS_BINARY_SIZE, SECTION_ALL, true, false },
	{ S("BINARY"), FETCH_AS_BINARY, SECTION_ALL, false, false },
	{ S("RFC822"), FETCH_AS_RFC822, SECTION_ALL, false, true },
	{ S("RFC822.HEADER"), FETCH_AS_RFC822_HEADER, SECTION_HEADER, true, true },
	{ S("RFC822.TEXT"), FETCH_AS_RFC822_TEXT, SECTION_TEXT, false, true },
};

/* section-part = nz-number *("." nz-number); leaves a "." before a word to be read. */
static bool section_part(struct imap_lex *l, struct section *ret, bool *ret_more)
{
	uint32_t *path = NULL;
	uint64_t number;

	*ret_more = true;
	while (ascii_is_digit(lex_peek(l))) {
		if (lex_peek(l) == '0' || !lex_number(l, "a part's number", UINT32_MAX, &number))
			return lex_fail(l, "a part's number");
		if (!lex_room(l, &path, ret->n_path, sizeof(*path), SECTION_DEPTH_MAX))
			return false;
		path[ret->n_path++] = (uint32_t)number;
		ret->path = path;
		*ret_more = lex_try(l, '.');
		if (!*ret_more)
			return true;
	}
	return true;
}

/* header-fld-name = astring; such a one as can be a field's name (RFC 5322 §2.2). */
static bool field_name(struct imap_lex *l, struct str *ret)
{
	if (!lex_astring(l, "a field's name", ret))
		return false;
	for (size_t i = 0; i < ret->n; i++)
		if (ret->p[i] <= ' ' || ret->p[i] >= 0x7f || ret->p[i] == ':')
			return lex_fail(l, "a field's name");
	return (ret->n > 0 && ret->n <= IMAP_FIELD_NAME_MAX) || lex_fail(l, "a field's name");
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static bool field_names(struct imap_lex *l, struct section *ret)
{
	struct str *names = NULL;

	if (!lex_space(l) || !lex_char(l, '(', "("))
		return false;
	do {
		if (!lex_room(l, &names, ret->n_names, sizeof(*names), SECTION_NAMES_MAX) ||
		    !field_name(l, &names[ret->n_names]))
			return false;
		ret->n_names++;
	} while (lex_try(l, ' '));
	ret->names = names;
	return lex_char(l, ')', "a field's name or )");
}

/* section-text = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT" / "MIME" (of a part) */
static bool section_text(struct imap_lex *l, struct section *ret)
{
	static const struct lex_choice words[] = {
		{ S("HEADER"), SECTION_HEADER },
		{ S("HEADER.FIELDS"), SECTION_FIELDS },
		{ S("HEADER.FIELDS.NOT"), SECTION_FIELDS_NOT },
		{ S("TEXT"), SECTION_TEXT },
		{ S("MIME"), SECTION_MIME },
	};
	unsigned what = SECTION_ALL;

	if (!lex_choice(l, words, ARRAY_LEN(words), "HEADER, HEADER.FIELDS, TEXT or MIME", &what))
		return false;
	ret->what = (enum section_what)what;
	if (ret->what == SECTION_MIME && ret->n_path == 0)
		return lex_fail(l, "a part before MIME");
	if (ret->what == SECTION_FIELDS || ret->what == SECTION_FIELDS_NOT)
		return field_names(l, ret);
	return true;
}

/* partial = "<" number64 "." nz-number64 ">"; no letter is longer than 4 GiB. */
static bool partial(struct imap_lex *l, struct fetch_section *ret)
{
	uint64_t offset, length;

	if (!lex_try(l, '<'))
		return true;
	if (!lex_number(l, "an offset", INT64_MAX, &offset) || !lex_char(l, '.', ".") ||
	    !lex_number(l, "a length", INT64_MAX, &length))
		return false;
	if (length == 0)
		return lex_fail(l, "a length over 0");
	ret->has_partial = true;
	ret->offset = offset > UINT32_MAX ? UINT32_MAX : (uint32_t)offset;
	ret->length = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
	return lex_char(l, '>', ">");
}

/* "[" [section] "]" [partial], behind the name. */
static bool section(struct imap_lex *l, struct fetch_section *ret)
{
	bool is_binary = ret->form != FETCH_AS_BODY, more;

	if (!lex_char(l, '[', "[") || !section_part(l, &ret->section, &more))
		return false;
	if (is_binary && ret->section.n_path && more)
		return lex_fail(l, "a part's number");
	if (!is_binary && more && (ret->section.n_path || lex_peek(l) != ']') && !section_text(l, &ret->section))
		return false;
	if (!lex_char(l, ']', "]"))
		return false;
	return ret->form == FETCH_AS_BINARY_SIZE || partial(l, ret);
}

/* Is an item with a section here?  "BODY" alone is none. */
static const struct form *form_at(const struct imap_lex *l)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct str in = str_from(l->in, l->i), name = forms[i].name;

		if (forms[i].is_bare ? lex_at_word(l, name)
				     : str_starts_nocase(in, name) && str_at(in, name.n) == '[')
			return &forms[i];
	}
	return NULL;
}

/* "PREVIEW" [SP "(" "LAZY" ")"]   RFC 8970 §6; what else stands in parentheses belongs to FETCH. */
static void preview_lazy(struct imap_lex *l, struct imap_fetch *ret)
{
	if (!str_starts_nocase(str_from(l->in, l->i), S(" (LAZY)")))
		return;
	l->i += 7;
	ret->items |= FETCH_PREVIEW_LAZY;
}

static bool item(struct imap_lex *l, struct fetch_section **sections, struct imap_fetch *ret)
{
	const struct form *form = form_at(l);
	struct fetch_section *s;
	unsigned bit = 0;

	if (!form) {
		if (lex_try_word(l, S("BODY")))
			bit = FETCH_BODY;
		else if (!lex_choice(l, items, ARRAY_LEN(items), "something to fetch", &bit))
			return false;
		ret->items |= bit;
		if (bit == FETCH_PREVIEW)
			preview_lazy(l, ret);
		return true;
	}
	if (!lex_room(l, sections, ret->n_sections, sizeof(**sections), IMAP_SECTIONS_MAX))
		return false;
	s = &(*sections)[ret->n_sections++];
	*s = (struct fetch_section){ .form = form->form, .section.what = form->what, .peek = form->peek };
	ret->sections = *sections;
	l->i += form->name.n;
	return form->is_bare || section(l, s);
}

bool lex_fetch_items(struct imap_lex *l, struct imap_fetch *ret)
{
	struct fetch_section *sections = NULL;

	do {
		if (!item(l, &sections, ret))
			return false;
	} while (lex_try(l, ' '));
	return true;
}

static bool what_to_fetch(struct imap_lex *l, struct imap_fetch *ret)
{
	struct fetch_section *sections = NULL;

	if (lex_try(l, '('))
		return lex_fetch_items(l, ret) && lex_char(l, ')', "something to fetch or )");
	for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
		if (lex_try_word(l, macros[i].word)) {
			ret->items |= macros[i].value;
			return true;
		}
	}
	return item(l, &sections, ret);
}

/* fetch-modifiers = SP "(" fetch-modifier *(SP fetch-modifier) ")"   RFC 7162 §7, RFC 9394 §5 */
static bool modifiers(struct imap_lex *l, bool is_uid, struct imap_fetch *ret)
{
	if (!lex_char(l, '(', "("))
		return false;
	do {
		if (lex_try_word(l, S("CHANGEDSINCE"))) {
			ret->has_changedsince = true;
			ret->items |= FETCH_MODSEQ;
			if (!lex_space(l) || !lex_number(l, "a mod-sequence", INT64_MAX, &ret->changedsince))
				return false;
		} else if (is_uid && lex_try_word(l, S("VANISHED"))) {
			ret->vanished = true;
		} else if (is_uid && lex_try_word(l, S("PARTIAL"))) {
			ret->has_partial = true;
			if (!lex_space(l) || !lex_partial(l, &ret->partial))
				return false;
		} else {
			return lex_fail(l, is_uid ? "CHANGEDSINCE, VANISHED or PARTIAL" : "CHANGEDSINCE");
		}
	} while (lex_try(l, ' '));
	if (ret->vanished && !ret->has_changedsince)
		return lex_fail(l, "CHANGEDSINCE with VANISHED");
	return lex_char(l, ')', ")");
}

/* fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att … ")") [fetch-modifiers] */
bool args_fetch(struct imap_lex *l, struct imap_command *c)
{
	struct imap_fetch *f = &c->fetch;

	f->items = c->is_uid ? FETCH_UID : 0;
	if (!lex_space(l) || !lex_seqset(l, ALL_STARS, &f->set) || !lex_space(l) || !what_to_fetch(l, f))
		return false;
	return !lex_try(l, ' ') || modifiers(l, c->is_uid, f);
}

static bool store_modifier(struct imap_lex *l, struct imap_store *ret)
{
	ret->has_unchangedsince = true;
	return lex_word(l, S("UNCHANGEDSINCE"), "UNCHANGEDSINCE") && lex_space(l) &&
	       lex_number(l, "a mod-sequence", INT64_MAX, &ret->unchangedsince) && lex_char(l, ')', ")") &&
	       lex_space(l);
}

/* store = "STORE" SP sequence-set [store-modifiers] SP ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / flag *(SP flag)) */
bool args_store(struct imap_lex *l, struct imap_command *c)
{
	struct imap_store *s = &c->store;

	if (!lex_space(l) || !lex_seqset(l, ALL_STARS, &s->set) || !lex_space(l))
		return false;
	if (lex_try(l, '(') && !store_modifier(l, s))
		return false;
	s->how = lex_try(l, '+') ? IMAP_STORE_ADD : lex_try(l, '-') ? IMAP_STORE_REMOVE : IMAP_STORE_SET;
	s->silent = lex_try_word(l, S("FLAGS.SILENT"));
	if (!s->silent && !lex_word(l, S("FLAGS"), "FLAGS or FLAGS.SILENT"))
		return false;
	return lex_space(l) && lex_flags(l, true, &s->flags);
}

void fetch_section_add(struct buf *b, const struct fetch_section *s)
{
	static const struct str names[] = {
		[FETCH_AS_BODY] = S("BODY"),         [FETCH_AS_BINARY] = S("BINARY"),
		[FETCH_AS_BINARY_SIZE] = S("BINARY.SIZE"), [FETCH_AS_RFC822] = S("RFC822"),
		[FETCH_AS_RFC822_HEADER] = S("RFC822.HEADER"), [FETCH_AS_RFC822_TEXT] = S("RFC822.TEXT"),
	};

	buf_add(b, names[s->form]);
	if (s->form >= FETCH_AS_RFC822)
		return;
	buf_add_char(b, '[');
	section_add(b, &s->section);
	buf_add_char(b, ']');
	if (s->has_partial)
		buf_addf(b, "<%u>", s->offset);
}
