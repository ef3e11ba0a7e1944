/* imap_frame.c — where an IMAP command begins and ends; see imap_frame.h.
 *
 * A line that ends in "{n}" or "{n+}" is followed by a literal, wherever it stands: a client that
 * writes so will send n octets, and whoever took them for commands would obey a letter's text. */
#include "wire/imap_frame.h"

#include "base/err.h"

#include <stdlib.h>

enum {
	FIRST = 1024,            /* octets of memory at first, so that a password lies in one place to be wiped */
	KEEP_MAX = 4096,         /* and kept between commands */
};

static size_t limit(size_t own, size_t standard)
{
	return own ? own : standard;
}

static size_t line_limit(const struct imap_frame *f)
{
	size_t max = limit(f->line_max, IMAP_LINE_MAX);

	return f->is_answer && max < IMAP_AUTH_LINE_MAX ? IMAP_AUTH_LINE_MAX : max;
}

/* tag = 1*<any ASTRING-CHAR except "+">   RFC 9051 §9 */
static bool is_tag_char(int c)
{
	return c > ' ' && c < 0x7f && !str_has(S("(){%*\"\\+"), (char)c);
}

static void note_tag(struct imap_frame *f)
{
	size_t n = 0;

	while (n < f->text.n && n < IMAP_TAG_MAX && is_tag_char(str_at(buf_str(&f->text), n)))
		n++;
	if (n == 0 || str_at(buf_str(&f->text), n) != ' ') {
		memcpy(f->tag, "*", 2);
		return;
	}
	memcpy(f->tag, f->text.p, n);
	f->tag[n] = '\0';
}

struct literal {
	size_t at;               /* where "~{" or "{" begins in the line */
	uint64_t size;           /* UINT64_MAX if it is more than that */
	bool is_sync;
	bool is_literal8;
};

/* literal = "{" number64 ["+"] "}" CRLF …; literal8 = "~" literal   at the end of a line without CRLF.
 * is_cut: the line's beginning is not there; then digits alone are the end of a huge number. */
static bool literal_at_end(struct str line, bool is_cut, struct literal *ret)
{
	struct literal l = { .is_sync = true };
	size_t end = line.n, begin;

	if (end == 0 || line.p[end - 1] != '}')
		return false;
	end--;
	if (end && line.p[end - 1] == '+') {
		l.is_sync = false;
		end--;
	}
	for (begin = end; begin && ascii_is_digit(line.p[begin - 1]); begin--)
		;
	if (begin == end)
		return false;
	if (begin == 0 ? !is_cut : line.p[begin - 1] != '{')
		return false;
	if (begin == 0 || !str_u64(str_sub(line, begin, end - begin), &l.size))
		l.size = UINT64_MAX;
	l.at = begin ? begin - 1 : 0;
	if (l.at && line.p[l.at - 1] == '~') {
		l.is_literal8 = true;
		l.at--;
	}
	*ret = l;
	return true;
}

/* Is the literal at the end of the text a letter?  In APPEND and REPLACE all are, but for the name of
 * the mailbox and the URLs of CATENATE. */
static bool is_letter(const struct imap_frame *f, size_t line_at)
{
	struct str text = buf_str(&f->text), rest, line, verb;

	if (f->stream_max == 0)
		return false;
	line = str_sub(text, f->line_start, line_at);
	rest = str_head(text, f->line_start + line_at);
	str_cut(rest, ' ', &rest);
	verb = str_cut(rest, ' ', &rest);
	if (str_eq_nocase(verb, S("UID")))
		verb = str_cut(rest, ' ', &rest);
	if (str_eq_nocase(verb, S("REPLACE")))
		str_cut(rest, ' ', &rest);
	else if (!str_eq_nocase(verb, S("APPEND")))
		return false;
	if (rest.n == 0)
		return false;
	if (!str_ends_nocase(line, S(" URL ")) && !str_ends_nocase(line, S("(URL ")))
		return true;
	for (; rest.n; rest = str_from(rest, 1))
		if (str_starts_nocase(rest, S("CATENATE (")))
			return false;
	return true;
}

static bool stream_add(struct imap_frame *f, const struct literal *l)
{
	if (f->n_streams == f->cap_streams) {
		size_t cap = f->cap_streams ? 2 * f->cap_streams : 4;
		struct imap_stream *more = reallocarray(f->streams, cap, sizeof(*more));

		if (!more)
			return false;
		f->streams = more;
		f->cap_streams = cap;
	}
	f->streams[f->n_streams++] = (struct imap_stream){
		.at = f->text.n, .size = l->size, .is_literal8 = l->is_literal8,
	};
	return true;
}

static enum imap_event over(struct imap_frame *f, enum imap_event event)
{
	f->state = FRAME_OVER;
	return event;
}

