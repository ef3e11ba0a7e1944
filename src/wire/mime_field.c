/* mime_field.c — Content-* fields; see mime_field.h. */
#include "wire/mime_field.h"

#include "wire/charset.h"
#include "wire/cfws.h"
#include "wire/mime_header.h"

/* A parameter as it stands there, before continuations are joined. */
struct piece {
	struct mime_param param; /* first, so that a list of pieces is a list of parameters */
	struct str base;         /* the name up to the first "*" */
	int index;               /* of name*0, or -1 */
	bool is_extended;        /* name*, name*0* */
	bool is_used;
};

/* token of RFC 2045 §5.1; above ASCII everything passes */
static bool is_token(int c)
{
	return c > ' ' && c != 0x7f && (c >= 0x80 || !strchr("()<>@,;:\\\"/[]?=", c));
}

/* What may stand in a value without quotes.  Many forget them around a boundary that has "=" or "/". */
static bool is_bare_value(int c)
{
	return c > ' ' && c != 0x7f && c != ';' && c != '"' && c != '(';
}

static struct str take(struct str *s, bool (*is_part)(int))
{
	size_t n = 0;
	struct str ret;

	while (n < s->n && is_part(str_at(*s, n)))
		n++;
	ret = str_head(*s, n);
	*s = str_from(*s, n);
	return ret;
}

/* name*  name*0  name*0* */
static void name_split(struct piece *p)
{
	struct str rest;
	uint64_t index;

	p->base = str_cut(p->param.name, '*', &rest);
	p->index = -1;
	if (p->base.n == p->param.name.n || p->base.n == 0)
		return;
	if (rest.n == 0) {
		p->is_extended = true;
		return;
	}
	if (str_at(rest, rest.n - 1) == '*') {
		p->is_extended = true;
		rest.n--;
	}
	/* "0" or a number without leading zeros */
	if (str_u64(rest, &index) && index < MIME_PARAMS_MAX && (index ? rest.p[0] != '0' : rest.n == 1))
		p->index = (int)index;
	else
		p->is_extended = false;
}

/* One parameter and the ";" behind it off *s.  False at the end or if the arena is full. */
static bool piece_take(struct str *s, struct arena *a, struct piece **ret)
{
	while (cfws_skip(s), s->n) {
		struct str name = take(s, is_token), value;
		struct piece *p;

		cfws_skip(s);
		if (name.n == 0 || str_at(*s, 0) != '=') {
			/* no parameter: go on behind the next ";" */
			cfws_find(s, ';');
			*s = str_from(*s, 1);
			continue;
		}
		*s = str_from(*s, 1);
		cfws_skip(s);
		value = str_at(*s, 0) == '"' ? cfws_quoted(s, a) : take(s, is_bare_value);
		cfws_find(s, ';');
		*s = str_from(*s, 1);
		p = ARENA_NEW(a, struct piece);
		if (!p)
			return false;
		p->param.name = name;
		p->param.value = value;
		name_split(p);
		*ret = p;
		return true;
	}
	return false;
}

static struct piece *next_of(const struct piece *p)
{
	return (struct piece *)p->param.next;
}

/* The one piece `base*index`; NULL if there is none or more than one. */
static struct piece *piece_find(struct piece *list, struct str base, int index)
{
	struct piece *ret = NULL;

	for (struct piece *p = list; p; p = next_of(p)) {
		if (p->index != index || !str_eq_nocase(p->base, base))
			continue;
		if (ret)
			return NULL;
		ret = p;
	}
	return ret;
}

/* How many pieces base*0 … base*n-1 there are, if they are all that have the name; else 0. */
static int run_length(struct piece *list, struct str base, bool *ret_extended)
{
	int n = 0, all = 0;
	struct piece *p;

	*ret_extended = false;
	while ((p = piece_find(list, base, n))) {
		*ret_extended |= p->is_extended;
		n++;
	}
	for (p = list; p; p = next_of(p))
		all += p->index >= 0 && str_eq_nocase(p->base, base);
	return n == all ? n : 0;
}

/* attribute-char, RFC 2231 §7 */
static bool is_attribute_char(int c)
{
	return c < 0x80 && is_token(c) && c != '*' && c != '\'' && c != '%';
}

/* A piece without "*" among extended ones means its bytes. */
static void add_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (is_attribute_char(str_at(s, i)))
			buf_add_char(b, s.p[i]);
		else
			buf_addf(b, "%%%02X", (unsigned)str_at(s, i));
}

/* base*0 takes the place of all of its run. */
static void run_join(struct piece *list, struct piece *first, struct arena *a)
{
	bool is_extended;
	int n = run_length(list, first->base, &is_extended);
	size_t room = 2;
	struct buf b;
	char *mem;

	for (int i = 0; i < n; i++)
		room += 3 * piece_find(list, first->base, i)->param.value.n;
	if (n == 0 || !(mem = arena_alloc(a, room, 1)))
		return;
	b = buf_over(mem, room);
	if (is_extended && !first->is_extended)
		buf_add(&b, S("''"));
	for (int i = 0; i < n; i++) {
		struct piece *p = piece_find(list, first->base, i);

		if (is_extended && !p->is_extended)
			add_escaped(&b, p->param.value);
		else
			buf_add(&b, p->param.value);
		p->is_used = i > 0;
	}
	first->param.name = first->base;
	first->param.value = buf_str(&b);
	first->param.is_extended = is_extended;
}

