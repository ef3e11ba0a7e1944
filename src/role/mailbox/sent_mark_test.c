/* sent_mark_test.c — which letters are the same letter, in whatever pieces they come. */
#include "role/mailbox/sent_mark.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEAD "Subject: s\r\nMessage-ID: <m@x>\r\n"

static const struct {
	const char *one, *other;
	bool same;
} rows[] = {
	{ HEAD "\r\nbody\r\n", HEAD "\r\nbody\r\n", true },
	{ HEAD "\r\nbody\r\n", "Received: by us\nBcc: secret@x\nMessage-Id:  <m@x> \nsubject: other\n\nbody\n\n\n", true },
	{ HEAD "\r\nbody", HEAD "\r\nbody\r\n\r\n", true },
	{ HEAD "\r\na\r\n\r\nb\r\n", HEAD "\n\na\n\nb\n", false },
	{ HEAD "\r\na\r\n\r\nb\r\n", "Message-ID: <m@x>\n\na\n\nb\n", true },
	{ HEAD "\r\na\r\n\r\nb\r\n", HEAD "\r\na\r\nb\r\n", false },
	{ HEAD "\r\nbody\r\n", HEAD "\r\nBody\r\n", false },
	{ HEAD "\r\nbody\r\n", "Message-ID: <n@x>\r\n\r\nbody\r\n", false },
	{ HEAD "\r\n", HEAD "\r\n\r\n", true },
	{ HEAD, HEAD "\r\n", true },
};

static bool mark_of(const char *text, size_t piece, struct sent_mark *ret)
{
	struct str s = str_from_z(text);
	struct sent_reader r;
	bool ok;

	sent_reader_begin(&r);
	for (; s.n; s = str_from(s, str_head(s, piece).n))
		sent_reader_feed(&r, str_head(s, piece));
	ok = sent_reader_mark(&r, ret);
	sent_reader_end(&r);
	return ok;
}

static void test_rows(void **state)
{
	struct sent_mark a, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t piece = 1; piece < 80; piece++) {
			assert_true(mark_of(rows[i].one, 1000, &a) && mark_of(rows[i].other, piece, &b));
			if (sent_mark_eq(&a, &b) != rows[i].same)
				fail_msg("row %zu in pieces of %zu", i, piece);
		}
	assert_false(mark_of("Subject: no id\r\n\r\nbody\r\n", 100, &a));
	assert_false(mark_of("Message-ID: \r\n\r\nbody\r\n", 100, &a));
	assert_false(mark_of("\r\nMessage-ID: <in@body>\r\n", 100, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
