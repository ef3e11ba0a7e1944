/* dkim_canon_test.c — the examples of RFC 6376 §3.4 and what lies between them, in pieces of every size. */
#include "wire/dkim_canon.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_body(void **state)
{
	static const struct {
		const char *body, *simple, *relaxed;
	} rows[] = {
		/* RFC 6376 §3.4.5 */
		{ " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n" },
		/* §3.4.3, §3.4.4: a body that is empty, or becomes so */
		{ "", "\r\n", "" },
		{ "\r\n", "\r\n", "" },
		{ "\r\n\r\n\r\n", "\r\n", "" },
		{ " \r\n\t\r\n", " \r\n\t\r\n", "" },
		{ " ", " \r\n", "" },
		/* no line end at the end */
		{ "a", "a\r\n", "a\r\n" },
		{ "a \t", "a \t\r\n", "a\r\n" },
		{ "a\r\n\r\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n" },
		/* white space */
		{ "a\tb\r\n", "a\tb\r\n", "a b\r\n" },
		{ "\t a  b   c\td \r\n", "\t a  b   c\td \r\n", " a b c d\r\n" },
		{ "a \r\n \r\nb\r\n \r\n", "a \r\n \r\nb\r\n \r\n", "a\r\n\r\nb\r\n" },
		{ "0123456789abcdef 0123456789abcdef  0123456789abcdef\t\r\n0123456789abcde \r\nx\r\n",
		  "0123456789abcdef 0123456789abcdef  0123456789abcdef\t\r\n0123456789abcde \r\nx\r\n",
		  "0123456789abcdef 0123456789abcdef 0123456789abcdef\r\n0123456789abcde\r\nx\r\n" },
		/* CR and LF alone are octets like others */
		{ "a\rb\nc\r\n", "a\rb\nc\r\n", "a\rb\nc\r\n" },
		{ "a\r\r\n", "a\r\r\n", "a\r\r\n" },
		{ "a \r", "a \r\r\n", "a \r\r\n" },
		{ "a\n", "a\n\r\n", "a\n\r\n" },
		{ "\n", "\n\r\n", "\n\r\n" },
		{ "a \r b\r \r\n", "a \r b\r \r\n", "a \r b\r\r\n" },
		{ "\r\n\ra\r\n", "\r\n\ra\r\n", "\r\n\ra\r\n" },
		{ "\r", "\r\r\n", "\r\r\n" },
		{ "\r\n\r", "\r\n\r\r\n", "\r\n\r\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t piece = 1; piece < 80; piece++)
			for (int canon = DKIM_SIMPLE; canon <= DKIM_RELAXED; canon++) {
				AUTO(arena_end) struct arena a = { 0 };
				AUTO(buf_end) struct buf b = buf_on_heap(1000);
				struct dkim_body c = { .canon = (enum dkim_canon)canon };
				struct str in = str_from_z(rows[i].body), run;
				const char *want = canon == DKIM_SIMPLE ? rows[i].simple : rows[i].relaxed;

				for (; in.n; in = str_from(in, piece)) {
					struct str part = arena_str(&a, str_head(in, piece));

					while (dkim_body_next(&c, &part, &run))
						buf_add(&b, run);
				}
				while (dkim_body_last(&c, &run))
					buf_add(&b, run);
				if (!str_eq(buf_str(&b), str_from_z(want)))
					fail_msg("row %zu, %s, pieces of %zu: " STR_FMT, i,
						 dkim_canon_name((enum dkim_canon)canon), piece, STR_ARG(buf_str(&b)));
			}
}

/* 10,000 empty lines count when something stands behind them. */
static void test_many_lines(void **state)
{
	AUTO(buf_end) struct buf in = buf_on_heap(1 << 20), out = buf_on_heap(1 << 20);
	struct dkim_body c = { .canon = DKIM_RELAXED };
	struct str part, run;

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_add(&in, S("\r\n"));
	buf_add(&in, S("x\r\n"));
	part = buf_str(&in);
	while (dkim_body_next(&c, &part, &run))
		buf_add(&out, run);
	while (dkim_body_last(&c, &run))
		buf_add(&out, run);
	assert_true(str_eq(buf_str(&in), buf_str(&out)));
}

static void test_fields(void **state)
{
	static const struct {
		const char *field, *relaxed;
	} rows[] = {
		/* RFC 6376 §3.4.5 */
		{ "A: X\r\n", "a:X\r\n" },
		{ "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n" },
		{ "SUBJect: AbC\r\n", "subject:AbC\r\n" },
		{ "Subject \t:\t \r\n \ta:b\r\n \r\n", "subject:a:b\r\n" },
		{ "Subject:\r\n", "subject:\r\n" },
		{ "Subject:  \r\n", "subject:\r\n" },
		{ "Subject: no end", "subject:no end\r\n" },
		{ "Subject: \xc3\xa4  \xff\r\n", "subject:\xc3\xa4 \xff\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(1000);
		struct str field = str_from_z(rows[i].field);

		dkim_field_add(&b, DKIM_RELAXED, field, true);
		if (!str_eq(buf_str(&b), str_from_z(rows[i].relaxed)))
			fail_msg("%s: " STR_FMT, rows[i].field, STR_ARG(buf_str(&b)));
		buf_clear(&b);
		dkim_field_add(&b, DKIM_SIMPLE, field, true);
		assert_true(str_starts(buf_str(&b), field) && str_ends(buf_str(&b), S("\r\n")));
	}
}

/* A signature is hashed without what stands behind b=, and without a line end (§3.7). */
static void test_hole(void **state)
{
	struct str field = S("DKIM-Signature: v=1; b= abc\r\n\tdef ; d=x\r\n"), hole = str_sub(field, 23, 11);
	AUTO(buf_end) struct buf b = buf_on_heap(1000);

	(void)state;
	dkim_field_add_without(&b, DKIM_SIMPLE, field, hole);
	assert_true(str_eq(buf_str(&b), S("DKIM-Signature: v=1; b=; d=x")));
	buf_clear(&b);
	dkim_field_add_without(&b, DKIM_RELAXED, field, hole);
	assert_true(str_eq(buf_str(&b), S("dkim-signature:v=1; b=; d=x")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "J9 bodies in both forms", test_body, NULL, NULL, NULL },
		cmocka_unit_test(test_many_lines),
		{ "J9 fields in both forms", test_fields, NULL, NULL, NULL },
		cmocka_unit_test(test_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
