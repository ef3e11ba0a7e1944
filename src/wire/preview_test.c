/* preview_test.c — previews and the words of HTML; row F8 of attacks.md. */
#include "wire/preview.h"

#include "base/time.h"
#include "base/utf8.h"
#include "wire/html_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct { const char *what; struct str in, out; } rows[] = {
	{ "plain", S("\nHello\n\n  world.\n"), S("Hello world.") },
	{ "nothing", S("\n"), S("") },
	{ "no text", S("Content-Type: image/png\n\nx"), S("") },
	{ "the first text that says something",
	  S("Content-Type: multipart/alternative; boundary=b\n\n--b\n\n \n--b\nContent-Type: text/html\n\n<p>a<br>b\n--b--\n"), S("a b") },
	{ "not an attachment",
	  S("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nno\n--b\n\nyes\n--b--\n"), S("yes") },
	{ "an attachment, if there is nothing else", S("Content-Disposition: attachment\n\nyes"), S("yes") },
	{ "the plain one of alternatives",
	  S("Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\nno\n--b\n\nyes\n--b--\n"), S("yes") },
	{ "not what is quoted", S("\n> a\n>> b\nc > d\n >e\n"), S("c > d >e") },
	{ "nothing but a quotation", S("\n> a\n>> b"), S("> a >> b") },
	{ "decoded", S("Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n=E4 =\n=3D"),
	  S("\xc3\xa4 =") },
	{ "an encoding nobody knows", S("Content-Transfer-Encoding: x-odd\n\nabc"), S("") },
	{ "what nobody sees", S("Content-Type: text/plain; charset=utf-8\n\n\xe2\x80\x8b\xc2\xad\xe2\x80\x8c" "a\xc2\xa0\xc2\xa0" "b"), S("a b") },
	{ "html", S("Content-Type: text/html\n\n<html><head><title>t</title><style>p{}</style></head><body><!-- c --><p>One &amp; "
		    "<b>tw</b>o</p><script>x</script>&lt;three&gt;&nbsp;&#x41;&#66;&auml;&unknown;</body>"),
	  S("One & two <three> AB\xc3\xa4&unknown;") },
};

static void test_preview(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		char mem[4 * PREVIEW_MAX];
		struct buf b = buf_over(mem, sizeof(mem));

		preview_add(&b, rows[i].in, mime_parse(rows[i].in, &a));
		if (!str_eq(buf_str(&b), rows[i].out))
			fail_msg("%s: " STR_FMT, rows[i].what, STR_ARG(buf_str(&b)));
	}
}

static size_t characters(struct str s)
{
	size_t n = 0;
	uint32_t cp;

	for (size_t k; (k = utf8_char(s, &cp)); s = str_from(s, k))
		n++;
	assert_int_equal(s.n, 0);
	return n;
}

static void test_limit(void **state)
{
	static const struct str units[] = { S("a"), S("\xf0\x9f\x98\x80"), S("a "), S("  a\n") };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(units); k++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		AUTO(buf_end) struct buf in = buf_on_heap(4096), out = buf_on_heap(4 * PREVIEW_MAX);

		buf_add_char(&in, '\n');
		for (int i = 0; i < 500; i++)
			buf_add(&in, units[k]);
		preview_add(&out, buf_str(&in), mime_parse(buf_str(&in), &a));
		assert_true(characters(buf_str(&out)) <= PREVIEW_MAX && characters(buf_str(&out)) >= PREVIEW_MAX - 1);
		assert_false(out.full);
	}
}

static void test_f8_html(void **state)
{
	static const struct str units[] = {
		S("<"), S("<b>"), S("</b>"), S("&"), S("&#"), S("&amp"), S("<!--"), S("<style>"), S("<script></"), S("<a \""),
		S("<head></style>"), S("</"), S("<p>x"),
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(units); k++) {
		AUTO(buf_end) struct buf in = buf_on_heap(10 << 20), out = buf_on_heap(20 << 20);
		int64_t begin = time_mono();

		while (!in.full)
			buf_add(&in, units[k]);
		html_text_add(&out, buf_str(&in));
		if (time_mono() - begin > 10 * SECOND || out.n > in.n)
			fail_msg("unit %zu: %zu", k, out.n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_preview),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_f8_html),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
