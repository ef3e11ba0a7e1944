/* mime_header_test.c — encoded-words and charsets; row F12 of attacks.md. */
#include "wire/mime_header.h"

#include "base/err.h"
#include "base/time.h"
#include "base/utf8.h"
#include "wire/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define AE "\xc3\xa4"
#define BAD "\xef\xbf\xbd"

static const struct { struct str in, out; } rows[] = {
	/* RFC 2047 §8 */
	{ S("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>"), S("Keith Moore <moore@cs.utk.edu>") },
	{ S("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>"), S("Keld J\xc3\xb8rn Simonsen <keld@dkuug.dk>") },
	{ S("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
	  S("If you can read this you understand the example.") },
	{ S("(=?ISO-8859-1?Q?a?=)"), S("(a)") },
	{ S("(=?ISO-8859-1?Q?a?= b)"), S("(a b)") },
	{ S("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)"), S("(ab)") },
	{ S("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)"), S("(ab)") },
	{ S("(=?ISO-8859-1?Q?a?=\r\n  =?ISO-8859-1?Q?b?=)"), S("(ab)") },
	{ S("(=?ISO-8859-1?Q?a_b?=)"), S("(a b)") },
	{ S("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)"), S("(a b)") },
	/* RFC 2231 §5 */
	{ S("=?US-ASCII*EN?Q?Keith_Moore?="), S("Keith Moore") },
	{ S("plain"), S("plain") },
	{ S("  two\r\n\tlines  "), S("two lines") },
	{ S(""), S("") },
	/* a character split between words */
	{ S("=?utf-8?q?=C3?= =?utf-8?q?=A4?="), S(AE) },
	{ S("=?UTF-8?B?w6Q=?= =?utf8?B?w6Q=?="), S(AE AE) },
	/* broken base64: no padding, stray bytes, padding in the middle */
	{ S("=?utf-8?b?w6Q?="), S(AE) },
	{ S("=?utf-8?b?w!6Q==?="), S(AE) },
	{ S("=?utf-8?b?w6Q=w6Q=?="), S(AE AE) },
	{ S("=?utf-8?q?a b?="), S("a b") },
	{ S("=?utf-8?q?=zz=4?="), S("=zz=4") },
	/* what is no word stays */
	{ S("=?nowhere?q?a?="), S("=?nowhere?q?a?=") },
	{ S("=?utf-8?x?a?="), S("=?utf-8?x?a?=") },
	{ S("=?utf-8?q?a?b?="), S("=?utf-8?q?a?b?=") },
	{ S("=?utf-8?q?a"), S("=?utf-8?q?a") },
	{ S("=?utf-8?q"), S("=?utf-8?q") },
	{ S("=?"), S("=?") },
	{ S("a =?= b"), S("a =?= b") },
	{ S("x=?utf-8?q?a?=y"), S("xay") },
	/* bytes without a word */
	{ S("\xe4"), S(AE) },
	{ S(AE), S(AE) },
	{ S("a\0b\x7f"), S("a b ") },
	/* nothing decoded is a line end */
	{ S("=?utf-8?q?a=0D=0Ab=00c?="), S("a  b c") },
	/* F12 */
	{ S("=?utf-8?q?\?= =?utf-8?q?\?="), S("") },
	{ S("=?utf-8?q?=ff=c0=80a?="), S(BAD BAD "a") },
	{ S("=?utf-7?q?+AOQ-b?="), S(AE "b") },
	{ S("=?iso-2022-jp?b?GyRCRnxLXBsoQg==?="), S("\xe6\x97\xa5\xe6\x9c\xac") },
	{ S("=?gb18030?b?/////w==?="), S(BAD BAD BAD BAD) },
	{ S("=?shift_jis?b?k/qWew==?="), S("\xe6\x97\xa5\xe6\x9c\xac") },
	{ S("=?koi8-r?q?=F0?="), S("\xd0\x9f") },
	{ S("=?windows-1252?q?=80=81?="), S("\xe2\x82\xac\xc2\x81") },
};

static void test_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf got = buf_on_heap(4096);
		char *exact = malloc(rows[i].in.n + !rows[i].in.n);

		memcpy(exact, rows[i].in.p, rows[i].in.n);
		mime_header_decode(str_of(exact, rows[i].in.n), &got);
		if (!str_eq(buf_str(&got), rows[i].out))
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(buf_str(&got)));
		free(exact);
	}
}

