/* letter_summary_test.c — what is remembered of a letter. */
#include "wire/letter_summary.h"

#include "base/buf.h"
#include "wire/thread_subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_summary(void **state)
{
	struct str in = S("Subject: Re: [l] =?utf-8?q?=C3=A4?=\nFrom: \"J. D\" <jd@example.org>, x@y\nTo: a@b\nCc: g: c@d;\n"
			  "Message-ID: <3@x>\nReferences: <1@x> <2@x>\nIn-Reply-To: <9@x>\n"
			  "Date: Sat, 1 Jan 2000 00:30:00 +0200\n\nhi\nthere\r\n");
	AUTO(arena_end) struct arena scratch = { .limit = MIME_ARENA }, a = { .limit = 1 << 16 };
	struct letter_summary s;

	(void)state;
	assert_true(letter_summary_read(in, &scratch, &a, SUMMARY_BODY | SUMMARY_PREVIEW, &s));
	assert_int_equal(scratch.used, 0);
	assert_true(str_eq(s.subject, S("Re: [l] \xc3\xa4")) && str_eq(s.base_subject, S("\xc3\xa4")) && s.is_reply);
	assert_true(str_eq(s.from, S("jd")) && str_eq(s.display_from, S("J. D")));
	assert_true(str_eq(s.to, S("a")) && str_eq(s.display_to, S("a@b")) && str_eq(s.cc, S("g")));
	assert_true(str_eq(s.message_id, S("3@x")) && s.message_id_hash == thread_id_hash(S("3@x")));
	assert_true(str_eq(s.in_reply_to, S("9@x")));
	assert_int_equal(s.n_references, 2);
	assert_true(s.references[0] == thread_id_hash(S("1@x")) && s.references[1] == thread_id_hash(S("2@x")));
	assert_true(s.has_date && s.date.utc == 946679400 && s.date.local_day == 10957);
	assert_true(str_eq(s.preview, S("hi there")));
	assert_true(str_eq(s.body, S("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 11 2)")));
	assert_true(str_starts(s.envelope, S("(\"Sat,")) && str_starts(s.bodystructure, S("(\"text\"")));
	assert_int_equal(s.size, in.n);
	assert_int_equal(s.header_n, in.n - 10);
	/* nine line ends without CR */
	assert_int_equal(s.crlf_size, in.n + 10);
}

static void test_references(void **state)
{
	AUTO(arena_end) struct arena scratch = { .limit = MIME_ARENA }, a = { .limit = 1 << 20 };
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	struct letter_summary s;

	(void)state;
	assert_true(letter_summary_read(S("In-Reply-To: <9@x> <8@x>\n"), &scratch, &a, SUMMARY_BODY | SUMMARY_PREVIEW, &s));
	assert_true(s.n_references == 1 && s.references[0] == thread_id_hash(S("9@x")));
	assert_true(letter_summary_read(S(""), &scratch, &a, SUMMARY_BODY | SUMMARY_PREVIEW, &s));
	assert_true(s.n_references == 0 && !s.has_date && s.message_id_hash == 0);
	/* of too many the last count */
	buf_add(&b, S("References:"));
	for (int i = 0; i < 10000; i++)
		buf_addf(&b, " <%d@x>", i);
	assert_true(letter_summary_read(buf_str(&b), &scratch, &a, SUMMARY_BODY | SUMMARY_PREVIEW, &s));
	assert_int_equal(s.n_references, SUMMARY_REFERENCES_MAX);
	assert_true(s.references[SUMMARY_REFERENCES_MAX - 1] == thread_id_hash(S("9999@x")));
	assert_true(s.references[0] == thread_id_hash(S("9000@x")));
}

static void test_structure_limit(void **state)
{
	AUTO(arena_end) struct arena scratch = { .limit = MIME_ARENA }, a = { .limit = 8 << 20 };
	AUTO(buf_end) struct buf b = buf_on_heap(64 << 20);
	struct letter_summary s;

	(void)state;
	buf_add(&b, S("To: a@b\nContent-Type: multipart/mixed; boundary=a\n\n"));
	for (int i = 0; i < 5000; i++) {
		buf_add(&b, S("--a\nContent-Description: "));
		for (int k = 0; k < 1000; k++)
			buf_add_char(&b, 'x');
		buf_add(&b, S("\n\n"));
	}
	assert_true(letter_summary_read(buf_str(&b), &scratch, &a, SUMMARY_BODY | SUMMARY_PREVIEW, &s));
	assert_true(str_starts(s.bodystructure, S("(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" ")));
	assert_true(str_find_str(s.envelope, S("((NIL NIL \"a\" \"b\"))")) < s.envelope.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_structure_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