/* The command is over.  IMAP_MORE: nobody needs to know, go on. */
static enum imap_event refused(struct imap_frame *f)
{
	if (!f->is_silent)
		return over(f, IMAP_REFUSED);
	imap_frame_next(f);
	return IMAP_MORE;
}

/* Drop the literal that follows a line of a refused command. */
static enum imap_event skip_literal(struct imap_frame *f, const struct literal *l)
{
	if (l->is_sync)
		return refused(f);
	if (l->size > IMAP_SKIP_MAX - f->skipped) {
		f->why = IMAP_REPLY_DESYNC;
		return over(f, IMAP_FATAL);
	}
	f->skipped += l->size;
	f->left = l->size;
	f->state = FRAME_SKIP_LITERAL;
	return IMAP_MORE;
}

static enum imap_reply_id literal_fault(const struct imap_frame *f, const struct literal *l, bool letter)
{
	if (letter ? f->n_streams >= IMAP_STREAMS_MAX : f->n_literals - f->n_streams >= IMAP_LITERALS_MAX)
		return IMAP_REPLY_TOO_MANY_LITERALS;
	if (letter && l->size > f->stream_max)
		return IMAP_REPLY_TOO_BIG;
	if (!l->is_sync && f->nonsync_max && l->size > f->nonsync_max)
		return IMAP_REPLY_LITERAL_TOO_BIG;
	if (letter)
		return IMAP_REPLY_NONE;
	if (l->size > limit(f->literal_max, IMAP_LITERAL_MAX) ||
	    l->size + f->text.n > limit(f->command_max, IMAP_COMMAND_MAX))
		return IMAP_REPLY_LITERAL_TOO_BIG;
	return IMAP_REPLY_NONE;
}

static enum imap_event literal_begin(struct imap_frame *f, const struct literal *l)
{
	bool letter = is_letter(f, l->at);

	if (f->why == IMAP_REPLY_NONE)
		f->why = literal_fault(f, l, letter);
	if (f->why == IMAP_REPLY_NONE && letter && !stream_add(f, l))
		f->why = IMAP_REPLY_UNAVAILABLE;
	if (f->why != IMAP_REPLY_NONE)
		return skip_literal(f, l);
	f->n_literals++;
	f->left = l->size;
	f->is_sync = l->is_sync;
	f->state = letter ? FRAME_BODY : FRAME_LITERAL;
	if (letter)
		return IMAP_STREAM;
	return l->is_sync ? IMAP_GO_AHEAD : IMAP_MORE;
}

/* The text ends with a line and its CRLF. */
static enum imap_event line_end(struct imap_frame *f)
{
	struct str line = str_from(buf_str(&f->text), f->line_start);
	struct literal l;

	line.n -= 2;
	if (f->line_start == 0)
		note_tag(f);
	if (str_has(line, '\0') || str_has(line, '\r') || str_has(line, '\n'))
		f->why = IMAP_REPLY_BARE_IN_COMMAND;
	if (!f->is_answer && literal_at_end(line, false, &l))
		return literal_begin(f, &l);
	if (f->why != IMAP_REPLY_NONE)
		return refused(f);
	f->text.n -= 2;
	return over(f, IMAP_COMMAND);
}

static void tail_add(struct imap_frame *f, struct str s)
{
	size_t keep;

	if (s.n >= sizeof(f->tail)) {
		memcpy(f->tail, s.p + s.n - sizeof(f->tail), sizeof(f->tail));
		f->tail_n = sizeof(f->tail);
		return;
	}
	keep = sizeof(f->tail) - s.n < f->tail_n ? sizeof(f->tail) - s.n : f->tail_n;
	memmove(f->tail, f->tail + f->tail_n - keep, keep);
	memcpy(f->tail + keep, s.p, s.n);
	f->tail_n = (uint8_t)(keep + s.n);
}

/* The line is longer than we keep: what is in `in` and behind it is dropped. */
static void skip_begin(struct imap_frame *f, struct str in, size_t room)
{
	f->why = IMAP_REPLY_LINE_TOO_LONG;
	f->tail_n = 0;
	tail_add(f, str_from(buf_str(&f->text), f->line_start));
	buf_add(&f->text, str_head(in, room));
	if (f->line_start == 0)
		note_tag(f);
	f->state = FRAME_SKIP_LINE;
}

static enum imap_event feed_line(struct imap_frame *f, struct str *in)
{
	struct str s = str_head(*in, str_find(*in, '\n') + 1);
	size_t room = line_limit(f) - f->line_bytes;

