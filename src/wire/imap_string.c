/* imap_string.c — strings in IMAP answers; see imap_string.h. */
#include "wire/imap_string.h"

/* How a string has to be written. */
struct form {
	size_t nul;              /* NULs, each of which becomes three octets */
	bool is_literal, has_special;
};

static struct form form_of(struct str s)
{
	struct form f = { .is_literal = s.n > IMAP_QUOTED_MAX };

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		f.is_literal |= c >= 0x80 || c == '\r' || c == '\n' || c == 0;
		f.has_special |= c == '"' || c == '\\';
		f.nul += c == 0;
	}
	return f;
}

static void add_literal(struct buf *b, struct str s, size_t nul)
{
	buf_add_char(b, '{');
	buf_add_u64(b, s.n + 2 * nul);
	buf_add(b, S("}\r\n"));
	while (nul && s.n) {
		size_t n = str_find(s, '\0');

		buf_add(b, str_head(s, n));
		if (n < s.n)
			buf_add(b, S("\xef\xbf\xbd"));
		s = str_from(s, n + 1);
	}
	buf_add(b, s);
}

void imap_add_string(struct buf *b, struct str s)
{
	struct form f = form_of(s);

	if (f.is_literal) {
		add_literal(b, s, f.nul);
		return;
	}
	buf_add_char(b, '"');
	for (size_t i = 0; f.has_special && i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, s.p[i]);
	}
	if (!f.has_special)
		buf_add(b, s);
	buf_add_char(b, '"');
}

void imap_add_nstring(struct buf *b, struct str s)
{
	if (s.p)
		imap_add_string(b, s);
	else
		buf_add(b, S("NIL"));
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void imap_add_field(struct buf *b, struct str raw)
{
	AUTO(buf_end) struct buf line = buf_on_heap(raw.n);

	if (!raw.p) {
		buf_add(b, S("NIL"));
		return;
	}
	raw = str_trim(raw);
	if (!str_has(raw, '\n') && !str_has(raw, '\t') && !str_has(raw, '\r')) {
		imap_add_string(b, raw);
		return;
	}
	for (size_t i = 0; i < raw.n; i++) {
		bool is_fold = raw.p[i] == '\n' || (raw.p[i] == '\r' && str_at(raw, i + 1) == '\n');

		while (is_fold && line.n && line.p[line.n - 1] == ' ')
			line.n--;
		buf_add_char(&line, is_space(str_at(raw, i)) ? ' ' : raw.p[i]);
		while (is_fold && is_space(str_at(raw, i + 1)))
			i++;
	}
	imap_add_string(b, buf_str(&line));
}
