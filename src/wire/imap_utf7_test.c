/* imap_utf7_test.c — modified UTF-7 and back; the spellings that are none. */
#include "wire/imap_utf7.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_both_ways(void **state)
{
	static const struct { struct str utf7, utf8; } rows[] = {
		/* RFC 3501 §5.1.3 */
		{ S("~peter/mail/&U,BTFw-/&ZeVnLIqe-"), S("~peter/mail/台北/日本語") }, { S("&Jjo-!"), S("☺!") },
		{ S("&U,BTF2XlZyyKng-"), S("台北日本語") }, { S("&-"), S("&") }, { S("a&-b&-"), S("a&b&") }, { S(""), S("") },
		{ S("Entw&APw-rfe"), S("Entwürfe") }, { S("&2D3eCQ-"), S("😉") }, { S("&AOQ-&-&APY-"), S("ä&ö") }, { S(" ~!"), S(" ~!") },
		{ S("&AOQA9gD8-"), S("äöü") }, { S("&AKA-"), S("\xc2\xa0") }, { S("&,,8-"), S("\xef\xbf\xbf") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf b = buf_on_heap(256);
		struct str got;

		assert_true(imap_utf7_decode(rows[i].utf7, &a, &got));
		if (!str_eq(got, rows[i].utf8))
			fail_msg(STR_FMT ": " STR_FMT, STR_ARG(rows[i].utf7), STR_ARG(got));
		assert_true(imap_utf7_add(&b, rows[i].utf8));
		if (!str_eq(buf_str(&b), rows[i].utf7))
			fail_msg(STR_FMT ": " STR_FMT, STR_ARG(rows[i].utf8), STR_ARG(buf_str(&b)));
	}
}

static void test_g6_refused(void **state)
{
	static const struct str rows[] = {
		S("&Jjo!"), S("&U,BTFw-&ZeVnLIqe-"),     /* RFC 3501 §5.1.3 */
		S("&"), S("a&"), S("&A"), S("&A-"), S("&AA-"), S("&AAA-"), S("&AC8-"), S("&AC4ALg-"), S("&AGE-"), S("&ACY-"),
		S("&2D0-"), S("&3gk-"), S("&2D0AYQ-"), S("&3gnYPQ-"), S("&APw"), S("&APx-"), S("&APwA-"), S("&AP/-"), S("&AP=-"),
		S("\xc3\xbc"), S("a\tb"), S("a\r"), S("a\0b"), S("\x7f"), S("&APw-&APw-"), S("&APw-&"), S("& -"), S("&AAo-"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct str got;

		if (imap_utf7_decode(rows[i], &a, &got))
			fail_msg(STR_FMT " gives " STR_FMT, STR_ARG(rows[i]), STR_ARG(got));
	}
}

static void test_not_utf8(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(256);

	(void)state;
	assert_false(imap_utf7_add(&b, S("a\xff")));
	assert_false(imap_utf7_add(&b, S("\xed\xa0\x80")));
	assert_int_equal(b.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways), cmocka_unit_test(test_g6_refused), cmocka_unit_test(test_not_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
