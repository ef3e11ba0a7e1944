/* lf.c — line ends at rest; see lf.h. */
#include "wire/lf.h"

#include "base/buf.h"

static char *give(struct lf *c, char *out, const char *p, size_t n)
{
	if (!n)
		return out;
	memcpy(out, p, n);
	c->size += n;
	c->vsize += n;
	c->prev = (unsigned char)p[n - 1];
	return out + n;
}

/* The bytes of a line before its LF; a CR at their end waits for what follows. */
static char *give_text(struct lf *c, char *out, struct str text)
{
	if (!text.n)
		return out;
	if (c->held)
		out = give(c, out, "\r", 1);
	c->held = text.p[text.n - 1] == '\r';
	return give(c, out, text.p, text.n - c->held);
}

static char *give_newline(struct lf *c, char *out)
{
	if (c->held && c->prev == '\r')
		out = give(c, out, "\r", 1);
	else
		c->vsize++;
	c->held = false;
	return give(c, out, "\n", 1);
}

size_t lf_feed(struct lf *c, struct str in, char *out)
{
	char *to = out;

	while (in.n) {
		size_t n = str_find(in, '\n');

		to = give_text(c, to, str_head(in, n));
		if (n < in.n)
			to = give_newline(c, to);
		in = str_from(in, n + 1);
	}
	return (size_t)(to - out);
}

size_t lf_finish(struct lf *c, char *out)
{
	bool held = c->held;

	c->held = false;
	return held ? (size_t)(give(c, out, "\r", 1) - out) : 0;
}

void lf_restore(struct str at_rest, struct buf *ret)
{
	int prev = -1;

	while (at_rest.n) {
		size_t n = str_find(at_rest, '\n');

		buf_add(ret, str_head(at_rest, n));
		if (n < at_rest.n)
			buf_add(ret, (n ? str_at(at_rest, n - 1) : prev) == '\r' ? S("\n") : S("\r\n"));
		prev = '\n';
		at_rest = str_from(at_rest, n + 1);
	}
}
