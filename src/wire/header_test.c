/* header_test.c — fields, facts and forged fields; rows F3 and K3 of attacks.md. */
#include "wire/letter_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_fields(void **state)
{
	static const struct { struct str in; size_t count, at; bool over, malformed, cut; struct str name, value; } rows[] = {
		{ S("A: b\r\n\r\nC: d\r\n"), 1, 6, true, false, false, S("A"), S("b") },
		{ S("A: b\n\nC: d\n"), 1, 5, true, false, false, S("A"), S("b") },
		{ S("A: b\r\nC:d\r\n e\r\n\tf\r\n\r\n"), 2, 19, true, false, false, S("C"), S("d e\tf") },
		{ S("A : b\r\n\r\n"), 1, 7, true, false, false, S("A"), S("b") },
		{ S("A:\r\n\r\n"), 1, 4, true, false, false, S("A"), S("") },
		/* a letter without an empty line is all header */
		{ S("A: b"), 1, 4, false, false, false, S("A"), S("b") },
		{ S("A: b\r\nC: d\r\n"), 2, 12, false, false, false, S("C"), S("d") },
		{ S("A: b\r\nno field\r\nC: d\r\n\r\n"), 1, 6, false, true, false, S("A"), S("b") },
		{ S(" A: b\r\n\r\n"), 0, 0, false, true, false, S(""), S("") },
		{ S(": b\r\n\r\n"), 0, 0, false, true, false, S(""), S("") },
		{ S("A\0: b\r\n\r\n"), 0, 0, false, true, false, S(""), S("") },
		{ S("\r\nA: b\r\n"), 0, 0, true, false, false, S(""), S("") },
		{ S("From a@b Mon Jan 1\nA: b\n\n"), 1, 24, true, false, false, S("A"), S("b") },
		{ S("A: b\r\n \r\n\r\n"), 1, 9, true, false, false, S("A"), S("b") },
		/* A22 */
		{ S(""), 0, 0, false, false, false, S(""), S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		char *p = malloc(rows[i].in.n + 1);
		struct header h;
		struct field f = { 0 };

		assert_non_null(p);
		memcpy(p, rows[i].in.p, rows[i].in.n);
		h = header_of(str_of(p, rows[i].in.n));
		while (header_next(&h, &f))
			;
		if (h.count != rows[i].count || h.at != rows[i].at || h.is_over != rows[i].over ||
		    h.is_malformed != rows[i].malformed || h.is_cut != rows[i].cut ||
		    !str_eq(f.name, rows[i].name) || !str_eq(header_unfold(f.value, &a), rows[i].value))
			fail_msg("row %zu: %zu fields to %zu, " STR_FMT, i, h.count, h.at, STR_ARG(f.value));
		free(p);
	}
}

static void test_f3_limits(void **state)
{
	struct buf b = buf_on_heap(HEADER_SIZE_MAX + 1024);
	struct header h;
	struct field f;

	(void)state;
	/* as many as the limit are fine */
	for (int more = 0; more < 2; more++) {
		buf_clear(&b);
		for (int i = 0; i < HEADER_COUNT_MAX + more; i++)
			buf_add(&b, S("A: b\r\n"));
		buf_add(&b, S("\r\n"));
		h = header_of(buf_str(&b));
		while (header_next(&h, &f))
			;
		assert_true(h.count == HEADER_COUNT_MAX && h.is_cut == more && h.is_over != more);
	}
	buf_clear(&b);
	buf_add(&b, S("A: b\r\nC: "));
	for (int i = 0; i < HEADER_SIZE_MAX; i++)
		buf_add_char(&b, 'x');
	buf_add(&b, S("\r\n\r\n"));
	h = header_of(buf_str(&b));
	while (header_next(&h, &f))
		;
	assert_true(h.count == 1 && h.is_cut && h.at == 6);
	buf_end(&b);
}

static void test_facts(void **state)
{
	static const struct str letter = S("Return-Path: <x@y>\r\n"                                    /* 0, 20 */
					   "Received: a\r\nRECEIVED: b\r\n\tc\r\n"
					   "authentication-results: (c)\r\n MX.example.org; dkim=pass\r\n"
					   "Authentication-Results: other.example; none\r\n"
					   "Delivered-To: a@b\r\ndelivered-to:\r\n c@d\r\n"
					   "Message-ID: <1@x>\r\nFrom: a\r\nFrom: b\r\nDate: c\r\n"
					   "broken\r\n"
					   "Authentication-Results: mx.example.org; spf=pass\r\n"
					   "\r\nReceived: in the body\r\n");
	AUTO(arena_end) struct arena a = { 0 };
	struct buf b = buf_on_heap(2000);
	struct letter_src src = letter_in_memory(letter);
	struct letter_reader r;
	struct letter_facts f;
	struct view v = { .prefix = S("X: y\r\n") };
	struct err e;
	struct str got, block;

	(void)state;
	assert_true(letter_facts_read(letter, S("mx.example.org"), &a, &f));
	assert_true(f.hops == 2 && f.from == 2 && f.date == 1 && f.is_malformed && !f.is_cut);
	assert_true(str_eq(f.message_id, S("<1@x>")) && f.n_delivered == 2);
	assert_true(str_eq(f.delivered[0], S("a@b")) && str_eq(f.delivered[1], S("c@d")));
	assert_true(f.n_cuts == 3 && f.cuts[0].at == 0 && f.cuts[0].n == 20);
	v.cuts = f.cuts;
	v.n_cuts = f.n_cuts;
	assert_true(letter_reader_init(&r, &src, &v, NULL, &e));
	do {
		assert_true(letter_reader_next(&r, &block, &e));
		buf_add(&b, block);
	} while (block.n);
	got = buf_str(&b);
	assert_true(got.n == view_size(&v, letter.n) && str_starts(got, S("X: y\r\nReceived: a\r\n")));
	assert_true(str_find_str(got, S("=pass")) == got.n && str_find_str(got, S("other.example")) < got.n);
	buf_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_f3_limits),
		cmocka_unit_test(test_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
