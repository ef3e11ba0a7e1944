/* dkim_tags.c — see dkim_tags.h. */
#include "wire/dkim_tags.h"

#include "base/buf.h"

enum { PLACE_MAX = 40 };         /* octets of it that are shown */

static bool broken(struct err *e, const char *what, struct str place)
{
	char mem[4 * PLACE_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	buf_add_printable(&b, str_trim(place), PLACE_MAX);
	return fail(e, FAULT_PEER, "%s at \"" STR_FMT "\"", what, STR_ARG(buf_str(&b)));
}

/* tag-name = ALPHA *(ALPHA / DIGIT / "_") */
static bool is_name(struct str s)
{
	for (size_t i = 1; i < s.n; i++)
		if (!ascii_is_alnum(str_at(s, i)) && str_at(s, i) != '_')
			return false;
	return ascii_is_alpha(str_at(s, 0));
}

/* Are these eight octets all from " " to "~", or above 0x7f?  No octet borrows from the next one but where an answer
 * is "no" anyway. */
static bool are_plain(uint64_t w)
{
	uint64_t ones = UINT64_MAX / 255, deleted = w ^ 0x7f * ones;

	return !(((w - 0x20 * ones) & ~w) & 0x80 * ones) && !(((deleted - ones) & ~deleted) & 0x80 * ones);
}

/* VALCHAR = %x21-3A / %x3C-7E, white space between; no other control character. */
static bool is_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint64_t w;
		int c;

		/* values are long, and right */
		for (; s.n - i > sizeof(w); i += sizeof(w)) {
			memcpy(&w, s.p + i, sizeof(w));
			if (!are_plain(w))
				break;
		}
		c = str_at(s, i);
		if ((c < ' ' && !is_dkim_space(c)) || c == 0x7f)
			return false;
	}
	return true;
}

/* tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS] */
static bool tag_parse(struct str spec, struct dkim_tag *ret, struct err *e)
{
	struct str raw, name = str_trim(str_cut(spec, '=', &raw));

	if (!str_has(spec, '='))
		return broken(e, "no \"=\"", spec);
	if (!is_name(name))
		return broken(e, "no tag name", spec);
	if (!is_value(raw))
		return broken(e, "a control character", name);
	*ret = (struct dkim_tag){ .name = name, .value = str_trim(raw), .raw = raw };
	return true;
}

bool dkim_tags_parse(struct str s, struct dkim_tags *ret, struct err *e)
{
	struct str rest = s, spec;

	ret->n = 0;
	do {
		spec = str_cut(rest, ';', &rest);
		if (ret->n == DKIM_TAGS_MAX)
			return fail(e, FAULT_PEER, "more than %d tags", DKIM_TAGS_MAX);
		if (!tag_parse(spec, &ret->p[ret->n], e))
			return false;
		if (dkim_tags_find(ret, ret->p[ret->n].name))
			return broken(e, "a tag for the second time", spec);
		ret->n++;
	} while (str_trim(rest).n);
	return true;
}

const struct dkim_tag *dkim_tags_find(const struct dkim_tags *t, struct str name)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->p[i].name, name))
			return &t->p[i];
	return NULL;
}

struct str dkim_unfolded(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n, 1);
	size_t n = 0, end;

	for (size_t i = 0; p && i < s.n; i = end) {
		while (i < s.n && is_dkim_space(s.p[i]))
			i++;
		for (end = i; end < s.n && !is_dkim_space(s.p[end]);)
			end++;
		memcpy(p + n, s.p + i, end - i);
		n += end - i;
	}
	return str_of(p, p ? n : 0);
}

bool dkim_word_next(struct str *list, struct str *ret)
{
	if (!list->n)
		return false;
	*ret = str_trim(str_cut(*list, ':', list));
	return true;
}

bool dkim_words_have(struct str list, struct str word)
{
	struct str w;

	while (dkim_word_next(&list, &w))
		if (str_eq_nocase(w, word))
			return true;
	return false;
}
