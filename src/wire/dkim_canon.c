/* dkim_canon.c — see dkim_canon.h. */
#include "wire/dkim_canon.h"

#include "wire/dkim_tags.h"

/* ---- body ------------------------------------------------------------------------------------------ */

enum { BLOCK = 16 };

typedef unsigned char block __attribute__((vector_size(BLOCK)));
typedef uint64_t halves __attribute__((vector_size(BLOCK)));

static block load(const char *p)
{
	block b;

	memcpy(&b, p, BLOCK);
	return b;
}

static bool is_wsp(int c)
{
	return c == ' ' || c == '\t';
}

/* White space that relaxed changes: a tab, or a space before more of it or before a CR. */
static bool is_changed(int c, int next)
{
	return c == '\t' || (c == ' ' && (is_wsp(next) || next == '\r'));
}

/* How many octets stand before such a place, or before the last octet, whose next one is not known. */
static size_t unchanged(struct str s)
{
	size_t i = 0;

	for (; i + BLOCK < s.n; i += BLOCK) {
		block c = load(s.p + i), next = load(s.p + i + 1);
		halves found = (halves)((c == '\t') |
					((c == ' ') & ((next == ' ') | (next == '\t') | (next == '\r'))));

		if (found[0] | found[1])
			break;
	}
	while (i + 1 < s.n && !is_changed(str_at(s, i), str_at(s, i + 1)))
		i++;
	return i + 1 == s.n && !is_wsp(str_at(s, i)) ? s.n : i;
}

/* The octets at the beginning of s that are given out as they are: to the last one that is neither white space nor of
 * a line end.  s begins with such an octet. */
static size_t run_length(enum dkim_canon canon, struct str s)
{
	size_t n = canon == DKIM_RELAXED ? unchanged(s) : s.n;

	while (n > 1) {
		int c = str_at(s, n - 1);

		if (c != '\r' && c != '\n' && (canon == DKIM_SIMPLE || !is_wsp(c)))
			break;
		n--;
	}
	return n ? n : 1;
}

static struct str line_ends(struct dkim_body *c)
{
#define EIGHT "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
	struct str all = S(EIGHT EIGHT EIGHT EIGHT), some;
#undef EIGHT

	some = str_head(all, c->lines < all.n / 2 ? (size_t)c->lines * 2 : all.n);
	c->lines -= some.n / 2;
	return some;
}

/* What was held back before an octet that counts. */
static bool held(struct dkim_body *c, struct str *ret)
{
	c->is_begun = true;
	if (c->lines)
		*ret = line_ends(c);
	else if (c->has_space)
		*ret = S(" ");
	else if (c->has_cr)
		*ret = S("\r");
	else
		return false;
	if (ret->p[0] == ' ')
		c->has_space = false;
	else if (ret->n == 1)
		c->has_cr = false;
	return true;
}

bool dkim_body_next(struct dkim_body *c, struct str *piece, struct str *ret)
{
	while (piece->n) {
		int o = piece->p[0];

		if (o == '\n' && c->has_cr) {
			c->has_cr = c->has_space = false;
			c->lines++;
		} else if (o == '\r' && !c->has_cr) {
			c->has_cr = true;
		} else if (c->canon == DKIM_RELAXED && is_wsp(o) && !c->has_cr) {
			c->has_space = true;
		} else {
			size_t n;

			if (held(c, ret))
				return true;
			/* a CR that was held is given out, and this octet is looked at anew */
			n = run_length(c->canon, *piece);
			*ret = str_head(*piece, n);
			*piece = str_from(*piece, n);
			return true;
		}
		*piece = str_from(*piece, 1);
	}
	return false;
}

bool dkim_body_last(struct dkim_body *c, struct str *ret)
{
	if (c->is_over)
		return false;
	/* white space that ends the last line goes, a CR alone does not */
	if (c->has_cr)
		return held(c, ret) || true;
	c->is_over = true;
	*ret = S("\r\n");
	return c->is_begun || c->canon == DKIM_SIMPLE;
}

/* ---- header ---------------------------------------------------------------------------------------- */

/* Relaxed, piece by piece: white space is held until something stands behind it. */
struct relaxed {
	bool is_value;           /* the colon was met */
	bool is_begun;           /* of the value something was given out */
	bool has_space;
};

/* Never gives out more than it takes, but for a space that was held before. */
static void relax(struct relaxed *r, struct str s, struct buf *b)
{
	char *p = buf_room(b, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; p && i < s.n; i++) {
		int c = str_at(s, i);

		if (is_dkim_space(c)) {
			r->has_space = true;
			continue;
		}
		if (!r->is_value) {
			r->is_value = c == ':';
			c = ascii_lower(c);
		} else {
			if (r->has_space && r->is_begun)
				p[n++] = ' ';
			r->is_begun = true;
		}
		r->has_space = false;
		p[n++] = (char)c;
	}
	if (p)
		b->n -= s.n + 1 - n;
}

static struct str chomp(struct str s)
{
	return str_ends(s, S("\r\n")) ? str_head(s, s.n - 2) : s;
}

void dkim_field_add(struct buf *b, enum dkim_canon canon, struct str field, bool has_end)
{
	dkim_field_add_without(b, canon, field, (struct str){ 0 });
	if (has_end)
		buf_add(b, S("\r\n"));
}

void dkim_field_add_without(struct buf *b, enum dkim_canon canon, struct str field, struct str hole)
{
	struct relaxed r = { 0 };
	struct str all = chomp(field), before = all, behind = { 0 };

	if (hole.p) {
		before = str_head(all, (size_t)(hole.p - all.p));
		behind = str_from(all, (size_t)(hole.p - all.p) + hole.n);
	}
	if (canon == DKIM_SIMPLE) {
		buf_add(b, before);
		buf_add(b, behind);
		return;
	}
	relax(&r, before, b);
	relax(&r, behind, b);
}