	if (!f->text.is_heap) {
		f->text = buf_on_heap(limit(f->command_max, IMAP_COMMAND_MAX) + line_limit(f));
		buf_room(&f->text, FIRST);
		f->text.n = 0;
	}
	if (s.n <= room)
		buf_add(&f->text, s);
	if (f->text.full && s.n <= f->text.limit - f->text.n) {
		f->why = IMAP_REPLY_BUSY;        /* no memory, and perhaps not even for the tag */
		return over(f, IMAP_FATAL);
	}
	if (s.n > room || f->text.full) {
		skip_begin(f, s, room);
		return IMAP_MORE;
	}
	*in = str_from(*in, s.n);
	f->line_bytes += s.n;
	s = str_from(buf_str(&f->text), f->line_start);
	return str_ends(s, S("\r\n")) ? line_end(f) : IMAP_MORE;
}

static enum imap_event feed_skip_line(struct imap_frame *f, struct str *in)
{
	struct str s = str_head(*in, str_find(*in, '\n') + 1), tail;
	struct literal l;

	*in = str_from(*in, s.n);
	f->skipped += s.n;
	if (f->skipped > IMAP_SKIP_MAX) {
		f->why = IMAP_REPLY_DESYNC;
		return over(f, IMAP_FATAL);
	}
	tail_add(f, s);
	tail = str_of(f->tail, f->tail_n);
	if (!str_ends(tail, S("\r\n")))
		return IMAP_MORE;
	tail.n -= 2;
	if (!f->is_answer && literal_at_end(tail, f->tail_n == sizeof(f->tail), &l))
		return skip_literal(f, &l);
	return refused(f);
}

static enum imap_event feed_literal(struct imap_frame *f, struct str *in)
{
	struct str s = str_head(*in, f->left < in->n ? (size_t)f->left : in->n);

	*in = str_from(*in, s.n);
	f->left -= s.n;
	if (f->state == FRAME_LITERAL)
		buf_add(&f->text, s);
	if (f->left)
		return IMAP_MORE;
	f->line_start = f->text.n;
	f->tail_n = 0;
	f->state = f->state == FRAME_LITERAL ? FRAME_LINE : FRAME_SKIP_LINE;
	return IMAP_MORE;
}

static enum imap_event step(struct imap_frame *f, struct str *in)
{
	switch (f->state) {
	case FRAME_LINE:
		return feed_line(f, in);
	case FRAME_LITERAL:
	case FRAME_SKIP_LITERAL:
		return feed_literal(f, in);
	case FRAME_SKIP_LINE:
		return feed_skip_line(f, in);
	case FRAME_BODY:
		must(f->left == 0, "the letter is read before its command goes on");
		f->line_start = f->text.n;
		f->state = FRAME_LINE;
		return IMAP_MORE;
	case FRAME_OVER:
		break;
	}
	must(false, "imap_frame_next() comes after each command");
	return IMAP_FATAL;
}

enum imap_event imap_frame_feed(struct imap_frame *f, struct str *in)
{
	while (in->n) {
		enum imap_event event = step(f, in);

		if (event != IMAP_MORE)
			return event;
	}
	return IMAP_MORE;
}

struct str imap_frame_body(struct imap_frame *f, struct str *in)
{
	struct str s = str_head(*in, f->left < in->n ? (size_t)f->left : in->n);

	must(f->state == FRAME_BODY, "a letter is on its way");
	*in = str_from(*in, s.n);
	f->left -= s.n;
	return s;
}

void imap_frame_refuse(struct imap_frame *f)
{
	must(f->state == FRAME_BODY, "a letter is on its way");
	if (f->is_sync) {
		imap_frame_next(f);
		return;
	}
	f->is_silent = true;
	f->tail_n = 0;
	f->state = f->left ? FRAME_SKIP_LITERAL : FRAME_SKIP_LINE;
}

struct imap_text imap_frame_text(const struct imap_frame *f)
{
	return (struct imap_text){ .bytes = buf_str(&f->text), .streams = f->streams, .n_streams = f->n_streams };
}

void imap_frame_rest(struct imap_frame *f)
{
	if (f->text.n)
		explicit_bzero(f->text.p, f->text.n);
	buf_end(&f->text);
	f->text = (struct buf){ 0 };
}

void imap_frame_next(struct imap_frame *f)
{
	if (f->text.n)
		explicit_bzero(f->text.p, f->text.n);
	buf_clear(&f->text);
	if (f->text.cap > KEEP_MAX) {
		buf_end(&f->text);
		f->text = (struct buf){ 0 };
	}
	f->line_start = f->line_bytes = f->n_literals = f->n_streams = 0;
	f->left = f->skipped = 0;
	f->tail_n = 0;
	f->is_answer = f->is_silent = f->is_sync = false;
	f->why = IMAP_REPLY_NONE;
	f->state = FRAME_LINE;
	f->tag[0] = '\0';
}

bool imap_frame_is_begun(const struct imap_frame *f)
{
	return f->state != FRAME_LINE || f->text.n;
}

void imap_frame_end(struct imap_frame *f)
{
	imap_frame_next(f);
	buf_end(&f->text);
	free(f->streams);
	*f = (struct imap_frame){ 0 };
}
