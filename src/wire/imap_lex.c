/* imap_lex.c — the words that IMAP commands are made of; see imap_lex.h. */
#include "wire/imap_lex.h"

#include "base/utf8.h"
#include "wire/imap_print.h"
#include "wire/imap_utf7.h"

bool lex_fail(struct imap_lex *l, const char *expected)
{
	if (l->why->reply == IMAP_REPLY_NONE)
		*l->why = (struct imap_fault){ IMAP_REPLY_SYNTAX, l->i, expected };
	return false;
}

bool lex_refuse(struct imap_lex *l, enum imap_reply_id reply)
{
	if (l->why->reply == IMAP_REPLY_NONE)
		*l->why = (struct imap_fault){ reply, l->i, "" };
	return false;
}

/* ATOM-CHAR: a CHAR that is none of atom-specials. */
static bool is_atom_char(int c)
{
	return c > ' ' && c < 0x7f && !str_has(S("(){%*\"\\]"), (char)c);
}

static bool is_astring_char(int c)
{
	return is_atom_char(c) || c == ']';
}

static bool is_list_char(int c)
{
	return is_astring_char(c) || c == '%' || c == '*';
}

static struct str rest(const struct imap_lex *l)
{
	return str_from(l->in, l->i);
}

bool lex_try(struct imap_lex *l, char c)
{
	if (lex_peek(l) != (unsigned char)c)
		return false;
	l->i++;
	return true;
}

bool lex_at_word(const struct imap_lex *l, struct str word)
{
	return str_starts_nocase(rest(l), word) && !is_atom_char(str_at(l->in, l->i + word.n));
}

bool lex_try_word(struct imap_lex *l, struct str word)
{
	if (!lex_at_word(l, word))
		return false;
	l->i += word.n;
	return true;
}

bool lex_char(struct imap_lex *l, char c, const char *expected)
{
	return lex_try(l, c) || lex_fail(l, expected);
}

bool lex_space(struct imap_lex *l)
{
	return lex_char(l, ' ', "a space");
}

bool lex_end(struct imap_lex *l)
{
	return l->i == l->in.n || lex_fail(l, "the end of the line");
}

bool lex_word(struct imap_lex *l, struct str word, const char *expected)
{
	return lex_try_word(l, word) || lex_fail(l, expected);
}

/* One or more bytes of a kind. */
static bool run(struct imap_lex *l, bool (*is)(int c), const char *expected, struct str *ret)
{
	size_t n = 0;

	while (is(str_at(l->in, l->i + n)))
		n++;
	if (n == 0)
		return lex_fail(l, expected);
	*ret = str_sub(l->in, l->i, n);
	l->i += n;
	return true;
}

bool lex_atom(struct imap_lex *l, const char *expected, struct str *ret)
{
	return run(l, is_atom_char, expected, ret);
}

/* QUOTED-CHAR: any TEXT-CHAR but quoted-specials, "\" quoted-specials, and UTF-8 where it is allowed. */
static bool quoted(struct imap_lex *l, struct str *ret)
{
	size_t begin = l->i + 1, n = 0, escapes = 0;
	char *p;

	for (l->i = begin; lex_peek(l) != '"'; l->i++) {
		int c = lex_peek(l);

		if (c <= 0 || c == '\r' || c == '\n')
			return lex_fail(l, "the end of the quoted string");
		if (c > 0x7f && !(l->flags & IMAP_COMMAND_UTF8))
			return lex_fail(l, "ASCII; other characters need a literal");
		if (c != '\\')
			continue;
		l->i++;
		escapes++;
		if (lex_peek(l) != '"' && lex_peek(l) != '\\')
			return lex_fail(l, "\" or \\ behind a backslash");
	}
	*ret = str_sub(l->in, begin, l->i - begin);
	if (!utf8_valid(*ret))
		return lex_fail(l, "valid UTF-8");
	l->i++;
	if (escapes == 0)
		return true;
	p = arena_alloc(l->a, ret->n, 1);
	if (!p)
		return lex_refuse(l, IMAP_REPLY_TOO_COMPLEX);
	for (size_t i = 0; i < ret->n; i++) {
		i += ret->p[i] == '\\';
		p[n++] = ret->p[i];
	}
	*ret = str_of(p, n);
	return true;
}

