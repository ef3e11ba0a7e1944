/* summaries_test.c — what is kept of a letter is what its file says. */
#include "role/mailbox/summaries.h"

#include "base/buf.h"
#include "wire/section.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID(x) "Message-ID: <" x "@x>\n"

static const struct {
	const char *letter, *subject, *base, *from, *shown, *to, *cc;
	bool is_reply, has_date;
	size_t n_references;
} letters[] = {
	{ "", "", "", "", "", "", "", false, false, 0 },
	{ "Subject: Hello\n\nbody\n", "Hello", "Hello", "", "", "", "", false, false, 0 },
	{ "Subject: Re: Hello\nFrom: Ann Lee <ann@x>\nTo: bob@y, c@z\nCc: d@w\n\n", "Re: Hello", "Hello", "ann",
	  "Ann Lee", "bob", "d", true, false, 0 },
	{ "Subject: Hello (fwd)\nDate: Mon, 2 Mar 2026 10:00:00 +0100\n\n", "Hello (fwd)", "Hello", "", "", "", "",
	  true, true, 0 },
	{ "Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\n" ID("1") "References: <a@x> <b@x>\n <c@x>\n\n",
	  "Gr\xc3\xb6\xc3\x9f" "e", "Gr\xc3\xb6\xc3\x9f" "e", "", "", "", "", false, false, 3 },
};

static void equal(struct str got, const char *want)
{
	assert_true(str_eq(got, str_from_z(want)));
}

static void test_facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		struct arena scratch = { .limit = MIME_ARENA }, a = { .limit = 1 << 20 };
		struct buf b = buf_on_heap(1 << 20);
		struct letter_summary was, s;
		char *exact;

		assert_true(letter_summary_read(str_from_z(letters[i].letter), &scratch, &a,
						SUMMARY_BODY | SUMMARY_PREVIEW, &was));
		summary_print(&was, &b);
		exact = malloc(b.n);
		memcpy(exact, b.p, b.n);
		assert_true(summary_parse(str_of(exact, b.n), &a, &s));
		equal(s.subject, letters[i].subject);
		equal(s.base_subject, letters[i].base);
		equal(s.from, letters[i].from);
		equal(s.display_from, letters[i].shown);
		equal(s.to, letters[i].to);
		equal(s.cc, letters[i].cc);
		assert_int_equal(s.is_reply, letters[i].is_reply);
		assert_int_equal(s.has_date, letters[i].has_date);
		assert_int_equal(s.n_references, letters[i].n_references);
		assert_memory_equal(s.references, was.references, s.n_references * sizeof(uint64_t));
		assert_int_equal(s.message_id_hash, was.message_id_hash);
		assert_int_equal(s.crlf_size, was.crlf_size);
		if (s.has_date) {
			assert_int_equal(s.date.utc, was.date.utc);
			assert_int_equal(s.date.local_day, was.date.local_day);
		}
		/* cut anywhere it is no summary */
		for (size_t n = 0; n < b.n; n++)
			assert_false(summary_parse(str_of(exact, n), &a, &s));
		free(exact);
		buf_end(&b);
		arena_end(&scratch);
		arena_end(&a);
	}
}

/* Longer than its room: cut, and still read. */
static void test_long(void **state)
{
	struct arena a = { .limit = 1 << 20 };
	struct buf b = buf_on_heap(1 << 20);
	char *text = malloc(100000);
	struct letter_summary s = { .subject = { text, 100000 }, .from = { text, 100000 } }, got;

	(void)state;
	memset(text, 'x', 100000);
	s.base_subject = str_from(s.subject, 10);
	summary_print(&s, &b);
	assert_true(summary_parse(buf_str(&b), &a, &got));
	assert_int_equal(got.subject.n, UINT16_MAX - 1);
	assert_int_equal(got.base_subject.n, 4096);
	assert_int_equal(got.from.n, 4096);
	free(text);
	buf_end(&b);
	arena_end(&a);
}

static const struct {
	const char *header, *kept;
} headers[] = {
	{ "", "\n" },
	{ "From: a\nReceived: by x;\n\ttoday\nTo: b\n\n", "From: a\nTo: b\n\n" },
	{ "received: x\r\nFrom: a\r\n folded\r\n\r\n", "From: a\r\n folded\r\n\n" },
	{ "ARC-Seal: i=1\nDKIM-Signature: v=1;\n b=x\nX-Mailer: y\n", "X-Mailer: y\n\n" },
	{ "X-MS-Has-Attach:\nX-Priority: 1", "X-Priority: 1\n\n" },
	{ "Receivedx: 1\nARC: 2\n\n", "Receivedx: 1\nARC: 2\n\n" },
	{ "From a@b Mon\nno field\nSubject: s\n\n", "Subject: s\n\n" },
};

static void test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct buf b = buf_on_heap(1 << 20);

		kept_header_print(str_from_z(headers[i].header), &b);
		equal(buf_str(&b), headers[i].kept);
		buf_end(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_facts), cmocka_unit_test(test_long),
					    cmocka_unit_test(test_headers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
