/* text_test.c — base64 (vectors of RFC 4648 §10) and xtext. */
#include "wire/text.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_base64(void **state)
{
	static const struct { struct str text, bytes; } rows[] = {
		{ S(""), S("") },
		{ S("Zg=="), S("f") },
		{ S("Zm8="), S("fo") },
		{ S("Zm9v"), S("foo") },
		{ S("Zm9vYg=="), S("foob") },
		{ S("Zm9vYmE="), S("fooba") },
		{ S("Zm9vYmFy"), S("foobar") },
		{ S("AP/+"), S("\0\xff\xfe") },
	};
	static const struct str bad[] = {
		S("Z"), S("Zg"), S("Zg="), S("Zg==="), S("===="), S("Zh=="), S("Zm9="), S("Z=9v"), S("Zg==Zg=="),
		S("Zm 9"), S("Zm9v\n"), S("Zm9\0"), S("=g=="), S("Zm9\xc3"), S("Zm-_"), S("="), S("=="),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct buf b = buf_over(arena_alloc(&a, 100, 1), 100);
		struct str got;

		assert_true(base64_decode(rows[i].text, &a, &got) && str_eq(got, rows[i].bytes));
		base64_add(&b, rows[i].bytes);
		assert_true(str_eq(buf_str(&b), rows[i].text));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct str got;

		if (base64_decode(bad[i], &a, &got))
			fail_msg(STR_FMT " taken", STR_ARG(bad[i]));
	}
}

static void test_xtext(void **state)
{
	static const struct { struct str in; bool utf8, ok; struct str out; } rows[] = {
		{ S("abc"), false, true, S("abc") },
		{ S("a+2Bb+3Dc+20d"), false, true, S("a+b=c d") },
		{ S("+"), false, false, S("") },
		{ S("+4"), false, false, S("") },
		{ S("+4g"), false, false, S("") },
		{ S("a=b"), false, false, S("") },
		{ S("a b"), false, false, S("") },
		{ S("+0A"), false, false, S("") },
		{ S("+0D"), false, false, S("") },
		{ S("+00"), false, false, S("") },
		{ S("+7F"), false, false, S("") },
		{ S("+C3+BC"), true, false, S("") },
		{ S("ü"), false, false, S("") },
		{ S("ü"), true, true, S("ü") },
		{ S("\xc3"), true, false, S("") },
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct buf b = buf_over(arena_alloc(&a, 100, 1), 100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str got = { 0 };

		if (xtext_decode(rows[i].in, rows[i].utf8, &a, &got) != rows[i].ok || !str_eq(got, rows[i].out))
			fail_msg(STR_FMT " gives " STR_FMT, STR_ARG(rows[i].in), STR_ARG(got));
	}
	xtext_add(&b, S("a+b=c d\n"));
	assert_true(str_eq(buf_str(&b), S("a+2Bb+3Dc+20d+0A")));
}

static void test_utf8(void **state)
{
	static const struct { struct str in; bool ok; } rows[] = {
		{ S("aü€\xf0\x9f\x98\x80"), true }, { S("\xf4\x8f\xbf\xbf"), true }, { S("\xf4\x90\x80\x80"), false },
		{ S("\xc0\x80"), false }, { S("\xe0\x9f\xbf"), false }, { S("\xf0\x8f\xbf\xbf"), false },
		{ S("\xed\x9f\xbf"), true }, { S("\xed\xa0\x80"), false }, { S("\xff"), false }, { S("\x80"), false },
		{ S("\xe2\x82"), false }, { S(""), true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (utf8_valid(rows[i].in) != rows[i].ok)
			fail_msg("row %zu", i);
}

/* RFC 6533 §3 */
static void test_unitext(void **state)
{
	static const struct { struct str in; bool is_utf8, ok; struct str out; } rows[] = {
		{ S("abc@d.example"), false, true, S("abc@d.example") },
		{ S("\\x{FC}@b\\x{fc}"), false, true, S("ü@bü") },
		{ S("a\\x{2B}b\\x{3D}c\\x{20}d\\x{5C}"), false, true, S("a+b=c d\\") },
		{ S("\\x{672A}\\x{1F426}\\x{10FFFF}"), false, true, S("未🐦\xf4\x8f\xbf\xbf") },
		{ S("ü\\x{FC}"), true, true, S("üü") },
		{ S("ü"), false, false, S("") },
		{ S("\xc3"), true, false, S("") },
		{ S("a+b"), true, false, S("") },
		{ S("a+2Bb"), false, false, S("") },
		{ S("a=b"), true, false, S("") },
		{ S("a b"), true, false, S("") },
		{ S("\\"), true, false, S("") },
		{ S("\\x"), true, false, S("") },
		{ S("\\x{"), true, false, S("") },
		{ S("\\x{}"), true, false, S("") },
		{ S("\\x{8}"), true, false, S("") },
		{ S("\\x{FC"), true, false, S("") },
		{ S("\\X{FC}"), true, false, S("") },
		{ S("\\x{0FC}"), true, false, S("") },
		{ S("\\x{41}"), true, false, S("") },
		{ S("\\x{0A}"), true, false, S("") },
		{ S("\\x{1F}"), true, false, S("") },
		{ S("\\x{7F}"), true, false, S("") },
		{ S("\\x{D800}"), true, false, S("") },
		{ S("\\x{110000}"), true, false, S("") },
		{ S("\\x{1000000}"), true, false, S("") },
	};
	AUTO(arena_end) struct arena a = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = buf_over(arena_alloc(&a, 100, 1), 100);
		struct str got = { 0 }, back = { 0 };

		if (unitext_decode(rows[i].in, rows[i].is_utf8, &a, &got) != rows[i].ok || !str_eq(got, rows[i].out))
			fail_msg(STR_FMT " gives " STR_FMT, STR_ARG(rows[i].in), STR_ARG(got));
		unitext_add(&b, got, false);
		assert_true(str_is_ascii(buf_str(&b)));
		assert_true(unitext_decode(buf_str(&b), false, &a, &back) && str_eq(back, got));
	}
	for (int is_utf8 = 0; is_utf8 < 2; is_utf8++) {
		struct buf b = buf_over(arena_alloc(&a, 100, 1), 100);

		unitext_add(&b, S("ü+x@b\n\xff"), is_utf8);
		assert_true(str_eq(buf_str(&b), is_utf8 ? S("ü\\x{2B}x@b\\x{0A}\xef\xbf\xbd") :
							  S("\\x{FC}\\x{2B}x@b\\x{0A}\\x{FFFD}")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_xtext), cmocka_unit_test(test_unitext),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