/* ["~"] "{" number64 ["+"] "}" CRLF: the head of a literal. */
static bool literal_head(struct imap_lex *l, bool *is_literal8, uint64_t *ret_size)
{
	*is_literal8 = lex_try(l, '~');
	if (!lex_char(l, '{', "a literal") || !lex_number(l, "a length", INT64_MAX, ret_size))
		return false;
	lex_try(l, '+');
	return lex_char(l, '}', "}") && lex_char(l, '\r', "CRLF behind the length") &&
	       lex_char(l, '\n', "CRLF behind the length");
}

static bool is_stream(const struct imap_lex *l)
{
	return l->stream < l->n_streams && l->streams[l->stream].at == l->i;
}

static bool literal(struct imap_lex *l, struct str *ret)
{
	size_t begin = l->i;
	bool is_literal8;
	uint64_t n;

	if (!literal_head(l, &is_literal8, &n))
		return false;
	if (is_stream(l) || n > l->in.n - l->i)
		return l->i = begin, lex_fail(l, "something shorter than a letter");
	*ret = str_sub(l->in, l->i, (size_t)n);
	if (!is_literal8 && str_has(*ret, '\0'))
		return lex_fail(l, "no NUL in the literal");
	l->i += (size_t)n;
	return true;
}

bool lex_stream(struct imap_lex *l, size_t *ret)
{
	size_t begin = l->i;
	bool is_literal8;
	uint64_t n;

	if (!literal_head(l, &is_literal8, &n))
		return false;
	if (!is_stream(l) || l->streams[l->stream].size != n)
		return l->i = begin, lex_fail(l, "a letter");
	*ret = l->stream++;
	return true;
}

bool lex_string(struct imap_lex *l, const char *expected, struct str *ret)
{
	if (lex_peek(l) == '"')
		return quoted(l, ret);
	if (lex_peek(l) == '{')
		return literal(l, ret);
	return lex_fail(l, expected);
}

bool lex_astring(struct imap_lex *l, const char *expected, struct str *ret)
{
	if (lex_peek(l) == '"' || lex_peek(l) == '{')
		return lex_string(l, expected, ret);
	return run(l, is_astring_char, expected, ret);
}

bool lex_nstring(struct imap_lex *l, struct str *ret, bool *is_nil)
{
	*is_nil = lex_try_word(l, S("NIL"));
	if (*is_nil) {
		*ret = (struct str){ 0 };
		return true;
	}
	if (lex_peek(l) == '~')
		return literal(l, ret);
	return lex_string(l, "a string or NIL", ret);
}

bool lex_number(struct imap_lex *l, const char *expected, uint64_t max, uint64_t *ret)
{
	size_t n = 0;
	uint64_t v;

	while (ascii_is_digit(str_at(l->in, l->i + n)))
		n++;
	if (!str_u64(str_sub(l->in, l->i, n), &v) || v > max)
		return lex_fail(l, expected);
	l->i += n;
	*ret = v;
	return true;
}

bool lex_seqset(struct imap_lex *l, unsigned flags, struct seqset *ret)
{
	struct str s = rest(l);

	if (!seqset_parse(&s, flags, l->a, ret))
		return lex_fail(l, "a set of numbers");
	l->i = l->in.n - s.n;
	return true;
}

bool lex_date_time(struct imap_lex *l, int64_t *ret_utc, int32_t *ret_zone)
{
	struct str s = str_from(l->in, l->i + 1);

	s = str_head(s, str_find(s, '"'));
	if (lex_peek(l) != '"' || !imap_date_time_parse(s, ret_utc, ret_zone))
		return lex_fail(l, "a date such as \" 1-Feb-1994 21:52:25 -0800\"");
	l->i += s.n + 2;
	return true;
}

bool lex_date(struct imap_lex *l, int32_t *ret_day)
{
	struct str s = rest(l);
	size_t n = 0;

	if (str_at(s, 0) == '"')
		n = str_find(str_from(s, 1), '"') + 2;
	else
		while (is_atom_char(str_at(s, n)))
			n++;
	s = str_head(s, n);
	if (!imap_date_parse(s, ret_day))
		return lex_fail(l, "a date such as 1-Feb-1994");
	l->i += s.n;
	return true;
}