static struct mime_param *pieces_join(struct piece *list, struct arena *a)
{
	struct mime_param *ret = NULL, **tail = &ret;

	for (struct piece *p = list; p; p = next_of(p)) {
		if (p->is_used)
			continue;
		if (p->index == 0) {
			run_join(list, p, a);
		} else if (p->index < 0 && p->is_extended) {
			p->param.name = p->base;
			p->param.is_extended = true;
		}
	}
	for (struct piece *p = list; p; p = next_of(p))
		if (!p->is_used) {
			*tail = &p->param;
			tail = &p->param.next;
		}
	*tail = NULL;
	return ret;
}

/* What follows the first word: ";" and parameters. */
static struct mime_param *params_parse(struct str s, struct arena *a)
{
	struct piece *list = NULL, *p;
	struct mime_param **tail = NULL;
	bool is_joined = false;

	cfws_find(&s, ';');
	s = str_from(s, 1);
	for (size_t n = 0; n < MIME_PARAMS_MAX && piece_take(&s, a, &p); n++) {
		if (tail)
			*tail = &p->param;
		else
			list = p;
		tail = &p->param.next;
		is_joined |= p->index >= 0 || p->is_extended;
	}
	return is_joined ? pieces_join(list, a) : list ? &list->param : NULL;
}

bool mime_type_parse(struct str raw, struct arena *a, struct str *ret_type, struct str *ret_subtype,
		     struct mime_param **ret)
{
	struct str s = raw, type, subtype = { 0 };

	cfws_skip(&s);
	type = take(&s, is_token);
	cfws_skip(&s);
	if (str_at(s, 0) == '/') {
		s = str_from(s, 1);
		cfws_skip(&s);
		subtype = take(&s, is_token);
	}
	*ret = params_parse(s, a);
	if (type.n == 0 || subtype.n == 0)
		return false;
	*ret_type = type;
	*ret_subtype = subtype;
	return true;
}

bool mime_word_parse(struct str raw, struct arena *a, struct str *ret_word, struct mime_param **ret)
{
	struct str s = raw;

	cfws_skip(&s);
	*ret_word = str_at(s, 0) == '"' ? cfws_quoted(&s, a) : take(&s, is_token);
	*ret = params_parse(s, a);
	return ret_word->n > 0;
}

struct str mime_language_next(struct str *raw)
{
	struct str ret = { 0 };

	while (ret.n == 0 && (cfws_skip(raw), raw->n)) {
		ret = take(raw, is_token);
		cfws_skip(raw);
		if (raw->n && str_at(*raw, 0) != ',' && !is_token(str_at(*raw, 0)))
			cfws_find(raw, ',');
		if (str_at(*raw, 0) == ',')
			*raw = str_from(*raw, 1);
	}
	return ret;
}

const struct mime_param *mime_param_find(const struct mime_param *list, struct str name)
{
	while (list && !str_eq_nocase(list->name, name))
		list = list->next;
	return list;
}

/* charset'language'%XX */
static struct str extended_text(struct str value, struct arena *a)
{
	struct str rest, text, label = str_cut(value, '\'', &rest);
	const struct charset *c;
	struct buf out;
	char *raw, *mem;
	size_t n = 0;

	if (rest.p == NULL || label.n == value.n || !str_has(rest, '\'')) {
		label = S("");
		text = value;
	} else {
		str_cut(rest, '\'', &text);
	}
	raw = arena_alloc(a, text.n, 1);
	mem = arena_alloc(a, text.n, 3);
	if (!raw || !mem)
		return (struct str){ 0 };
	for (size_t i = 0; i < text.n; i++) {
		int high = ascii_hex(str_at(text, i + 1)), low = ascii_hex(str_at(text, i + 2));
		bool is_escape = text.p[i] == '%' && high >= 0 && low >= 0;

		raw[n++] = is_escape ? (char)(high * 16 + low) : text.p[i];
		i += is_escape ? 2 : 0;
	}
	out = buf_over(mem, text.n * 3);
	c = charset_find(label);
	if (c)
		charset_to_utf8(c, str_of(raw, n), &out);
	else
		charset_guess_to_utf8(str_of(raw, n), &out);
	return buf_str(&out);
}

struct str mime_param_text(const struct mime_param *p, struct arena *a)
{
	struct buf b;
	char *mem;

	if (p->is_extended)
		return extended_text(p->value, a);
	mem = arena_alloc(a, p->value.n, 3);
	if (!mem)
		return (struct str){ 0 };
	b = buf_over(mem, p->value.n * 3);
	mime_header_decode(p->value, &b);
	return buf_str(&b);
}

struct str mime_part_filename(const struct mime_part *p, struct arena *a)
{
	const struct mime_param *name = NULL;
	struct mime_param *params;
	struct str word;

	if (p->content[CONTENT_DISPOSITION].p) {
		mime_word_parse(p->content[CONTENT_DISPOSITION], a, &word, &params);
		name = mime_param_find(params, S("filename"));
	}
	if (!name)
		name = mime_param_find(p->params, S("name"));
	return name ? mime_param_text(name, a) : (struct str){ 0 };
}
