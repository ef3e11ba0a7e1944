/* spf_macro.c — see spf_macro.h. */
#include "wire/spf_macro.h"

static bool is_delimiter(int c)
{
	return c > 0 && str_has(S(".-+,/_="), (char)c);
}

/* macro-literal = %x21-24 / %x26-7E */
static bool is_literal(int c, enum spf_macro_use use)
{
	return (c > 32 && c < 127 && c != '%') || (c == ' ' && use == SPF_IN_EXPLANATION);
}

static bool is_letter(int c, enum spf_macro_use use)
{
	return ascii_is_alpha(c) && str_has(use == SPF_IN_EXPLANATION ? S("slodiphvcrt") : S("slodiphv"), (char)ascii_lower(c));
}

/* A number is not zero (§7.1). */
static bool parts_take(struct str s, size_t *i, unsigned *ret)
{
	size_t from = *i;
	unsigned n = 0;

	for (; ascii_is_digit(str_at(s, *i)); ++*i) {
		n = n * 10 + (unsigned)(str_at(s, *i) - '0');
		n = n < SPF_MACRO_PARTS_MAX ? n : SPF_MACRO_PARTS_MAX;
	}
	*ret = n;
	return *i == from || n > 0;
}

/* Behind "%{". */
static bool expand_take(struct str *in, enum spf_macro_use use, struct spf_macro *ret)
{
	struct spf_macro m = { 0 };
	size_t i = 3, from;
	int c = str_at(*in, 2);

	if (!is_letter(c, use) || !parts_take(*in, &i, &m.parts))
		return false;
	m.letter = (char)ascii_lower(c);
	m.is_escaped = c != m.letter;
	m.is_reversed = ascii_lower(str_at(*in, i)) == 'r';
	i += m.is_reversed;
	from = i;
	while (is_delimiter(str_at(*in, i)))
		i++;
	m.delimiters = str_sub(*in, from, i - from);
	if (str_at(*in, i) != '}')
		return false;
	*in = str_from(*in, i + 1);
	*ret = m;
	return true;
}

bool spf_macro_next(struct str *in, enum spf_macro_use use, struct spf_macro *ret)
{
	size_t i = 0;

	if (str_at(*in, 0) == '%') {
		struct str literal = { 0 };

		switch (str_at(*in, 1)) {
		case '{': return expand_take(in, use, ret);
		case '%': literal = S("%"); break;
		case '_': literal = S(" "); break;
		case '-': literal = S("%20"); break;
		default: return false;
		}
		*ret = (struct spf_macro){ .literal = literal };
		*in = str_from(*in, 2);
		return true;
	}
	while (is_literal(str_at(*in, i), use))
		i++;
	if (i == 0)
		return false;
	*ret = (struct spf_macro){ .literal = str_head(*in, i) };
	*in = str_from(*in, i);
	return true;
}

bool spf_macro_is_valid(struct str s, enum spf_macro_use use)
{
	struct spf_macro m;

	while (spf_macro_next(&s, use, &m))
		;
	return s.n == 0;
}

/* toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum ) */
static bool is_toplabel(struct str s)
{
	bool has_other = false;

	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (!ascii_is_alnum(c) && c != '-')
			return false;
		has_other |= !ascii_is_digit(c);
	}
	return has_other && str_at(s, 0) != '-' && str_at(s, s.n - 1) != '-';
}

bool spf_domain_is_valid(struct str s)
{
	struct str rest = s, last = { 0 };
	struct spf_macro m = { 0 };
	size_t dot;

	while (last = rest, spf_macro_next(&rest, SPF_IN_DOMAIN, &m))
		if (!rest.n)
			break;
	if (rest.n || !s.n)
		return false;
	if (str_at(last, 0) == '%')
		return true;
	if (str_ends(last, S(".")))
		last.n--;
	dot = str_rfind(last, '.');
	return dot < last.n && is_toplabel(str_from(last, dot + 1));
}

/* unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"   RFC 3986 §2.3 */
static void add_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (ascii_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
			buf_add_char(b, (char)c);
		else
			buf_addf(b, "%%%02X", (unsigned)c);
	}
}

static void add_part(struct buf *b, const struct spf_macro *m, struct str part)
{
	if (m->is_escaped)
		add_escaped(b, part);
	else
		buf_add(b, part);
}

/* The part that begins at *at; *at moves behind its delimiter. */
static struct str part_take(struct str value, struct str delimiters, size_t *at)
{
	size_t from = *at;

	while (*at < value.n && !str_has(delimiters, value.p[*at]))
		++*at;
	return str_sub(value, from, (*at)++ - from);
}

/* The part that ends before *end; *end moves before its delimiter, or becomes SIZE_MAX. */
static struct str part_take_back(struct str value, struct str delimiters, size_t *end)
{
	size_t to = *end, at = to;

	while (at > 0 && !str_has(delimiters, value.p[at - 1]))
		at--;
	*end = at > 0 ? at - 1 : SIZE_MAX;
	return str_sub(value, at, to - at);
}

static void add_forward(struct buf *b, const struct spf_macro *m, struct str value, struct str delimiters, size_t skip)
{
	bool is_first = true;

	for (size_t at = 0; at <= value.n;) {
		struct str part = part_take(value, delimiters, &at);

		if (skip > 0) {
			skip--;
			continue;
		}
		if (!is_first)
			buf_add_char(b, '.');
		is_first = false;
		add_part(b, m, part);
	}
}

static void add_backward(struct buf *b, const struct spf_macro *m, struct str value, struct str delimiters, size_t skip)
{
	bool is_first = true;

	for (size_t end = value.n; end != SIZE_MAX;) {
		struct str part = part_take_back(value, delimiters, &end);

		if (skip > 0) {
			skip--;
			continue;
		}
		if (!is_first)
			buf_add_char(b, '.');
		is_first = false;
		add_part(b, m, part);
	}
}

void spf_macro_add(struct buf *b, const struct spf_macro *m, struct str value)
{
	struct str delimiters = m->delimiters.n ? m->delimiters : S(".");
	size_t count = 1;

	if (!m->parts && !m->is_reversed && !m->delimiters.n) {
		add_part(b, m, value);
		return;
	}
	for (size_t i = 0; i < value.n; i++)
		count += str_has(delimiters, value.p[i]);
	count = m->parts && m->parts < count ? count - m->parts : 0;
	if (m->is_reversed)
		add_backward(b, m, value, delimiters, count);
	else
		add_forward(b, m, value, delimiters, count);
}
