/* cfws.c — white space and comments; see cfws.h. */
#include "wire/cfws.h"

/* Octets of the comment at the beginning of s, with both parentheses if it has both. */
static size_t comment_length(struct str s)
{
	size_t depth = 0, i = 0;

	for (; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return s.n;
}

bool cfws_skip(struct str *s)
{
	size_t n = s->n;

	for (;;) {
		while (is_cfws_space(str_at(*s, 0)))
			*s = str_from(*s, 1);
		if (str_at(*s, 0) != '(')
			return s->n < n;
		*s = str_from(*s, comment_length(*s));
	}
}

/* The text between: backslashes and line ends go, what follows a line end stays (RFC 5322 §2.2.3). */
static struct str plain(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n, 1);
	size_t n = 0;

	if (!p)
		return (struct str){ 0 };
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' || (s.p[i] == '\r' && str_at(s, i + 1) == '\n'))
			continue;
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		p[n++] = s.p[i];
	}
	return str_of(p, n);
}

bool cfws_skip_comment(struct str *s, struct arena *a, struct str *ret_comment)
{
	size_t n = s->n;

	for (;;) {
		struct str text;
		size_t length;

		while (is_cfws_space(str_at(*s, 0)))
			*s = str_from(*s, 1);
		if (str_at(*s, 0) != '(')
			return s->n < n;
		length = comment_length(*s);
		text = str_sub(*s, 1, length - 1);
		if (str_at(text, text.n - 1) == ')')
			text.n--;
		*ret_comment = str_trim(plain(text, a));
		*s = str_from(*s, length);
	}
}

/* Index of the closing quote of the string that s begins with; s.n if it is not closed. */
static size_t quote_end(struct str s, bool *ret_plain)
{
	*ret_plain = true;
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '"')
			return i;
		if (s.p[i] == '\\' || s.p[i] == '\n')
			*ret_plain = false;
		i += s.p[i] == '\\';
	}
	return s.n;
}

struct str cfws_quoted(struct str *s, struct arena *a)
{
	bool is_plain;
	size_t n = quote_end(*s, &is_plain);
	struct str text = str_sub(*s, 1, n - 1);

	*s = str_from(*s, n + 1);
	return is_plain ? text : plain(text, a);
}

void cfws_step(struct str *s)
{
	bool is_plain;

	if (str_at(*s, 0) == '(')
		*s = str_from(*s, comment_length(*s));
	else if (str_at(*s, 0) == '"')
		*s = str_from(*s, quote_end(*s, &is_plain) + 1);
	else
		*s = str_from(*s, 1);
}

void cfws_find(struct str *s, char c)
{
	while (s->n && s->p[0] != c)
		cfws_step(s);
}
