/* auth_results.c — see auth_results.h. */
#include "wire/auth_results.h"

#include "base/utf8.h"
#include "wire/address.h"
#include "wire/cfws.h"
#include "wire/mime_header.h"

/* ---- reading --------------------------------------------------------------------------------------- */

/* token of RFC 2045 §5.1: visible, no tspecials; UTF-8 passes (RFC 6532). */
static bool is_token(int c)
{
	return c > ' ' && c != 0x7f && !str_has(S("()<>@,;:\\\"/[]?="), (char)c);
}

/* Take the octets off *s that `is` likes; false if there are none. */
static bool take_while(struct str *s, bool (*is)(int c), struct str *ret)
{
	size_t n = 0;

	while (is(str_at(*s, n)))
		n++;
	*ret = str_head(*s, n);
	*s = str_from(*s, n);
	return n > 0;
}

static bool is_keyword(int c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* value = token / quoted-string */
static bool take_value(struct str *s, struct arena *a, struct str *ret)
{
	if (str_at(*s, 0) != '"')
		return take_while(s, is_token, ret);
	*ret = cfws_quoted(s, a);
	return !a->full;
}

static bool take_char(struct str *s, char c)
{
	cfws_skip(s);
	if (str_at(*s, 0) != c)
		return false;
	*s = str_from(*s, 1);
	cfws_skip(s);
	return true;
}

/* [CFWS] ( value / [ [ local-part ] "@" ] domain-name ) [CFWS]; what is met beyond, such as "/" in a bare base64
 * signature, is taken too. */
static bool is_pvalue(int c)
{
	return is_token(c) || (c > ' ' && c != 0x7f && str_has(S("@:/=[]<>,\\?"), (char)c));
}

static bool take_pvalue(struct str *s, struct arena *a, struct str *ret)
{
	struct str begin = *s, rest;

	if (str_at(*s, 0) != '"')
		return take_while(s, is_pvalue, ret);
	*ret = cfws_quoted(s, a);
	if (str_at(*s, 0) == '@') {      /* "a b"@example.net stays as it is written */
		take_while(s, is_pvalue, &rest);
		*ret = str_head(begin, begin.n - s->n);
	}
	return !a->full;
}

/* propspec = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue */
static bool take_property(struct str *s, struct arena *a, struct auth_property *ret)
{
	cfws_skip(s);
	return take_while(s, is_keyword, &ret->type) && take_char(s, '.') && take_while(s, is_keyword, &ret->name) &&
	       take_char(s, '=') && take_pvalue(s, a, &ret->value);
}

static bool is_end(struct str *s)
{
	cfws_skip(s);
	return s->n == 0 || s->p[0] == ';';
}

/* "reason" [CFWS] "=" [CFWS] value; *s stays where it is if there is none. */
static bool take_reason(struct str *s, struct arena *a, struct str *ret)
{
	struct str in = *s, word;

	if (!take_while(&in, is_keyword, &word) || !str_eq_nocase(word, S("reason")) || !take_char(&in, '='))
		return true;
	*s = in;
	return take_value(s, a, ret);
}

static bool take_properties(struct str *s, struct arena *a, struct auth_property **tail)
{
	for (size_t n = 0; !is_end(s); n++) {
		*tail = n < AUTH_PROPERTIES_MAX ? ARENA_NEW(a, struct auth_property) : NULL;
		if (!*tail || !take_property(s, a, *tail))
			return false;
		tail = &(*tail)->next;
	}
	return true;
}

/* methodspec = [CFWS] method [CFWS] "=" [CFWS] result, method = Keyword [ [CFWS] "/" [CFWS] method-version ] */
static bool take_method(struct str *s, struct arena *a, struct auth_method *ret)
{
	struct str version;

	if (!take_while(s, is_keyword, &ret->name))
		return false;
	if (take_char(s, '/') && (!take_while(s, is_keyword, &version) || !str_eq(version, S("1"))))
		return false;
	if (!take_char(s, '=') || !take_while(s, is_keyword, &ret->result))
		return false;
	cfws_skip(s);
	return take_reason(s, a, &ret->reason) && take_properties(s, a, &ret->properties);
}

/* "none" stands alone. */
static bool is_no_result(struct str s)
{
	struct str word;

	cfws_skip(&s);
	if (!take_while(&s, is_keyword, &word) || !str_eq_nocase(word, S("none")))
		return false;
	cfws_skip(&s);
	return s.n == 0;
}

static bool take_server(struct str *s, struct arena *a, struct str *ret)
{
	struct str version;

	cfws_skip(s);
	if (!take_value(s, a, ret))
		return false;
	cfws_skip(s);
	/* a version, of which there is only one */
	return !ascii_is_digit(str_at(*s, 0)) || (take_while(s, is_keyword, &version) && str_eq(version, S("1")));
}

bool auth_results_parse(struct str value, struct arena *a, struct auth_results *ret)
{
	struct auth_method **tail = &ret->methods;
	struct str s = value;

	*ret = (struct auth_results){ 0 };
	if (!take_server(&s, a, &ret->server) || !take_char(&s, ';'))
		return false;
	if (is_no_result(s))
		return true;
	for (size_t n = 0; s.n || n == 0; n++) {
		*tail = n < AUTH_METHODS_MAX ? ARENA_NEW(a, struct auth_method) : NULL;
		if (!*tail || !take_method(&s, a, *tail))
			return false;
		tail = &(*tail)->next;
		take_char(&s, ';');
	}
	return true;
}

/* ---- printing -------------------------------------------------------------------------------------- */

/* Where the line is, so that it is folded before it has 78 octets. */
struct printing {
	struct buf *b;
	size_t column;
};

enum { LINE = 78, FIELD_NAME = 24 };     /* "Authentication-Results: " and "ARC-…: i=1; " begin the first line */

/* One word, and a space or a fold in front of it. */
static void word_add(struct printing *p, struct str word)
{
	if (p->column + 1 + word.n > LINE) {
		buf_add(p->b, S("\r\n\t"));
		p->column = 8;
	} else {
		buf_add_char(p->b, ' ');
		p->column++;
	}
	buf_add(p->b, word);
	p->column += word.n;
}

static bool is_all(struct str s, bool (*is)(int c))
{
	for (size_t i = 0; i < s.n; i++)
		if (!is(str_at(s, i)))
			return false;
	return s.n > 0;
}

/* A dot-atom, "@" and a domain, or either of both. */
static bool is_plain_address(struct str s)
{
	struct str domain = str_from(s, str_rfind(s, '@') + 1), local = str_head(s, str_rfind(s, '@'));

	return str_has(s, '@') && is_all(domain, is_token) && (local.n == 0 || is_all(local, is_token));
}

/* Text between two octets that enclose it. */
static void enclosed_add(struct buf *b, struct str s, char open, char close)
{
	bool is_utf8 = utf8_valid(s);

	buf_add_char(b, open);
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (c == open || c == close || c == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, c < ' ' || c == 0x7f || (c > 0x7f && !is_utf8) ? '?' : (char)c);
	}
	buf_add_char(b, close);
}

