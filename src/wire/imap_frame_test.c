/* imap_frame_test.c — commands out of a stream of octets, whole and in pieces. */
#include "wire/imap_frame.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void add_command(struct buf *log, struct str text)
{
	buf_addf(log, "C:" STR_FMT "|", STR_ARG(text));
}

/* What is said about a stream: "C:text|" a command, "+|" go ahead, "L5:abc|" a letter of 5 octets and what came of
 * it, "R:tag NAME|" refused, "F:NAME|" fatal. */
static void run(struct imap_frame *f, struct str in, size_t piece, bool refuse_letters, struct buf *log)
{
	bool in_letter = false;

	while (in.n) {
		struct str part = str_head(in, piece);

		in = str_from(in, part.n);
		while (part.n) {
			enum imap_event event;

			if (in_letter) {
				buf_add(log, imap_frame_body(f, &part));
				if (f->left)
					break;
				buf_add_char(log, '|');
				in_letter = false;
			}
			event = imap_frame_feed(f, &part);
			if (event == IMAP_COMMAND)
				add_command(log, imap_frame_text(f).bytes);
			else if (event == IMAP_GO_AHEAD)
				buf_add(log, S("+|"));
			else if (event == IMAP_REFUSED)
				buf_addf(log, "R:%s %s|", f->tag, imap_reply_row(f->why)->name);
			else if (event == IMAP_FATAL)
				buf_addf(log, "F:%s|", imap_reply_row(f->why)->name);
			else if (event == IMAP_STREAM && refuse_letters)
				buf_addf(log, "N%s|", f->tag);
			else if (event == IMAP_STREAM)
				buf_addf(log, "L%d:", (int)f->left);
			if (event == IMAP_FATAL)
				return;
			if (event == IMAP_COMMAND || event == IMAP_REFUSED)
				imap_frame_next(f);
			if (event == IMAP_STREAM && refuse_letters)
				imap_frame_refuse(f);
			else if (event == IMAP_STREAM)
				in_letter = true;
			if (in_letter)
				f->is_sync = false;
		}
	}
}

struct row {
	struct str in;
	const char *out;
};

static void check(const struct row *rows, size_t n, const struct imap_frame *like, bool refuse_letters)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t piece = 1; piece < 40; piece += piece < 8 ? 1 : 31) {
			AUTO(imap_frame_end) struct imap_frame f = *like;
			AUTO(buf_end) struct buf log = buf_on_heap(1 << 16);

			run(&f, rows[i].in, piece == 39 ? SIZE_MAX : piece, refuse_letters, &log);
			if (!str_eq(buf_str(&log), str_from_z(rows[i].out)))
				fail_msg(STR_FMT "\npieces of %zu gave\n" STR_FMT "\nnot\n%s", STR_ARG(rows[i].in), piece,
					 STR_ARG(buf_str(&log)), rows[i].out);
		}
	}
}
#define CHECK(rows, like, refuse) check(rows, ARRAY_LEN(rows), like, refuse)

static void test_commands(void **state)
{
	static const struct row rows[] = {
		{ S("a NOOP\r\n"), "C:a NOOP|" }, { S("a NOOP\r\nb NOOP\r\n"), "C:a NOOP|C:b NOOP|" }, { S("\r\n"), "C:|" }, { S("a NOOP\r"), "" },
		/* RFC 9051 §4.3 and RFC 7888 §4 */
		{ S("A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man\r\n"), "+|+|C:A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man|" },
		{ S("A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\nb NOOP\r\n"), "C:A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man|C:b NOOP|" },
		{ S("a X {0}\r\n\r\n"), "+|C:a X {0}\r\n|" },
		{ S("a X {00003+}\r\nabc\r\n"), "C:a X {00003+}\r\nabc|" },
		/* no literals */
		{ S("a X {}\r\n"), "C:a X {}|" }, { S("a X {+}\r\n"), "C:a X {+}|" }, { S("a X 3}\r\n"), "C:a X 3}|" }, { S("a X {3} \r\n"), "C:a X {3} |" },
		{ S("a X {-3}\r\n"), "C:a X {-3}|" }, { S("a X {3++}\r\n"), "C:a X {3++}|" },
		/* letters */
		{ S("a APPEND x {3}\r\nabc\r\n"), "L3:abc|C:a APPEND x {3}\r\n|" }, { S("a append x {3+}\r\nabc {2+}\r\nde\r\n"), "L3:abc|L2:de|C:a append x {3+}\r\n {2+}\r\n|" },
		{ S("a APPEND {1}\r\nx {3}\r\nabc\r\n"), "+|L3:abc|C:a APPEND {1}\r\nx {3}\r\n|" },
		{ S("a APPEND x CATENATE (URL {3+}\r\nabc TEXT {2+}\r\nde)\r\n"), "L2:de|C:a APPEND x CATENATE (URL {3+}\r\nabc TEXT {2+}\r\n)|" },
		{ S("a APPEND x URL {3+}\r\nabc\r\n"), "L3:abc|C:a APPEND x URL {3+}\r\n|" }, { S("a REPLACE 4 {1+}\r\nx {2+}\r\nab\r\n"), "L2:ab|C:a REPLACE 4 {1+}\r\nx {2+}\r\n|" },
		{ S("a UID REPLACE 4 x UTF8 (~{2+}\r\nab)\r\n"), "L2:ab|C:a UID REPLACE 4 x UTF8 (~{2+}\r\n)|" }, { S("a APPEND x {0+}\r\n\r\n"), "L0:|C:a APPEND x {0+}\r\n|" },
	};
	static const struct imap_frame like = { .stream_max = 1000 };

	(void)state;
	CHECK(rows, &like, false);
}