/* RFC 9051 §5.1: no control characters, no U+2028 and U+2029. */
static bool name_is_clean(struct str s)
{
	if (s.n > IMAP_NAME_MAX || !utf8_valid(s))
		return false;
	for (size_t i = 0, n; i < s.n; i += n) {
		uint32_t c = 0;

		n = utf8_char(str_from(s, i), &c);
		if (c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
			return false;
	}
	return true;
}

static bool name_decode(struct imap_lex *l, struct str s, struct str *ret)
{
	if (l->flags & IMAP_COMMAND_UTF8)
		*ret = s;
	else if (s.n > 4 * IMAP_NAME_MAX || !imap_utf7_decode(s, l->a, ret))
		return false;
	return name_is_clean(*ret);
}

bool lex_mailbox(struct imap_lex *l, struct str *ret)
{
	size_t begin = l->i;
	struct str s;

	if (!lex_astring(l, "a mailbox", &s))
		return false;
	if (!name_decode(l, s, ret)) {
		l->i = begin;
		return lex_refuse(l, IMAP_REPLY_NAME_BAD);
	}
	if (str_eq_nocase(*ret, S("INBOX")))
		*ret = S("INBOX");
	return true;
}

bool lex_pattern(struct imap_lex *l, struct str *ret)
{
	size_t begin = l->i;
	struct str s;

	if (lex_peek(l) == '"' || lex_peek(l) == '{' ? !lex_string(l, "a pattern", &s)
						      : !run(l, is_list_char, "a pattern", &s))
		return false;
	if (name_decode(l, s, ret))
		return true;
	*ret = s;
	if (name_is_clean(s))
		return true;
	l->i = begin;
	return lex_refuse(l, IMAP_REPLY_NAME_BAD);
}

static bool keyword_is_new(const struct flag_list *f, struct str name)
{
	for (size_t i = 0; i < f->n; i++)
		if (str_eq_nocase(f->keywords[i], name))
			return false;
	return true;
}

/* flag = "\Answered" / … / flag-keyword; not "\Recent" */
static bool flag(struct imap_lex *l, struct str **keywords, struct flag_list *ret)
{
	size_t begin = l->i;
	struct str name;
	unsigned bit;

	lex_try(l, '\\');
	if (!lex_atom(l, "a flag", &name))
		return false;
	name = str_sub(l->in, begin, l->i - begin);
	bit = flag_parse(name);
	if (bit & FLAG_SYSTEM) {
		ret->system |= bit;
		return true;
	}
	if (name.p[0] == '\\') {
		l->i = begin;
		return lex_fail(l, "one of \\Seen \\Answered \\Flagged \\Deleted \\Draft, or a keyword");
	}
	if (!flag_keyword_is_valid(name))
		return lex_refuse(l, IMAP_REPLY_KEYWORD_LONG);
	if (!keyword_is_new(ret, name))
		return true;
	if (!lex_room(l, keywords, ret->n, sizeof(**keywords), FLAG_KEYWORDS_MAX))
		return false;
	(*keywords)[ret->n++] = name;
	ret->keywords = *keywords;
	return true;
}

bool lex_flags(struct imap_lex *l, bool store_form, struct flag_list *ret)
{
	struct flag_list f = { 0 };
	struct str *keywords = NULL;
	bool in_list = lex_try(l, '(');

	if (!in_list && !store_form)
		return lex_fail(l, "a list of flags");
	if (!in_list || lex_peek(l) != ')') {
		do {
			if (!flag(l, &keywords, &f))
				return false;
		} while (lex_try(l, ' '));
	}
	if (in_list && !lex_char(l, ')', "a flag or )"))
		return false;
	*ret = f;
	return true;
}

bool lex_room(struct imap_lex *l, void *base, size_t n, size_t size, size_t max)
{
	enum { FIRST_ROOM = 4 };
	void *old, *more;

	if (n >= max)
		return lex_refuse(l, IMAP_REPLY_TOO_COMPLEX);
	if (n && (n < FIRST_ROOM || n & (n - 1)))
		return true;
	more = arena_alloc(l->a, n ? 2 * n : FIRST_ROOM, size);
	if (!more)
		return lex_refuse(l, IMAP_REPLY_TOO_COMPLEX);
	memcpy(&old, base, sizeof(old));
	if (n)
		memcpy(more, old, n * size);
	memcpy(base, &more, sizeof(more));
	return true;
}
