/* smtp_client_reply.c — what another server answers; see smtp_client_reply.h. */
#include "wire/smtp_client_reply.h"

#include "base/utf8.h"

void client_reply_begin(struct client_reply *r)
{
	r->code = 0;
	r->text_n = r->size = r->lines = r->line_n = 0;
	r->is_utf8_broken = false;
}

/* Printable text goes to `to`; anything else becomes "?". */
static size_t clean_char(struct client_reply *r, struct str s, char *to)
{
	uint32_t c;
	size_t n = utf8_char(s, &c);

	if (n == 1 && (c >= ' ' || c == '\t') && c != 0x7f) {
		to[0] = c == '\t' ? ' ' : (char)c;
		return 1;
	}
	/* C1 controls, line separators and the signs that turn text around mean something to a terminal */
	if (n > 1 && c >= 0xa0 && c != 0x2028 && c != 0x2029 && c != 0x61c && c != 0xfeff &&
	    !(c >= 0x200b && c <= 0x200f) && !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069)) {
		memcpy(to, s.p, n);
		return n;
	}
	r->is_utf8_broken = true;
	to[0] = '?';
	return n ? n : 1;
}

static void text_add(struct client_reply *r, struct str line)
{
	if (r->lines > CLIENT_REPLY_LINES_MAX)
		return;
	if (r->lines > 1 && r->text_n < sizeof(r->text_mem))
		r->text_mem[r->text_n++] = '\n';
	while (line.n) {
		char c[8];
		uint32_t unused;
		size_t eaten = clean_char(r, line, c), n = c[0] == '?' ? 1 : utf8_char(line, &unused);

		if (n > sizeof(r->text_mem) - r->text_n)
			return;
		memcpy(r->text_mem + r->text_n, c, n);
		r->text_n += n;
		line = str_from(line, eaten);
	}
}

/* "250-text", "250 text", "250": gives whether it is the last. */
static bool line_parse(struct str line, unsigned *ret_code, bool *ret_last, struct str *ret_text)
{
	for (size_t i = 0; i < 3; i++)
		if (!ascii_is_digit(str_at(line, i)))
			return false;
	if (line.p[0] < '2' || line.p[0] > '5' || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return false;
	*ret_code = (unsigned)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0'));
	*ret_last = str_at(line, 3) != '-';
	*ret_text = str_from(line, 4);
	return true;
}

static bool could_be_code(struct str line)
{
	for (size_t i = 0; i < 3 && i < line.n; i++)
		if (!ascii_is_digit(str_at(line, i)))
			return false;
	return true;
}

static enum client_reply_state take_line(struct client_reply *r)
{
	struct str line = str_of(r->line, r->line_n), text;
	unsigned code;
	bool is_last;

	r->line_n = 0;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (!line_parse(line, &code, &is_last, &text) || (r->lines && code != r->code))
		return CLIENT_REPLY_NONSENSE;
	r->code = code;
	r->lines++;
	text_add(r, text);
	return is_last ? CLIENT_REPLY_DONE : CLIENT_REPLY_MORE;
}

enum client_reply_state client_reply_feed(struct client_reply *r, struct str *in)
{
	enum client_reply_state state = CLIENT_REPLY_MORE;

	while (in->n && state == CLIENT_REPLY_MORE) {
		size_t n = str_find(*in, '\n'), keep;
		bool has_end = n < in->n;

		keep = n < sizeof(r->line) - r->line_n ? n : sizeof(r->line) - r->line_n;
		memcpy(r->line + r->line_n, in->p, keep);
		r->line_n += keep;
		n += has_end;
		r->size += n;
		*in = str_from(*in, n);
		if (r->size > CLIENT_REPLY_SIZE_MAX)
			return CLIENT_REPLY_ENDLESS;
		if (has_end)
			state = take_line(r);
		else if (!could_be_code(str_of(r->line, r->line_n)))
			return CLIENT_REPLY_NONSENSE;    /* who is no mail server need not end a line */
	}
	return state;
}

/* status-code = class "." subject "." detail, each of at most three digits   RFC 2034 §4 */
static size_t enhanced_length(struct str s, unsigned class)
{
	size_t i = 2, digits;

	if (str_at(s, 0) != (int)('0' + class) || str_at(s, 1) != '.')
		return 0;
	for (unsigned part = 0; part < 2; part++) {
		for (digits = 0; ascii_is_digit(str_at(s, i)); digits++)
			i++;
		if (digits == 0 || digits > 3)
			return 0;
		if (part == 0 && str_at(s, i++) != '.')
			return 0;
	}
	return str_at(s, i) == ' ' || str_at(s, i) == '\n' || i == s.n ? i : 0;
}

struct str client_reply_enhanced(const struct client_reply *r)
{
	struct str text = client_reply_text(r);

	return str_head(text, enhanced_length(text, client_reply_class(r)));
}

/* Cut at a whole character. */
static void add_cut(struct buf *b, struct str s, size_t max)
{
	uint32_t c;

	if (s.n > max) {
		size_t n = 0, step;

		while ((step = utf8_char(str_from(s, n), &c)) && n + step <= max)
			n += step;
		s = str_head(s, n);
	}
	buf_add(b, s);
}

void client_reply_print(const struct client_reply *r, struct buf *b, size_t max)
{
	struct str rest = client_reply_text(r), enhanced = client_reply_enhanced(r), line;
	size_t end = b->n + max;
	bool is_first = true;

	buf_add_u64(b, r->code);
	while (rest.n && b->n + 1 < end && !b->full) {
		line = str_cut(rest, '\n', &rest);
		if (!is_first && enhanced.n && str_starts(line, enhanced) &&
		    enhanced_length(line, client_reply_class(r)) == enhanced.n)
			line = str_from(line, enhanced.n);
		line = str_trim(line);
		if (line.n) {
			buf_add_char(b, ' ');
			add_cut(b, line, end - b->n);
		}
		is_first = false;
	}
}
