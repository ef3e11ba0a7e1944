/* header.c — the header of a letter, field by field; see header.h. */
#include "wire/header.h"

struct header header_of(struct str letter)
{
	return (struct header){ .letter = letter };
}

/* Length of the line at the beginning of s with its LF; s.n if there is none. */
static size_t line_length(struct str s)
{
	size_t n = str_find(s, '\n');

	return n < s.n ? n + 1 : n;
}

static bool is_empty_line(struct str line)
{
	return str_eq(line, S("\n")) || str_eq(line, S("\r\n"));
}

/* field-name = 1*(%d33-57 / %d59-126), here also with spaces before the colon (RFC 5322 §4.5). */
static size_t name_length(struct str line, size_t *ret_colon)
{
	const unsigned char *p = (const unsigned char *)line.p;
	size_t n = 0, i;

	while (n < line.n && p[n] > ' ' && p[n] < 0x7f && p[n] != ':')
		n++;
	i = n;
	while (i < line.n && (p[i] == ' ' || p[i] == '\t'))
		i++;
	*ret_colon = i;
	return i < line.n && p[i] == ':' ? n : 0;
}

/* Without the CRLF or LF at its end. */
static struct str chomp(struct str s)
{
	if (str_at(s, s.n - 1) == '\n')
		s.n--;
	if (str_at(s, s.n - 1) == '\r')
		s.n--;
	return s;
}

/* Step over lines that are no fields, as far as we may.  0 if the header ends here; else the length of
 * a field's name, *ret is its first line and *ret_colon where its colon is. */
static size_t find_field(struct header *h, struct str all, struct str *ret, size_t *ret_colon)
{
	for (;;) {
		struct str s = str_from(all, h->at), line = str_head(s, line_length(s));
		size_t name;

		h->is_over = is_empty_line(line);
		h->is_cut = line.n ? !h->is_over && h->count == HEADER_COUNT_MAX : all.n < h->letter.n;
		if (h->is_over || h->is_cut || line.n == 0)
			return 0;
		name = name_length(line, ret_colon);
		if (name) {
			*ret = line;
			return name;
		}
		if (h->at > 0 || !str_starts(line, S("From "))) {
			h->is_malformed = true;
			if (!h->is_lenient)
				return 0;
		}
		h->at += line.n;
	}
}

bool header_next(struct header *h, struct field *ret)
{
	struct str all = str_head(h->letter, HEADER_SIZE_MAX), s, line;
	size_t n, name, colon;

	if (h->is_over || h->is_cut || (h->is_malformed && !h->is_lenient))
		return false;
	name = find_field(h, all, &line, &colon);
	if (!name)
		return false;
	s = str_from(all, h->at);
	n = line.n;
	while (str_at(s, n) == ' ' || str_at(s, n) == '\t')
		n += line_length(str_from(s, n));
	if (n == s.n && all.n < h->letter.n) {
		h->is_cut = true;        /* the limit lies within the field */
		return false;
	}
	*ret = (struct field){ .name = str_head(s, name), .value = chomp(str_sub(s, colon + 1, n - colon - 1)),
			       .at = h->at, .n = n };
	h->at += n;
	h->count++;
	return true;
}

bool header_find(struct str letter, struct str name, struct field *ret)
{
	struct header h = header_of(letter);
	struct field f;

	while (header_next(&h, &f)) {
		if (!str_eq_nocase(f.name, name))
			continue;
		*ret = f;
		return true;
	}
	return false;
}

struct str header_unfold(struct str value, struct arena *a)
{
	char *p = arena_alloc(a, value.n, 1);
	size_t n = 0;

	if (!p)
		return (struct str){ 0 };
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\n' && value.p[i] != '\r')
			p[n++] = value.p[i];
	return str_trim(str_of(p, n));
}