static void test_g1_bare_and_nul(void **state)
{
	static const struct row rows[] = {
		{ S("a NOOP\nb NOOP\r\nc NOOP\r\n"), "R:a BARE_IN_COMMAND|C:c NOOP|" }, { S("a NO\rOP\r\nc NOOP\r\n"), "R:a BARE_IN_COMMAND|C:c NOOP|" },
		{ S("a LOGIN \"u\0\" x\r\nc NOOP\r\n"), "R:a BARE_IN_COMMAND|C:c NOOP|" }, { S("\n\r\n"), "R:* BARE_IN_COMMAND|" },
		{ S("a NOOP\n {3+}\r\nx Y\r\nc NOOP\r\n"), "R:a BARE_IN_COMMAND|C:c NOOP|" }, { S("a NOOP\n {3}\r\nc NOOP\r\n"), "R:a BARE_IN_COMMAND|C:c NOOP|" },
		{ S("a NOOP\r\r\nc NOOP\r\n"), "R:a BARE_IN_COMMAND|C:c NOOP|" },
	};
	static const struct imap_frame like = { 0 };

	(void)state;
	CHECK(rows, &like, false);
}

static void test_g2_limits(void **state)
{
	static const struct row rows[] = {
		{ S("a LOGIN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nb NOOP\r\n"), "R:a LINE_TOO_LONG|C:b NOOP|" },
		{ S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nb NOOP\r\n"), "R:* LINE_TOO_LONG|C:b NOOP|" },
		{ S("a LOGIN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa {5+}\r\nx Y\r\n Z\r\nb NOOP\r\n"), "R:a LINE_TOO_LONG|C:b NOOP|" },
		{ S("a LOGIN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa {5}\r\nb NOOP\r\n"), "R:a LINE_TOO_LONG|C:b NOOP|" },
		{ S("a LOGIN {21}\r\nb NOOP\r\n"), "R:a LITERAL_TOO_BIG|C:b NOOP|" }, { S("a LOGIN {20}\r\n"), "+|" },
		{ S("a LOGIN {21+}\r\n123456789012345678901 {3}\r\nb NOOP\r\n"), "R:a LITERAL_TOO_BIG|C:b NOOP|" },
		{ S("a LOGIN {11+}\r\n12345678901 {3+}\r\nabc\r\nb NOOP\r\n"), "R:a LITERAL_TOO_BIG|C:b NOOP|" },
		{ S("a LOGIN {18446744073709551615}\r\nb NOOP\r\n"), "R:a LITERAL_TOO_BIG|C:b NOOP|" },
		{ S("a LOGIN {18446744073709551616}\r\nb NOOP\r\n"), "R:a LITERAL_TOO_BIG|C:b NOOP|" },
		{ S("a LOGIN {4294967296+}\r\nb NOOP\r\n"), "F:DESYNC|" }, { S("a {18446744073709551617+}\r\nb NOOP\r\n"), "F:DESYNC|" },
		{ S("a LOGIN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa {000000000000000000000000000000000000000000000005+}\r\nx Y\r\n"), "F:DESYNC|" },
		{ S("a APPEND x {101}\r\nb NOOP\r\n"), "R:a TOO_BIG|C:b NOOP|" }, { S("a APPEND x {11+}\r\n12345678901\r\nb NOOP\r\n"), "R:a LITERAL_TOO_BIG|C:b NOOP|" },
	};
	static const struct row clear[] = { { S("a APPEND x {21}\r\nb NOOP\r\n"), "R:a LITERAL_TOO_BIG|C:b NOOP|" } };
	static const struct imap_frame like = { .line_max = 40, .literal_max = 20, .nonsync_max = 10, .stream_max = 100 };
	static const struct imap_frame before_login = { .literal_max = 20 };

	(void)state;
	CHECK(rows, &like, false);
	CHECK(clear, &before_login, false);
}

static void test_refused_letters(void **state)
{
	static const struct row rows[] = {
		{ S("a APPEND x {3}\r\nb NOOP\r\n"), "Na|C:b NOOP|" }, { S("a APPEND x {8+}\r\nc NOOP\r\n {3+}\r\nabc\r\nb NOOP\r\n"), "Na|C:b NOOP|" },
		{ S("a APPEND x {3+}\r\nabc {9}\r\nb NOOP\r\n"), "Na|C:b NOOP|" }, { S("a APPEND x {0+}\r\n\r\nb NOOP\r\n"), "Na|C:b NOOP|" },
	};
	static const struct imap_frame like = { .stream_max = 100 };

	(void)state;
	CHECK(rows, &like, true);
}

static void test_many_literals(void **state)
{
	AUTO(imap_frame_end) struct imap_frame f = { 0 };
	AUTO(buf_end) struct buf in = buf_on_heap(1 << 20), log = buf_on_heap(1 << 20);

	(void)state;
	buf_add(&in, S("a SEARCH"));
	for (size_t i = 0; i < IMAP_LITERALS_MAX + 1; i++)
		buf_add(&in, S(" {0+}\r\n"));
	buf_add(&in, S("\r\nb NOOP\r\n"));
	run(&f, buf_str(&in), SIZE_MAX, false, &log);
	assert_true(str_eq(buf_str(&log), S("R:a TOO_MANY_LITERALS|C:b NOOP|")));
}

/* A line without end keeps no memory, and is not borne for ever. */
static void test_g3_endless_line(void **state)
{
	AUTO(imap_frame_end) struct imap_frame f = { 0 };
	static char part[65536];
	enum imap_event event = IMAP_MORE;
	size_t n = 0;

	(void)state;
	memset(part, '(', sizeof(part));
	for (; event == IMAP_MORE && n < 1000; n++) {
		struct str in = str_of(part, sizeof(part));

		event = imap_frame_feed(&f, &in);
		assert_true(f.text.cap <= 2 * IMAP_COMMAND_MAX);
	}
	assert_int_equal(event, IMAP_FATAL);
	assert_true(n > IMAP_SKIP_MAX / sizeof(part) && n < IMAP_SKIP_MAX / sizeof(part) + 4);
}

static void test_answers(void **state)
{
	AUTO(imap_frame_end) struct imap_frame f = { .line_max = 30, .is_answer = true };
	AUTO(buf_end) struct buf log = buf_on_heap(4096);
	struct str in = S("AHRlc3Q={3}AHRlc3QAHRlc3QAHRlc3QAHRlc3Q {3}\r\nDONE\r\n");

	(void)state;
	run(&f, in, SIZE_MAX, false, &log);
	assert_true(str_eq(buf_str(&log), S("C:AHRlc3Q={3}AHRlc3QAHRlc3QAHRlc3QAHRlc3Q {3}|C:DONE|")));
	assert_false(imap_frame_is_begun(&f));
}

static void test_reply(void **state)
{
	static const struct { struct str tag; struct imap_reply r; const char *out; } rows[] = {
		{ S("a1"), { .id = IMAP_REPLY_NO_MAILBOX }, "a1 NO [NONEXISTENT] no such mailbox\r\n" },
		{ S("a1"), { .id = IMAP_REPLY_DONE, .code = S("APPENDUID 1 2"), .text = S("x\r\ny\xff") }, "a1 OK [APPENDUID 1 2] x??y?\r\n" },
		{ S("a1"), { .id = IMAP_REPLY_NO_MAILBOX, .code = S("") }, "a1 NO no such mailbox\r\n" },
		{ S(""), { .id = IMAP_REPLY_SYNTAX }, "* BAD this cannot be understood\r\n" }, { S("a1"), { .id = IMAP_REPLY_NONE }, "" },
		{ S("a1"), { .id = IMAP_REPLY_GOODBYE }, "* BYE until next time\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(4096);

		imap_reply_add(&b, rows[i].tag, &rows[i].r);
		if (!str_eq(buf_str(&b), str_from_z(rows[i].out)))
			fail_msg("%s: " STR_FMT, rows[i].out, STR_ARG(buf_str(&b)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands), cmocka_unit_test(test_g1_bare_and_nul), cmocka_unit_test(test_g2_limits),
		cmocka_unit_test(test_refused_letters), cmocka_unit_test(test_many_literals), cmocka_unit_test(test_g3_endless_line),
		cmocka_unit_test(test_answers), cmocka_unit_test(test_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
