/* section.c — which octets FETCH asks for; see section.h. */
#include "wire/section.h"

#include "wire/decode.h"
#include "wire/header.h"
#include "wire/imap_string.h"

static const struct { struct str name; enum section_what what; bool has_list, part_only; } words[] = {
	{ S("HEADER.FIELDS.NOT"), SECTION_FIELDS_NOT, true, false },
	{ S("HEADER.FIELDS"), SECTION_FIELDS, true, false },
	{ S("HEADER"), SECTION_HEADER, false, false },
	{ S("TEXT"), SECTION_TEXT, false, false },
	{ S("MIME"), SECTION_MIME, false, true },
};

/* "1.2." off *s; false if a number is none.  *ret_dot: a "." stands behind the last. */
static bool path_take(struct str *s, uint32_t *path, size_t *ret_n, bool *ret_dot)
{
	size_t n = 0;

	*ret_dot = true;
	while (ascii_is_digit(str_at(*s, 0))) {
		size_t digits = 0;
		uint64_t v;

		while (ascii_is_digit(str_at(*s, digits)))
			digits++;
		if (!*ret_dot || n == SECTION_DEPTH_MAX || s->p[0] == '0' || !str_u64(str_head(*s, digits), &v) ||
		    v > UINT32_MAX)
			return false;
		path[n++] = (uint32_t)v;
		*s = str_from(*s, digits);
		*ret_dot = str_at(*s, 0) == '.';
		*s = str_from(*s, *ret_dot);
	}
	*ret_n = n;
	return true;
}

/* "(" name *(SP name) ")", each an atom or a quoted string. */
static bool names_take(struct str *s, struct arena *a, struct section *ret)
{
	struct str *names = ARENA_ARRAY(a, struct str, SECTION_NAMES_MAX);

	if (!names || str_at(*s, 0) != '(')
		return false;
	ret->names = names;
	do {
		bool is_quoted;
		size_t n = 0;

		*s = str_from(*s, 1);
		is_quoted = str_at(*s, 0) == '"';
		*s = str_from(*s, is_quoted);
		while (n < s->n && (is_quoted ? s->p[n] != '"' : s->p[n] > ' ' && !strchr("()\"{%*\\", s->p[n])))
			n++;
		if (n == 0 || ret->n_names == SECTION_NAMES_MAX || (is_quoted && n == s->n))
			return false;
		names[ret->n_names++] = str_head(*s, n);
		*s = str_from(*s, n + is_quoted);
	} while (str_at(*s, 0) == ' ');
	if (str_at(*s, 0) != ')')
		return false;
	*s = str_from(*s, 1);
	return true;
}

bool section_parse(struct str text, struct arena *a, struct section *ret)
{
	struct section got = { 0 };
	uint32_t *path = ARENA_ARRAY(a, uint32_t, SECTION_DEPTH_MAX);
	struct str s = text;
	bool has_dot;
	size_t i = 0;

	if (!path || !path_take(&s, path, &got.n_path, &has_dot))
		return false;
	got.path = path;
	if (s.n == 0 && (!has_dot || got.n_path == 0)) {
		*ret = got;
		return true;
	}
	while (i < ARRAY_LEN(words) && !str_starts_nocase(s, words[i].name))
		i++;
	if (!has_dot || i == ARRAY_LEN(words) || (words[i].part_only && got.n_path == 0))
		return false;
	s = str_from(s, words[i].name.n);
	got.what = words[i].what;
	if (words[i].has_list) {
		if (str_at(s, 0) != ' ')
			return false;
		s = str_from(s, 1);
		if (!names_take(&s, a, &got))
			return false;
	}
	if (s.n)
		return false;
	*ret = got;
	return true;
}

void section_add(struct buf *b, const struct section *s)
{
	for (size_t i = 0; i < s->n_path; i++) {
		if (i)
			buf_add_char(b, '.');
		buf_add_u64(b, s->path[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (words[i].what != s->what)
			continue;
		if (s->n_path)
			buf_add_char(b, '.');
		buf_add(b, words[i].name);
		for (size_t k = 0; words[i].has_list && k < s->n_names; k++) {
			bool is_atom = true;

			for (size_t n = 0; n < s->names[k].n; n++)
				is_atom &= s->names[k].p[n] > ' ' && s->names[k].p[n] < 0x7f &&
					   !strchr("()\"{%*\\]", s->names[k].p[n]);
			buf_add(b, k ? S(" ") : S(" ("));
			if (is_atom && s->names[k].n)
				buf_add(b, s->names[k]);
			else
				imap_add_string(b, s->names[k]);
		}
		if (words[i].has_list)
			buf_add_char(b, ')');
	}
}

const struct mime_part *mime_part_find(const struct mime_part *root, const uint32_t *path, size_t n)
{
	const struct mime_part *p = root;
	bool is_letter = true;   /* p is a letter: if it has no parts of its own, it is its part 1 */

	for (size_t i = 0; p && i < n; i++) {
		uint32_t k = path[i];

		if (i > 0 && p->kind == MIME_MESSAGE) {
			p = p->child;
			is_letter = true;
		}
		if (p->kind == MIME_MULTIPART) {
			for (p = p->child; p && k > 1; k--)
				p = p->next;
		} else if (!is_letter || k != 1) {
			return NULL;
		}
		is_letter = false;
	}
	return p;
}

bool section_find(const struct mime_part *root, const struct section *s, struct mime_range *ret)
{
	const struct mime_part *p = mime_part_find(root, s->path, s->n_path);

	if (!p)
		return false;
	if (s->what == SECTION_ALL || s->what == SECTION_MIME) {
		*ret = s->what == SECTION_MIME ? p->header : p->body;
		if (s->n_path == 0)
			*ret = (struct mime_range){ p->header.at, p->header.n + p->body.n,
						    p->header.crlf_n + p->body.crlf_n,
						    p->header.lines + p->body.lines };
		return true;
	}
	if (s->n_path) {
		/* only a message has a header of its own (RFC 9051 §6.4.5) */
		if (p->kind != MIME_MESSAGE)
			return false;
		p = p->child;
	}
	*ret = s->what == SECTION_TEXT ? p->body : p->header;
	return true;
}

void section_fields_add(struct str header, const struct section *s, struct buf *ret)
{
	struct header h = header_of(header);
	struct field f;

	h.is_lenient = true;
	while (header_next(&h, &f)) {
		struct str whole = str_sub(header, f.at, f.n);
		bool is_named = false;

		for (size_t i = 0; !is_named && i < s->n_names; i++)
			is_named = str_eq_nocase(f.name, s->names[i]);
		if (is_named != (s->what == SECTION_FIELDS))
			continue;
		buf_add(ret, whole);
		if (str_at(whole, whole.n - 1) != '\n')
			buf_add_char(ret, '\n');
	}
	buf_add_char(ret, '\n');
}

bool section_binary(const struct mime_part *root, const struct section *s, const struct mime_part **ret_part)
{
	const struct mime_part *p = s->what == SECTION_ALL && s->n_path ? mime_part_find(root, s->path, s->n_path) : NULL;

	if (p && !decode_knows(p->encoding))
		return false;
	*ret_part = p && (p->encoding == MIME_BASE64 || p->encoding == MIME_QUOTED_PRINTABLE) ? p : NULL;
	return true;
}
