/* bounce_fuzz.c — whatever a server answered and whoever was written to, a report keeps its form:
 * no line of theirs begins a field or a part, none is longer than RFC 5322 §2.1.1 allows. */
#include "queue/bounce.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "base/utf8.h"

enum { RCPTS = 3, LINE_MAX = 998, REPORT_MAX = 64 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Fields stand behind each other with their lengths in front, two octets each. */
static struct str take(struct str *in)
{
	size_t n = in->n >= 2 ? (size_t)str_at(*in, 0) << 8 | (size_t)str_at(*in, 1) : 0;
	struct str field = str_head(str_from(*in, 2), n);

	*in = str_from(*in, 2 + field.n);
	return field;
}

/* Lines end in CRLF, hold no control character, and are not too long; ret_parts counts those that begin with "--=_". */
static void check_lines(struct str s, size_t *ret_parts)
{
	*ret_parts = 0;
	while (s.n) {
		size_t end = str_find_str(s, S("\r\n"));
		struct str line = str_head(s, end);

		must(end < s.n && line.n <= LINE_MAX, "a line of at most 998 octets");
		for (size_t i = 0; i < line.n; i++)
			must(str_at(line, i) >= ' ' || (i == 0 && str_at(line, i) == '\t'), "no control character");
		must(utf8_valid(line), "UTF-8");
		*ret_parts += str_starts(line, S("--=_"));
		s = str_from(s, end + 2);
	}
}

static size_t count(struct str s, struct str what)
{
	size_t n = 0;

	for (size_t at; (at = str_find_str(s, what)) < s.n; s = str_from(s, at + what.n))
		n++;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_of(p, n);
	struct bounce_rcpt rcpts[RCPTS] = { 0 };
	struct bounce b = { .kind = (enum bounce_kind)(n ? p[0] & 3 : 0), .ret = n ? p[0] >> 2 & 3 : 0, .host = S("mail.example.test"),
			    .id = 77, .about = 76, .nonce = 0xfeed, .now = 1000 * DAY, .accepted = 999 * DAY, .retry_until = 1004 * DAY,
			    .rcpts = rcpts, .n_rcpts = RCPTS, .original = S("Subject: x\r\n\r\nx\r\n"), .is_whole = true };
	struct buf out = buf_on_heap(REPORT_MAX);
	size_t parts;
	struct err e;

	in = str_from(in, 1);
	b.to = take(&in);
	b.envid = take(&in);
	for (size_t i = 0; i < RCPTS; i++)
		rcpts[i] = (struct bounce_rcpt){ take(&in), take(&in), take(&in), take(&in), take(&in) };
	if (bounce_print(&b, &out, &e)) {
		check_lines(buf_str(&out), &parts);
		must(parts == 4, "three parts and an end");
		must(count(buf_str(&out), S("\r\nFinal-Recipient: ")) == RCPTS, "one recipient each");
		must(count(buf_str(&out), S("\r\n\r\n")) >= 6, "empty lines stand where they did");
		for (size_t i = 0; i < RCPTS; i++)
			must(bounce_status(b.kind, rcpts[i].text).n >= 5, "a status");
	}
	buf_end(&out);
	return 0;
}
