/* mail_address.c — addresses of a header field; see mail_address.h. */
#include "wire/mail_address.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "wire/cfws.h"

enum { TEXT_MAX = 64 << 10 };    /* octets of a name, a local part or a domain */

struct reader {
	struct str s;
	struct arena *a;
	struct buf text;         /* of the words just read */
	struct str comment;      /* the last one met in this address */
	struct mail_address **tail;
	size_t *count;
	bool in_group;
};

/* What ends a run of letters. */
static bool is_special(int c)
{
	return c < 0 || is_cfws_space(c) || c == '<' || c == '>' || c == '@' || c == ',' || c == ';' || c == ':' ||
	       c == '"' || c == '(';
}

static bool emit(struct reader *r, struct mail_address m)
{
	struct mail_address *p;

	if (*r->count >= MAIL_ADDRESS_MAX)
		return false;
	p = ARENA_NEW(r->a, struct mail_address);
	if (!p)
		return false;
	*p = m;
	*r->tail = p;
	r->tail = &p->next;
	++*r->count;
	return true;
}

/* The words up to a character of `stop`, with one space where any stood, but none around a dot
 * (RFC 5322 §4.4: "a . b"). */
static struct str words_take(struct reader *r, const char *stop)
{
	buf_clear(&r->text);
	for (;;) {
		bool is_apart = cfws_skip_comment(&r->s, r->a, &r->comment);
		size_t n = 0;
		int c = str_at(r->s, 0);
		struct str word;

		if (c < 0 || (c && strchr(stop, c)))
			break;
		if (is_apart && r->text.n)
			buf_add_char(&r->text, ' ');
		if (c == '"') {
			buf_add(&r->text, cfws_quoted(&r->s, r->a));
			continue;
		}
		while (!is_special(str_at(r->s, n)))
			n++;
		word = str_head(r->s, n ? n : 1);
		buf_add(&r->text, word);
		r->s = str_from(r->s, word.n);
	}
	return arena_str(r->a, str_trim(buf_str(&r->text)));
}

/* domain = dot-atom / domain-literal; spaces around dots go. */
static struct str domain_take(struct reader *r)
{
	buf_clear(&r->text);
	for (;;) {
		size_t n = 0;

		cfws_skip_comment(&r->s, r->a, &r->comment);
		if (str_at(r->s, 0) == '[') {
			n = str_find(r->s, ']');
			n = n < r->s.n ? n + 1 : n;
		} else {
			while (!is_special(str_at(r->s, n)))
				n++;
		}
		buf_add(&r->text, str_head(r->s, n));
		r->s = str_from(r->s, n);
		cfws_skip_comment(&r->s, r->a, &r->comment);
		if (n == 0 || (str_at(r->s, 0) != '.' && r->text.n && r->text.p[r->text.n - 1] != '.'))
			return arena_str(r->a, buf_str(&r->text));
	}
}

/* Local parts are read as words; around their dots no space is meant. */
static struct str local_fold(struct str s)
{
	char *p = (char *)(uintptr_t)s.p;
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ' ' && (str_at(s, i + 1) == '.' || (n && p[n - 1] == '.')))
			continue;
		p[n++] = s.p[i];
	}
	return str_of(p, n);
}

/* Is there a "<" before this address ends? */
static bool has_angle(struct str s)
{
	while (s.n) {
		int c = str_at(s, 0);

		if (c == '<')
			return true;
		if (c == ',' || c == ';')
			return false;
		if (c == '"' || c == '(')
			cfws_step(&s);
		else
			s = str_from(s, 1);
	}
	return false;
}

/* Behind an address: what should not be there, up to the "," or the group's ";".  Was there anything? */
static bool rest_skip(struct reader *r)
{
	bool is_there = false;

	while (r->s.n && str_at(r->s, 0) != ',' && str_at(r->s, 0) != ';') {
		cfws_skip_comment(&r->s, r->a, &r->comment);
		if (!r->s.n || str_at(r->s, 0) == ',' || str_at(r->s, 0) == ';')
			continue;
		is_there = true;
		if (str_at(r->s, 0) == '"')
			cfws_step(&r->s);
		else
			r->s = str_from(r->s, 1);
	}
	return is_there;
}