static void test_f12_many(void **state)
{
	static const struct str words[] = { S("=?utf-8?q?\?= "), S("=?utf-8?q?"), S("=?utf-8?b?QUFB?= "), S("=?") };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(words); k++) {
		AUTO(buf_end) struct buf in = buf_on_heap(16 << 20), out = buf_on_heap(16 << 20);
		int64_t begin = time_mono();

		for (int i = 0; i < 1000000 && in.n < (1 << 20); i++)
			buf_add(&in, words[k]);
		mime_header_decode(buf_str(&in), &out);
		assert_true(time_mono() - begin < 5 * SECOND);
		assert_false(out.full);
	}
}

static void test_charsets(void **state)
{
	static const struct { struct str label, in, out; } c[] = {
		{ S("latin1"), S("\x80\xe4"), S("\xe2\x82\xac" AE) },
		{ S("ISO-8859-15"), S("\xa4"), S("\xe2\x82\xac") },
		{ S("windows-1253"), S("\xaa\xe1"), S(BAD "\xce\xb1") },
		{ S("us-ascii"), S(AE), S(AE) },
		{ S("us-ascii"), S("\xe4"), S(AE) },
		{ S("utf-8"), S("a\xf0\x9f\x98\x80" "b\xe2\x82"), S("a\xf0\x9f\x98\x80" "b" BAD) },
		{ S("utf-16"), S("a\0\xe4\0"), S("a" AE) },
		{ S("utf-16be"), S("\xd8\x3d\xde\x00"), S("\xf0\x9f\x98\x80") },
		{ S("utf-16be"), S("\xd8\x3d\0a\xde\0a"), S(BAD "a" BAD BAD) },
		{ S("utf-16be"), S("\xff\xfe" "a\0"), S("a") },
		/* RFC 2152 */
		{ S("utf-7"), S("Hi Mom -+Jjo--!"), S("Hi Mom -\xe2\x98\xba-!") },
		{ S("utf-7"), S("A+ImIDkQ."), S("A\xe2\x89\xa2\xce\x91.") },
		{ S("utf-7"), S("1 +- 2 + +"), S("1 + 2 + +") },
		{ S("utf-7"), S("+2D0-a"), S(BAD "a") },
		{ S("big5"), S("\xa4\xa4\xa4\xe5"), S("\xe4\xb8\xad\xe6\x96\x87") },
		{ S("euc-kr"), S("\xc7\xd1"), S("\xed\x95\x9c") },
		{ S("euc-jp"), S("\xc6\xfc\x8f"), S("\xe6\x97\xa5" BAD) },
		{ S("iso-2022-jp"), S("\x1b$BF|\x1b(B!\x1b$"), S("\xe6\x97\xa5!" BAD) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		AUTO(buf_end) struct buf got = buf_on_heap(4096);

		assert_non_null(charset_find(c[i].label));
		charset_to_utf8(charset_find(c[i].label), c[i].in, &got);
		if (!str_eq(buf_str(&got), c[i].out))
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(buf_str(&got)));
	}
	assert_null(charset_find(S("")));
	assert_null(charset_find(S("x-unknown")));
	assert_true(str_eq(charset_name(charset_find(S(" Latin1 "))), S("windows-1252")));
}

/* Every byte, pair of bytes and escape in every charset: valid UTF-8, and no more than was promised. */
static void test_bounded(void **state)
{
	static const char *const labels[] = { "utf-8", "us-ascii", "ibm866", "iso-8859-8-i", "windows-874", "gbk", "gb18030",
					      "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr", "utf-16be", "utf-16le",
					      "utf-7" };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(labels); k++)
		for (unsigned i = 0; i < 1 << 16; i++) {
			char in[3] = { (char)(i >> 8), (char)i, 'A' }, mem[64];
			struct buf out = buf_over(mem, sizeof(mem));

			charset_to_utf8(charset_find(str_from_z(labels[k])), str_of(in, sizeof(in)), &out);
			if (!utf8_valid(buf_str(&out)) || out.n > 3 * sizeof(in))
				fail_msg("%s %04x", labels[k], i);
		}
}

static int open_all(void **state)
{
	struct err e = { 0 };

	(void)state;
	return charset_open_all(&e) ? 0 : -1;
}

static int close_all(void **state)
{
	(void)state;
	charset_close_all();
	return charset_find(S("gbk")) ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_f12_many),
		cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