static void value_add(struct buf *b, struct str s, bool is_address_fine)
{
	s = str_head(s, AUTH_VALUE_MAX);
	if (utf8_valid(s) && (is_all(s, is_token) || (is_address_fine && is_plain_address(s))))
		buf_add(b, s);
	else
		enclosed_add(b, s, '"', '"');
}

static void keyword_add(struct buf *b, struct str s)
{
	buf_add(b, is_all(s, is_keyword) ? str_head(s, AUTH_WORD_MAX) : S("unknown"));
}

static void method_add(struct printing *p, const struct auth_method *m)
{
	char mem[3 * AUTH_VALUE_MAX];
	struct buf word = buf_over(mem, sizeof(mem));

	keyword_add(&word, m->name);
	buf_add_char(&word, '=');
	keyword_add(&word, m->result);
	word_add(p, buf_str(&word));
	if (m->comment.n) {
		buf_clear(&word);
		enclosed_add(&word, str_head(m->comment, AUTH_VALUE_MAX), '(', ')');
		word_add(p, buf_str(&word));
	}
	if (m->reason.n) {
		buf_clear(&word);
		buf_add(&word, S("reason="));
		value_add(&word, m->reason, false);
		word_add(p, buf_str(&word));
	}
	for (const struct auth_property *o = m->properties; o; o = o->next) {
		buf_clear(&word);
		keyword_add(&word, o->type);
		buf_add_char(&word, '.');
		keyword_add(&word, o->name);
		buf_add_char(&word, '=');
		value_add(&word, o->value, true);
		word_add(p, buf_str(&word));
	}
}

void auth_results_add(struct buf *b, const struct auth_results *r)
{
	struct printing p = { .b = b, .column = FIELD_NAME };
	size_t n = b->n;

	value_add(b, r->server, false);
	p.column += b->n - n;
	if (!r->methods)
		buf_add(b, S("; none"));
	for (const struct auth_method *m = r->methods; m; m = m->next) {
		/* each on a line of its own */
		buf_add_char(b, ';');
		p.column = LINE;
		method_add(&p, m);
	}
}

/* ---- forged ones ----------------------------------------------------------------------------------- */

enum { CLAIM_TEXT_MAX = 1 << 20 };       /* a decoded value; one that is longer is taken for forged */

/* As a name of a host is compared; as it is if it is none.  A dot at the end names the same host. */
static struct str folded(struct str s, struct arena *a)
{
	struct str ret;

	s = str_trim(s);
	if (str_ends(s, S(".")))
		s.n--;
	return address_domain_fold(s, a, &ret) ? ret : s;
}

static bool is_server(struct str name, struct str server, struct arena *a)
{
	name = folded(name, a);
	return name.n == 0 || str_eq_nocase(name, folded(server, a));
}

/* All in front of the ";" or a version, with comments, quotes and white space gone: as no reader should. */
static struct str squeezed(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n, 1);
	size_t n = 0;

	while (p && s.n && s.p[0] != ';' && s.p[0] != '/') {
		if (cfws_skip(&s))
			continue;
		if (s.p[0] != '"' && s.p[0] != '\\')
			p[n++] = s.p[0];
		s = str_from(s, 1);
	}
	return str_of(p, n);
}

static bool has_server(struct str s, struct str server)
{
	for (size_t i = 0; i + server.n <= s.n; i++)
		if (str_starts_nocase(str_from(s, i), server))
			return true;
	return false;
}

/* What does not begin with a value of RFC 8601 claims nothing, unless a reader who searches finds the name in it. */
static bool claims_so(struct str value, struct str server, struct arena *a)
{
	struct str s = value, name, all = squeezed(value, a);

	cfws_skip(&s);
	if (is_server(all, server, a))
		return true;
	return take_value(&s, a, &name) ? is_server(name, server, a) : has_server(all, server);
}

bool auth_results_claims(struct str value, struct str server, struct arena *a)
{
	AUTO(buf_end) struct buf text = buf_on_heap(CLAIM_TEXT_MAX);
	struct arena_mark m = arena_mark(a);
	bool ret = claims_so(value, server, a);

	/* some readers decode before they parse */
	if (!ret && str_find_str(value, S("=?")) < value.n) {
		mime_header_decode(value, &text);
		ret = text.full || claims_so(buf_str(&text), server, a);
	}
	arena_rewind(a, m);
	return ret;
}
