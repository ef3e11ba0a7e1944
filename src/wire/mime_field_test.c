/* mime_field_test.c — parameters; rows F4, F5 and F7 of attacks.md. */
#include "wire/mime_field.h"

#include "base/buf.h"
#include "base/err.h"
#include "wire/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct { const char *what; struct str in, params; } rows[] = {
	{ "plain", S("a/b; x=1; Y=\"2 3\""), S("x=1 Y=2 3") },
	{ "none", S("a/b"), S("") },
	{ "escapes and folds", S("a/b; x=\"a\\\"b\\\\c\r\n d\""), S("x=a\"b\\c d") },
	{ "comments", S("a/b (;x=1) ; (c) y (d) = (e) 2 (f) ; z=3"), S("y=2 z=3") },
	{ "stray semicolons", S("a/b;; x=1;;; y=2;"), S("x=1 y=2") },
	{ "no value", S("a/b; x; y=2; =3; z="), S("y=2 z=") },
	{ "a bare value with specials", S("a/b; boundary=----=_Part/1:2?3; x=1"), S("boundary=----=_Part/1:2?3 x=1") },
	{ "a quote in the middle", S("a/b; x=1\"2\"; y=2"), S("x=1 y=2") },
	/* F7 */
	{ "F7 no closing quote", S("a/b; x=\"abc; y=1"), S("x=abc; y=1") },
	{ "F7 ends in a backslash", S("a/b; x=\"abc\\"), S("x=abc\\") },
	{ "F7 a comment that does not end", S("a/b; x=1 (abc\\"), S("x=1") },
	/* RFC 2231 §3 and §4.1, their examples */
	{ "continuation", S("a/b; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub\""), S("URL=ftp://cs.utk.edu/pub") },
	{ "extended", S("a/b; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A"),
	  S("title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A") },
	{ "both", S("a/b; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\""),
	  S("title*=us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!") },
	{ "first piece not extended", S("a/b; n*0=a; n*1*=%20c"), S("n*=''a%20c") },
	/* F4 */
	{ "F4 any order", S("a/b; x*1=b; x*0=a; y=1"), S("x=ab y=1") },
	{ "F4 a gap", S("a/b; x*0=a; x*2=c"), S("x*0=a x*2=c") },
	{ "F4 doubled", S("a/b; x*0=a; x*0=b; x*1=c"), S("x*0=a x*0=b x*1=c") },
	{ "F4 without a beginning", S("a/b; x*1=a"), S("x*1=a") },
	{ "F4 no number", S("a/b; x*01=a; x*a=b; *=c; *0=d; x*9999=e"), S("x*01=a x*a=b *=c *0=d x*9999=e") },
};

static void test_params(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf got = buf_on_heap(4096);
		struct mime_param *list;
		struct str type, subtype;
		char *exact = malloc(rows[i].in.n);

		memcpy(exact, rows[i].in.p, rows[i].in.n);
		assert_true(mime_type_parse(str_of(exact, rows[i].in.n), &a, &type, &subtype, &list));
		for (struct mime_param *p = list; p; p = p->next)
			buf_addf(&got, "%s" STR_FMT "%s=" STR_FMT, p == list ? "" : " ", STR_ARG(p->name),
				 p->is_extended ? "*" : "", STR_ARG(p->value));
		if (!str_eq(buf_str(&got), rows[i].params))
			fail_msg("%s: " STR_FMT, rows[i].what, STR_ARG(buf_str(&got)));
		free(exact);
	}
}

static void test_text(void **state)
{
	static const struct { struct str in, text; } texts[] = {
		{ S("a/b; x=plain"), S("plain") },
		{ S("a/b; x=\"=?utf-8?q?=C3=A4?=.txt\""), S("\xc3\xa4.txt") },
		{ S("a/b; x*=utf-8'de'%C3%A4%20b"), S("\xc3\xa4 b") },
		{ S("a/b; x*=iso-8859-1''%e4"), S("\xc3\xa4") },
		{ S("a/b; x*=%e4"), S("\xc3\xa4") },
		{ S("a/b; x*=nowhere''%41"), S("A") },
		{ S("a/b; x*=utf-8''%zz%4"), S("%zz%4") },
		{ S("a/b; x*='"), S("'") },
		/* F5: what is hidden by pieces is seen whole */
		{ S("a/b; x*0*=utf-8''doc.; x*1=e; x*2*=%78e"), S("doc.exe") },
		{ S("a/b; x=\"\xe4\""), S("\xc3\xa4") },
		{ S("a/b; x="), S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct mime_param *list;
		struct str type, subtype, got;

		assert_true(mime_type_parse(texts[i].in, &a, &type, &subtype, &list));
		got = mime_param_text(mime_param_find(list, S("X")), &a);
		if (!str_eq(got, texts[i].text))
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(got));
	}
}

static void test_words(void **state)
{
	static const struct { struct str in, word; size_t params; bool ok; } words[] = {
		{ S(" attachment; filename=x"), S("attachment"), 1, true },
		{ S("\"inline\""), S("inline"), 0, true },
		{ S(" ; filename=x"), S(""), 1, false },
		{ S(""), S(""), 0, false },
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct str languages = S("de, en (c) ,, fr x, ;b"), got;
	struct mime_param *list;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t n = 0;

		assert_true(mime_word_parse(words[i].in, &a, &got, &list) == words[i].ok);
		assert_true(str_eq(got, words[i].word));
		for (; list; list = list->next)
			n++;
		assert_int_equal(n, words[i].params);
	}
	assert_true(str_eq(mime_language_next(&languages), S("de")));
	assert_true(str_eq(mime_language_next(&languages), S("en")));
	assert_true(str_eq(mime_language_next(&languages), S("fr")));
	assert_true(str_eq(mime_language_next(&languages), S("x")));
	assert_true(mime_language_next(&languages).n == 0);
	assert_true(mime_language_next(&languages).n == 0);
}

static void test_f4_limit(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	struct str type, subtype;

	(void)state;
	for (int more = 0; more < 2; more++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct mime_param *list;
		size_t n = 0;

		buf_clear(&b);
		buf_add(&b, S("a/b"));
		for (int i = 0; i < (more ? 9999 : MIME_PARAMS_MAX); i++)
			buf_addf(&b, "; filename*%d*=a", i);
		assert_true(mime_type_parse(buf_str(&b), &a, &type, &subtype, &list));
		assert_int_equal(list->value.n, MIME_PARAMS_MAX);
		for (; list; list = list->next)
			n++;
		assert_int_equal(n, 1);
	}
}

static void test_filename(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	struct mime_part *p = mime_parse(S("Content-Type: a/b; name=x\nContent-Disposition: inline; filename=y\n"), &a);

	(void)state;
	assert_true(str_eq(mime_part_filename(p, &a), S("y")));
	p = mime_parse(S("Content-Type: a/b; name=x\nContent-Disposition: inline\n"), &a);
	assert_true(str_eq(mime_part_filename(p, &a), S("x")));
	p = mime_parse(S("Content-Type: a/b\n"), &a);
	assert_true(mime_part_filename(p, &a).n == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_params),   cmocka_unit_test(test_text),     cmocka_unit_test(test_words),
		cmocka_unit_test(test_f4_limit), cmocka_unit_test(test_filename),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
