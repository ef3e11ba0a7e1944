/* smtp_reply.c — what we answer; see smtp_reply.h. */
#include "wire/smtp_reply.h"

#include "base/err.h"

static const struct reply_row rows[REPLY_COUNT] = {
	[REPLY_NONE] = { "NONE", 0, "", "", "" },
#define REPLY(name, code, enhanced, text, remedy) [REPLY_##name] = { #name, code, enhanced, text, remedy },
#include "wire/smtp_reply.def"
#undef REPLY
};

const struct reply_row *reply_row(enum reply_id id)
{
	must((unsigned)id < REPLY_COUNT, "a reply is a row of smtp_reply.def");
	return &rows[id];
}

bool reply_is_error(enum reply_id id)
{
	return reply_row(id)->code >= 400;
}

/* Take what fits into a line of at most max bytes off *in, at a space if there is one. */
static struct str take_line(struct str *in, size_t max)
{
	struct str line = str_head(*in, str_find(*in, '\n'));
	size_t n = line.n, at;

	if (n <= max) {
		*in = str_from(*in, n + 1);
		return line;
	}
	at = str_rfind(str_head(line, max), ' ');
	n = at < max && at > 0 ? at : max;
	*in = str_from(*in, n < max ? n + 1 : n);
	return str_head(line, n);
}

void reply_add(struct buf *b, const struct reply *r)
{
	const struct reply_row *row = reply_row(r->id);
	struct str text = r->text.n ? r->text : str_from_z(row->text), enhanced = str_from_z(row->enhanced);
	size_t max = REPLY_LINE_MAX - sizeof("250 " "\r\n") - enhanced.n;

	if (r->id == REPLY_NONE)
		return;
	for (size_t lines = 1;; lines++) {
		struct str line = take_line(&text, max);
		bool is_last = text.n == 0 || lines == REPLY_LINES_MAX;

		buf_add_u64(b, row->code);
		buf_add_char(b, is_last ? ' ' : '-');
		buf_add(b, enhanced);
		if (enhanced.n)
			buf_add_char(b, ' ');
		for (size_t i = 0; i < line.n; i++)
			buf_add_char(b, str_at(line, i) >= ' ' && str_at(line, i) < 0x7f ? line.p[i] : '?');
		buf_add(b, S("\r\n"));
		if (is_last)
			return;
	}
}