/* "<" [ route ":" ] local "@" domain ">", all of it optional. */
static bool angle_take(struct reader *r, struct str name)
{
	struct mail_address m = { .name = name };

	r->s = str_from(r->s, 1);
	cfws_skip(&r->s);
	if (str_at(r->s, 0) == '@') {
		size_t n = str_find(r->s, ':');

		if (n < r->s.n && n < str_find(r->s, '>')) {
			m.route = str_trim(str_head(r->s, n));
			r->s = str_from(r->s, n + 1);
		}
	}
	m.mailbox = local_fold(words_take(r, "@>"));
	if (str_at(r->s, 0) == '@') {
		r->s = str_from(r->s, 1);
		m.domain = domain_take(r);
	}
	m.has_rest = str_at(r->s, 0) != '>';
	while (r->s.n && str_at(r->s, 0) != '>')
		cfws_step(&r->s);
	r->s = str_from(r->s, 1);
	m.has_rest |= rest_skip(r);
	m.is_broken = m.mailbox.n == 0 || m.domain.n == 0;
	if (m.mailbox.n == 0 && m.domain.n == 0 && m.name.n == 0)
		return true;
	if (m.name.n == 0)
		m.name = r->comment;
	return emit(r, m);
}

/* Without a domain: a local part, or rather somebody's name? */
static bool is_login(struct str s)
{
	return str_is_ascii(s) && !str_has(s, ' ') && !str_starts(s, S("=?"));
}

/* local "@" domain, or something that is no address. */
static bool spec_take(struct reader *r)
{
	struct mail_address m = { 0 };
	bool is_quoted = str_at(r->s, 0) == '"';
	size_t last;

	m.mailbox = local_fold(words_take(r, "@,;:<"));
	if (str_at(r->s, 0) == ':' && !r->in_group) {
		r->s = str_from(r->s, 1);
		r->in_group = true;
		m.kind = MAIL_GROUP_BEGIN;
		return emit(r, m);
	}
	if (str_at(r->s, 0) == '@') {
		r->s = str_from(r->s, 1);
		m.domain = domain_take(r);
	}
	m.has_rest = rest_skip(r);
	m.is_broken = m.mailbox.n == 0 || m.domain.n == 0;
	if (m.mailbox.n == 0 && m.domain.n == 0)
		return true;
	m.name = r->comment;
	last = str_rfind(m.mailbox, ' ');
	if (m.domain.n && last < m.mailbox.n && !is_quoted) {
		/* "Jane Doe jd@example.org" */
		m.is_broken = true;
		m.name = str_head(m.mailbox, last);
		m.mailbox = str_from(m.mailbox, last + 1);
	} else if (m.domain.n == 0 && (is_quoted || !is_login(m.mailbox))) {
		m.name = m.mailbox;
		m.mailbox = m.domain;
	}
	return emit(r, m);
}

/* Begins with a name and has its address in <>, or begins a group. */
static bool named_take(struct reader *r)
{
	struct str name = words_take(r, r->in_group ? "<" : "<:");
	struct mail_address group = { .mailbox = name, .kind = MAIL_GROUP_BEGIN };

	if (str_at(r->s, 0) == '<')
		return angle_take(r, name);
	r->s = str_from(r->s, 1);
	r->in_group = true;
	return emit(r, group);
}

struct mail_address **mail_address_parse(struct str raw, struct arena *a, struct mail_address **tail, size_t *count)
{
	AUTO(buf_end) struct buf text = buf_on_heap(TEXT_MAX);
	struct reader r = { .s = raw, .a = a, .tail = tail, .count = count, .text = text };
	bool ok = true;

	while (ok) {
		r.comment = (struct str){ 0 };
		cfws_skip_comment(&r.s, a, &r.comment);
		if (r.s.n == 0)
			break;
		if (r.in_group && str_at(r.s, 0) == ';') {
			r.in_group = false;
			ok = emit(&r, (struct mail_address){ .kind = MAIL_GROUP_END });
		}
		if (str_at(r.s, 0) == ',' || str_at(r.s, 0) == ';')
			r.s = str_from(r.s, 1);
		else if (has_angle(r.s))
			ok = named_take(&r);
		else
			ok = spec_take(&r);
	}
	if (r.in_group)
		emit(&r, (struct mail_address){ .kind = MAIL_GROUP_END });
	text = r.text;
	return r.tail;
}
