/* uidlist.c — Dovecot's text files, line by line; see uidlist.h. */
#include "store/uidlist.h"

#include "base/err.h"
#include "store/letter.h"

enum { NAME_MAX_OCTETS = 255, GUID_HEX = 32 };

/* A line with its newline taken off *in; false without a newline. */
static bool line_take(struct str *in, struct str *ret)
{
	size_t n = str_find(*in, '\n');

	*ret = str_head(*in, n);
	if (n == in->n) {
		*in = (struct str){ 0 };
		return false;
	}
	*in = str_from(*in, n + 1);
	return true;
}

/* A number that is a UID: 1 … 2^32-1. */
static bool nz_u32(struct str s, uint32_t *ret)
{
	uint64_t v;

	if (s.n > 10 || !str_u64(s, &v) || v == 0 || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool is_guid(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (ascii_hex(str_at(s, i)) < 0)
			return false;
	return s.n == GUID_HEX;
}

static bool header_v1(struct str line, struct uidlist_header *h)
{
	struct str next, validity = str_cut(line, ' ', &next);

	h->version = 1;
	return nz_u32(validity, &h->validity) && nz_u32(next, &h->next);
}

/* What we do not know must stand together at the end to be kept: Dovecot writes it so. */
static bool header_v3(struct str line, struct uidlist_header *h)
{
	h->version = 3;
	while (line.n) {
		struct str here = line, rest, word = str_cut(line, ' ', &rest), value = str_from(word, 1);

		if (str_at(word, 0) == 'V' && !nz_u32(value, &h->validity))
			return false;
		if (str_at(word, 0) == 'N' && !nz_u32(value, &h->next))
			return false;
		if (str_at(word, 0) == 'G' && is_guid(value))
			h->guid = value;
		if (word.n && !str_has(S("VNG"), word.p[0])) {
			h->rest = here;
			break;
		}
		line = rest;
	}
	return h->validity && h->next;
}

bool uidlist_header_parse(struct str *in, struct uidlist_header *ret)
{
	struct uidlist_header h = { 0 };
	struct str rest = *in, line, fields, version;

	if (!line_take(&rest, &line) || line.n > UIDLIST_LINE_MAX)
		return false;
	version = str_cut(line, ' ', &fields);
	if (!(str_eq(version, S("3")) ? header_v3(fields, &h) :
	      str_eq(version, S("1")) && header_v1(fields, &h)))
		return false;
	*in = rest;
	*ret = h;
	return true;
}

/* Is it the name of a file, up to its flags? */
static bool is_name(struct str s)
{
	return s.n > 0 && s.n <= NAME_MAX_OCTETS && str_at(s, 0) != '.' && !str_has(s, '/') &&
	       !str_has(s, '\0');
}

static bool line_v3(struct str fields, struct uidlist_line *l)
{
	struct str rest = fields;

	while (rest.n && str_at(rest, 0) != ':')
		str_cut(rest, ' ', &rest);
	if (!rest.n)
		return false;
	l->ext = str_head(fields, fields.n - rest.n);
	l->name = str_from(rest, 1);
	return l->ext.n <= UIDLIST_EXT_MAX;
}

bool uidlist_line_parse(struct str *in, const struct uidlist_header *h, struct uidlist_line *ret,
			bool *ret_bad)
{
	struct uidlist_line l = { 0 };
	struct str line, fields, uid;
	bool is_whole, ok;

	if (!in->n)
		return false;
	is_whole = line_take(in, &line);
	uid = str_cut(line, ' ', &fields);
	ok = is_whole && line.n <= UIDLIST_LINE_MAX && nz_u32(uid, &l.uid);
	if (ok && h->version == 3)
		ok = line_v3(fields, &l);
	else
		l.name = fields;
	/* a name with its flags still names the letter */
	l.name = str_head(l.name, str_find(l.name, ':'));
	*ret_bad = !ok || !is_name(l.name);
	*ret = *ret_bad ? (struct uidlist_line){ 0 } : l;
	return true;
}

void uidlist_header_print(const struct uidlist_header *h, struct buf *to)
{
	buf_addf(to, "3 V%u N%u", h->validity, h->next);
	if (h->guid.n)
		buf_addf(to, " G" STR_FMT, STR_ARG(h->guid));
	if (h->rest.n)
		buf_addf(to, " " STR_FMT, STR_ARG(h->rest));
	buf_add_char(to, '\n');
}

void uidlist_line_print(const struct uidlist_line *l, struct buf *to)
{
	buf_add_u64(to, l->uid);
	buf_add_char(to, ' ');
	buf_add(to, l->ext);
	buf_add_char(to, ':');
	buf_add(to, l->name);
	buf_add_char(to, '\n');
}

bool keywords_line_parse(struct str *in, unsigned *ret_index, struct str *ret_name, bool *ret_bad)
{
	struct str line, name, index;
	uint64_t i = 0;

	if (!in->n)
		return false;
	(void)line_take(in, &line);
	index = str_cut(line, ' ', &name);
	*ret_bad = !str_u64(index, &i) || i >= KEYWORDS_MAX || !name.n || name.n > KEYWORD_MAX;
	for (size_t k = 0; k < name.n; k++)
		*ret_bad |= str_at(name, k) <= ' ' || str_at(name, k) == 0x7f;
	*ret_index = *ret_bad ? 0 : (unsigned)i;
	*ret_name = *ret_bad ? (struct str){ 0 } : name;
	return true;
}

bool keyword_is_valid(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		int c = str_at(name, i);

		if (c <= ' ' || c >= 0x7f || str_has(S("(){%*\"\\]"), (char)c))
			return false;
	}
	return name.n > 0 && name.n <= KEYWORD_MAX;
}

/* In version 2 a dot is part of a level's name, which no folder of a Maildir++ has. */
bool subscription_parse(struct str *in, unsigned *version, struct buf *ret_name)
{
	struct str line;

	while (in->n) {
		bool has_dot;

		(void)line_take(in, &line);
		if (!*version) {
			*version = str_eq(line, S("V\t2")) ? 2 : 1;
			if (*version == 2)
				continue;
		}
		has_dot = *version == 2 && str_has(line, '.');
		if (!line.n || line.n > UIDLIST_LINE_MAX || has_dot || str_has(line, '\0'))
			continue;
		buf_clear(ret_name);
		for (size_t i = 0; i < line.n; i++)
			buf_add_char(ret_name, *version == 2 && line.p[i] == '\t' ? '.' : line.p[i]);
		if (!ret_name->full)
			return true;
	}
	return false;
}
