/* imap_print_test.c — words of answers, and dates both ways. */
#include "wire/imap_print.h"

#include "wire/flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(struct buf *b, struct str what)
{
	if (!str_eq(buf_str(b), what))
		fail_msg(STR_FMT " is not " STR_FMT, STR_ARG(buf_str(b)), STR_ARG(what));
	buf_clear(b);
}

static void test_g13_astring(void **state)
{
	static const struct { struct str in, out; } rows[] = {
		{ S("INBOX"), S("INBOX") }, { S("a]b"), S("a]b") }, { S(""), S("\"\"") }, { S("NIL"), S("\"NIL\"") }, { S("nil"), S("\"nil\"") },
		{ S("a b"), S("\"a b\"") }, { S("a)"), S("\"a)\"") }, { S("{10}"), S("\"{10}\"") }, { S("a\"b\\"), S("\"a\\\"b\\\\\"") },
		{ S("a\r\nb"), S("{4}\r\na\r\nb") }, { S("\xc3\xbc"), S("{2}\r\n\xc3\xbc") }, { S("*%"), S("\"*%\"") }, { S("\x7f"), S("\"\x7f\"") },
	};
	AUTO(buf_end) struct buf b = buf_on_heap(4096);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		imap_add_astring(&b, rows[i].in);
		expect(&b, rows[i].out);
	}
}

static void test_mailbox(void **state)
{
	static const struct { struct str in, utf7, utf8; } rows[] = {
		{ S("INBOX"), S("INBOX"), S("INBOX") }, { S("Entwürfe"), S("Entw&APw-rfe"), S("\"Entwürfe\"") }, { S("a & b"), S("\"a &- b\""), S("\"a & b\"") },
		{ S("ü\"\\"), S("\"&APw-\\\"\\\\\""), S("\"ü\\\"\\\\\"") }, { S("a\xff"), S("a?"), S("a?") }, { S(""), S("\"\""), S("\"\"") },
		{ S("a\nü"), S("a&AAoA,A-"), S("{4}\r\na\nü") },
	};
	AUTO(buf_end) struct buf b = buf_on_heap(4096);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		imap_add_mailbox(&b, rows[i].in, false);
		expect(&b, rows[i].utf7);
		imap_add_mailbox(&b, rows[i].in, true);
		expect(&b, rows[i].utf8);
	}
}

static void test_f14_date_time(void **state)
{
	static const struct { struct str in; int64_t utc; int32_t zone; bool ok; struct str out; } rows[] = {
		{ S("17-Jul-1996 02:44:25 -0700"), 837596665, -420, true, S("\"17-Jul-1996 02:44:25 -0700\"") },
		{ S(" 7-Feb-1994 21:52:25 -0800"), 760686745, -480, true, S("\" 7-Feb-1994 21:52:25 -0800\"") },
		{ S("01-jan-1970 00:00:00 +0000"), 0, 0, true, S("\" 1-Jan-1970 00:00:00 +0000\"") }, { S("31-Dec-2016 23:59:60 +0000"), 1483228799, 0, true, S("\"31-Dec-2016 23:59:59 +0000\"") },
		{ S("19-Jan-2038 03:14:08 +0000"), 2147483648, 0, true, S("\"19-Jan-2038 03:14:08 +0000\"") }, { S("29-Feb-2000 12:00:00 +0530"), 951805800, 330, true, S("\"29-Feb-2000 12:00:00 +0530\"") },
		{ S("29-Feb-1900 12:00:00 +0000"), 0, 0, false, { 0 } }, { S("32-Jan-2000 12:00:00 +0000"), 0, 0, false, { 0 } }, { S("00-Jan-2000 12:00:00 +0000"), 0, 0, false, { 0 } },
		{ S("1-Jan-2000 12:00:00 +0000"), 0, 0, false, { 0 } }, { S("01-Jan-2000 24:00:00 +0000"), 0, 0, false, { 0 } }, { S("01-Jan-2000 12:60:00 +0000"), 0, 0, false, { 0 } },
		{ S("01-Jan-2000 12:00:61 +0000"), 0, 0, false, { 0 } }, { S("01-Jan-2000 12:00:00 0000"), 0, 0, false, { 0 } }, { S("01-Jan-2000 12:00:00 +2400"), 0, 0, false, { 0 } },
		{ S("01-Jan-2000 12:00:00 +0060"), 0, 0, false, { 0 } }, { S("01-Jan-2000 12:00:00 +0000 "), 0, 0, false, { 0 } }, { S("01-Jan-20000 12:00:00 +0000"), 0, 0, false, { 0 } },
		{ S("01-Jan-2000"), 0, 0, false, { 0 } }, { S(""), 0, 0, false, { 0 } }, { S("01-Foo-2000 12:00:00 +0000"), 0, 0, false, { 0 } },
		{ S("01-Jan-2000 12:00:00 -23599"), 0, 0, false, { 0 } }, { S("31-Dec-9999 23:59:59 -2359"), INT64_C(253402387139), -1439, true, S("\"31-Dec-9999 00:00:59 -2359\"") },
	};
	AUTO(buf_end) struct buf b = buf_on_heap(4096);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t utc = 0;
		int32_t zone = 0;
		bool ok = imap_date_time_parse(rows[i].in, &utc, &zone);

		if (ok != rows[i].ok || (ok && (utc != rows[i].utc || zone != rows[i].zone)))
			fail_msg(STR_FMT ": %lld %d", STR_ARG(rows[i].in), (long long)utc, zone);
		if (!ok)
			continue;
		imap_add_date_time(&b, utc, zone);
		expect(&b, rows[i].out);
	}
	imap_add_date_time(&b, INT64_MAX, 0);
	expect(&b, S("\"31-Dec-9999 23:59:59 +0000\""));
	imap_add_date_time(&b, INT64_MIN, -60);
	expect(&b, S("\" 1-Jan-0000 00:00:00 -0100\""));
	imap_add_date_time(&b, 0, INT32_MIN);
	expect(&b, S("\" 1-Jan-1970 00:00:00 +0000\""));
}

