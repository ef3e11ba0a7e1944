/* fold_test.c — what counts as the same text. */
#include "wire/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Expectations: RFC 5051 and the Unicode character database. */
static const struct { struct str a, b; bool same; } rows[] = {
	{ S("Hello, World_1"), S("hELLO, wORLD_1"), true },
	{ S("a"), S("b"), false },
	{ S("\xc3\xbc"), S("\xc3\x9c"), true },                          /* ü Ü */
	{ S("\xc3\xbc"), S("u\xcc\x88"), true },                         /* u and a combining diaeresis */
	{ S("\xc3\xbc"), S("u"), false },
	{ S("\xce\xa3\xcf\x82"), S("\xcf\x83\xcf\x83"), true },          /* Σς and σσ: one title case */
	{ S("\xd0\x96"), S("\xd0\xb6"), true },                          /* Ж ж */
	{ S("\xef\xbd\x81"), S("A"), true },                             /* full-width a */
	{ S("\xef\xac\x81"), S("fi"), false },                           /* the ligature decomposes to "fi", not "FI" */
	{ S("\xea\xb0\x81"), S("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8"), true },  /* 각 and its jamo */
	{ S("\xea\xb0\x80"), S("\xe1\x84\x80\xe1\x85\xa1"), true },
	{ S("\xe4\xb8\xad"), S("\xe4\xb8\xad"), true },
	{ S("\xff\xfe" "a"), S("\xff\xfe" "A"), true },                  /* no UTF-8 */
	{ S("\xc3"), S("\xc3"), true },
	{ S(""), S(""), true },
};

static void test_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf a = buf_on_heap(1000), b = buf_on_heap(1000);

		fold_add(&a, rows[i].a);
		fold_add(&b, rows[i].b);
		if (str_eq(buf_str(&a), buf_str(&b)) != rows[i].same)
			fail_msg("row %zu", i);
	}
}

/* Each ASCII character at each place, in front of one that is not ASCII. */
static void test_ascii(void **state)
{
	(void)state;
	for (int c = 0; c < 0x80; c++)
		for (size_t n = 1; n < 20; n++) {
			AUTO(buf_end) struct buf b = buf_on_heap(1000), text = buf_on_heap(1000);

			for (size_t i = 0; i < n; i++)
				buf_add_char(&text, i % 3 ? (char)c : '{');
			buf_add(&text, S("\xc3\xbc"));
			fold_add(&b, buf_str(&text));
			for (size_t i = 0; i < n; i++)
				assert_int_equal(b.p[i], i % 3 ? ascii_upper(c) : '{');
			assert_true(str_eq(str_from(buf_str(&b), n), S("U\xcc\x88")));
		}
}

static void test_growth(void **state)
{
	(void)state;
	/* U+FDFA becomes the longest text there is */
	struct str longest = S("\xef\xb7\xba");
	AUTO(buf_end) struct buf b = buf_on_heap(1000);

	fold_add(&b, longest);
	assert_true(b.n > 30 && b.n <= longest.n * FOLD_GROWTH_MAX);
}

/* Letters stand before "_", as title case has it: RFC 4790 §9.2.1. */
static void test_order(void **state)
{
	AUTO(buf_end) struct buf a = buf_on_heap(10), b = buf_on_heap(10);

	(void)state;
	fold_add(&a, S("a"));
	fold_add(&b, S("_"));
	assert_true(str_cmp(buf_str(&a), buf_str(&b)) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_ascii), cmocka_unit_test(test_growth),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
