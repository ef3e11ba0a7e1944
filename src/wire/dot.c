/* dot.c — the bytes of a letter as they come in; see dot.h.
 *
 * Lines are found with memchr() and copied in runs that go from one changed
 * byte to the next; the states only carry us over line starts with a dot and
 * over the borders between pieces. */
#include "wire/dot.h"

static void emit(struct dot *d, struct buf *out, struct str s)
{
	uint64_t room = !d->size_max ? s.n : d->size < d->size_max ? d->size_max - d->size : 0;

	d->size += s.n;
	if (s.n > room) {
		d->flags |= DOT_TOO_BIG;
		s.n = (size_t)room;
	}
	buf_add(out, s);
}

/* The line of d->line octets (without its end) is over. */
static void line_end(struct dot *d)
{
	if (d->line > d->line_longest)
		d->line_longest = d->line;
	if (d->line_max && d->line > d->line_max)
		d->flags |= DOT_LINE_LONG;
	if (!d->in_body) {
		d->header_size += d->line + 2;
		if (d->header_max && d->header_size > d->header_max)
			d->flags |= DOT_HEADER_BIG;
		d->in_body = d->line == 0;
	}
	d->line = 0;
	d->state = DOT_LINE_START;
}

/* c begins a line: in the header that is a field, unless it goes on with the one before. */
static void line_begin(struct dot *d, char c)
{
	d->state = DOT_IN_LINE;
	if (d->in_body || c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return;
	d->fields++;
	if (d->field_max && d->fields > d->field_max)
		d->flags |= DOT_HEADER_MANY;
}

/* s is the next piece of a line, without a LF.  A CR is bare unless it comes last: then
 * the next byte tells. */
static void take_piece(struct dot *d, struct str s)
{
	size_t cr = str_find(s, '\r');

	d->line += s.n;
	if (cr == s.n)
		return;
	if (cr + 1 < s.n)
		d->flags |= DOT_BARE_CR;
	if (str_at(s, s.n - 1) == '\r') {
		d->state = DOT_CR;
		d->after_cr = str_at(s, s.n - 2) == '\r';
	}
}

/* Where the piece ends that begins at i: at a LF, at the end of s, or behind a CR if that
 * is to be mended should it be bare. */
static size_t piece_end(const struct dot *d, struct str s, size_t i)
{
	const char *lf = memchr(s.p + i, '\n', s.n - i);
	size_t end = lf ? (size_t)(lf - s.p) : s.n;
	size_t cr = d->normalize ? i + str_find(str_sub(s, i, end - i), '\r') : end;

	return cr < end ? cr + 1 : end;
}

/* In the midst of a line: go on to a line that begins with a dot, to a bare CR or LF that is
 * to be changed, or to the end of s.  Gives how many bytes may be copied as they are. */
static size_t take_lines(struct dot *d, struct str s, bool dots)
{
	size_t i = 0;

	while (i < s.n) {
		size_t end;

		if (d->state == DOT_LINE_START) {
			if (dots && s.p[i] == '.')
				break;
			line_begin(d, s.p[i]);
		}
		if (d->normalize && d->state == DOT_CR && s.p[i] != '\n')
			break;
		end = piece_end(d, s, i);
		if (d->state == DOT_CR && end > i) {
			/* the CR before this piece was bare */
			d->flags |= DOT_BARE_CR;
			d->state = DOT_IN_LINE;
			take_piece(d, str_sub(s, i, end - i));
			if (d->state == DOT_CR && end == i + 1)
				d->after_cr = true;
		} else if (end > i) {
			take_piece(d, str_sub(s, i, end - i));
		}
		if (end == s.n || s.p[end] != '\n') {
			i = end;
			continue;
		}
		i = end + 1;
		if (d->state == DOT_CR) {
			d->line--;
			/* the CR before this one was mended, and yet it stood there */
			d->after_cr |= d->line == 0 && d->after_bare == '\r';
			d->after_bare = 0;
			line_end(d);
		} else if (d->normalize) {
			return end;
		} else {
			d->flags |= DOT_BARE_LF;
			d->line++;
		}
	}
	return i;
}

/* What ended a line all alone ends it with CRLF. */
static void line_mend(struct dot *d, char bare)
{
	d->after_bare = bare;
	d->after_cr = false;
	line_end(d);
}

/* Copy what needs no change, and mend a bare CR or LF if we may. */
static void take_run(struct dot *d, struct str *s, struct buf *out, bool dots)
{
	size_t n = take_lines(d, *s, dots);

	emit(d, out, str_head(*s, n));
	*s = str_from(*s, n);
	if (!d->normalize || s->n == 0)
		return;
	if (d->state == DOT_IN_LINE && s->p[0] == '\n') {
		emit(d, out, S("\r\n"));
		*s = str_from(*s, 1);
		line_mend(d, '\n');
	} else if (d->state == DOT_CR) {
		emit(d, out, S("\n"));
		d->line--;
		line_mend(d, '\r');
	}
}

/* A line ".": the end, unless it began behind a bare CR or LF. */
static void dot_line(struct dot *d, struct buf *out)
{
	if (!d->after_bare) {
		d->state = DOT_DONE;
		if (d->after_cr)
			d->flags |= DOT_END_DOUBTFUL;
		return;
	}
	emit(d, out, S(".\r\n"));
	d->fields += !d->in_body;
	d->line = 1;
	d->after_bare = 0;
	d->after_cr = false;
	line_end(d);
}

static void note_nul(struct dot *d, struct str s)
{
	if (s.n && memchr(s.p, '\0', s.n))
		d->flags |= DOT_NUL;
}

bool dot_feed(struct dot *d, struct str *in, struct buf *out)
{
	struct str s = *in;

	while (s.n && d->state != DOT_DONE) {
		char c = s.p[0];

		switch (d->state) {
		case DOT_LINE_START:
			if (c != '.') {
				take_run(d, &s, out, true);
				break;
			}
			d->state = DOT_DOT;
			s = str_from(s, 1);
			break;
		case DOT_DOT:
			if (c == '\r') {
				d->state = DOT_DOT_CR;
				s = str_from(s, 1);
			} else if (c == '\n' && d->normalize) {
				/* a lone dot before a bare LF is text */
				emit(d, out, S("."));
				line_begin(d, '.');
				d->line = 1;
				take_run(d, &s, out, true);
			} else {
				line_begin(d, c);        /* the dot was stuffed in */
				take_run(d, &s, out, true);
			}
			break;
		case DOT_DOT_CR:
			if (c == '\n') {
				s = str_from(s, 1);
				dot_line(d, out);
				break;
			}
			/* to be mended: a lone dot; else the dot was stuffed in */
			emit(d, out, d->normalize ? S(".\r") : S("\r"));
			line_begin(d, d->normalize ? '.' : '\r');
			d->line = d->normalize ? 2 : 1;
			d->state = DOT_CR;
			d->after_cr = false;
			break;
		case DOT_IN_LINE:
		case DOT_CR:
			take_run(d, &s, out, true);
			break;
		case DOT_DONE:
			break;
		}
	}
	note_nul(d, str_head(*in, in->n - s.n));
	*in = s;
	return d->state == DOT_DONE;
}

void bdat_feed(struct dot *d, struct str in, struct buf *out)
{
	note_nul(d, in);
	while (in.n)
		take_run(d, &in, out, false);
}

void bdat_end(struct dot *d, struct buf *out)
{
	if (d->state == DOT_CR && d->normalize) {
		emit(d, out, S("\n"));
		d->line--;
		line_mend(d, '\r');
	} else if (d->state == DOT_CR) {
		d->flags |= DOT_BARE_CR;
	}
	if (d->line)
		line_end(d);
	d->state = DOT_DONE;
}