static void test_date(void **state)
{
	static const struct { struct str in; int32_t day; bool ok; } rows[] = {
		{ S("1-Feb-1994"), 8797, true }, { S("01-FEB-1994"), 8797, true }, { S("\"1-Feb-1994\""), 8797, true }, { S("1-Jan-1970"), 0, true },
		{ S("31-Dec-1969"), -1, true }, { S("\"1-Feb-1994"), 0, false }, { S("1-Feb-94"), 0, false }, { S(" 1-Feb-1994"), 0, false }, { S("30-Feb-1994"), 0, false },
		{ S("1-Feb-1994\""), 0, false }, { S("-1-Feb-1994"), 0, false }, { S("1-February-1994"), 0, false }, { S(""), 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int32_t day = 0;

		if (imap_date_parse(rows[i].in, &day) != rows[i].ok || day != rows[i].day)
			fail_msg(STR_FMT ": %d", STR_ARG(rows[i].in), day);
	}
}

static void test_flags(void **state)
{
	static const struct str keywords[] = { S("$Forwarded"), S("Foo") };
	static const struct str bad[] = { S(""), S("a b"), S("\\x"), S("a]"), S("a("), S("a\"b"), S("a*"), S("\xc3\xbc"), S("a\r"), S("{") };
	AUTO(buf_end) struct buf b = buf_on_heap(4096);

	(void)state;
	flag_list_add(&b, &(struct flag_list){ FLAG_SEEN | FLAG_DELETED | FLAG_RECENT, keywords, 2 });
	expect(&b, S("\\Seen \\Deleted \\Recent $Forwarded Foo"));
	flag_list_add(&b, &(struct flag_list){ 0, keywords, 1 });
	expect(&b, S("$Forwarded"));
	assert_int_equal(flag_parse(S("\\sEEN")), FLAG_SEEN);
	assert_int_equal(flag_parse(S("Seen")), 0);
	assert_true(str_eq(flag_name(FLAG_DRAFT), S("\\Draft")));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(flag_keyword_is_valid(bad[i]));
	assert_true(flag_keyword_is_valid(S("$MDNSent")) && flag_keyword_is_valid(S("a[b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_g13_astring), cmocka_unit_test(test_mailbox), cmocka_unit_test(test_f14_date_time),
		cmocka_unit_test(test_date), cmocka_unit_test(test_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
