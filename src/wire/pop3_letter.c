/* pop3_letter.c — letters on their way to a POP3 client; see pop3_letter.h. */
#include "wire/pop3_letter.h"

/* A part of a line, without its LF. */
static void piece_add(struct pop3_letter *l, struct str piece, struct buf *ret)
{
	if (!piece.n)
		return;
	if (!l->in_line && piece.p[0] == '.')
		buf_add_char(ret, '.');
	l->is_blank = !l->in_line && piece.n == 1 && piece.p[0] == '\r';
	l->in_line = true;
	l->last = piece.p[piece.n - 1];
	buf_add(ret, piece);
}

static void line_end(struct pop3_letter *l, struct buf *ret)
{
	bool is_empty = !l->in_line || l->is_blank;

	buf_add(ret, l->in_line && l->last == '\r' ? S("\n") : S("\r\n"));
	if (l->in_body && l->lines != UINT64_MAX)
		l->lines--;
	else if (is_empty)
		l->in_body = true;
	l->in_line = false;
	l->is_done = l->in_body && l->lines == 0;
}

void pop3_letter_feed(struct pop3_letter *l, struct str in, struct buf *ret)
{
	while (in.n && !l->is_done) {
		size_t n = str_find(in, '\n');

		piece_add(l, str_head(in, n), ret);
		if (n < in.n)
			line_end(l, ret);
		in = str_from(in, n + 1);
	}
}

void pop3_letter_end(struct pop3_letter *l, struct buf *ret)
{
	if (l->in_line)
		buf_add(ret, S("\r\n"));
	l->in_line = false;
	buf_add(ret, S(".\r\n"));
}
