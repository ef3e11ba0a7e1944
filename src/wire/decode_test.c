/* decode_test.c — base64 and quoted-printable as they come. */
#include "wire/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define B64 MIME_BASE64
#define QP MIME_QUOTED_PRINTABLE

static const struct { enum mime_encoding how; struct str in, out; } rows[] = {
	/* RFC 4648 §10 */
	{ B64, S(""), S("") }, { B64, S("Zg=="), S("f") }, { B64, S("Zm8="), S("fo") }, { B64, S("Zm9v"), S("foo") },
	{ B64, S("Zm9vYmFy"), S("foobar") },
	{ B64, S("Zm9v\r\nYmFy\n"), S("foobar") },
	{ B64, S("Zg"), S("f") },
	{ B64, S("Zg==Zg=="), S("ff") },
	{ B64, S("Z!g*=="), S("f") },
	{ B64, S("=Zm9v"), S("foo") },
	{ B64, S("Z"), S("") },
	/* RFC 2045 §6.7 */
	{ QP, S("Now's the time =\nfor all folk to come=\r\n to the aid"), S("Now's the time for all folk to come to the aid") },
	{ QP, S("=3D=E4=e4=0a"), S("=\xe4\xe4\n") },
	{ QP, S("a \t\nb\t\r\nc "), S("a\nb\r\nc") },
	{ QP, S("a b\tc"), S("a b\tc") },
	{ QP, S("a=  \t\r\nb"), S("ab") },
	{ QP, S("a=  b"), S("a=  b") },
	{ QP, S("a=zz=4=41=4"), S("a=zz=4A=4") },
	{ QP, S("a=4\nb"), S("a=4\nb") },
	{ QP, S("==41"), S("=A") },
	{ QP, S("a="), S("a") },
	{ QP, S("a=\r"), S("a") },
	{ QP, S("=\n=\n"), S("") },
	{ MIME_8BIT, S("=41\n"), S("=41\n") },
	{ MIME_7BIT, S("Zg=="), S("Zg==") },
};

/* However the bytes are cut, the result is the same. */
static void test_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t cut = 0; cut <= rows[i].in.n; cut++) {
			struct decode d = { .encoding = rows[i].how };
			AUTO(buf_end) struct buf got = buf_on_heap(1024);

			decode_feed(&d, str_head(rows[i].in, cut), &got);
			for (size_t k = cut; k < rows[i].in.n; k++)
				decode_feed(&d, str_sub(rows[i].in, k, 1), &got);
			decode_finish(&d, &got);
			if (!str_eq(buf_str(&got), rows[i].out))
				fail_msg("row %zu cut at %zu: " STR_FMT, i, cut, STR_ARG(buf_str(&got)));
		}
	assert_true(decode_knows(MIME_BINARY) && !decode_knows(MIME_UNKNOWN));
}

static void test_blanks(void **state)
{
	AUTO(buf_end) struct buf in = buf_on_heap(4096), out = buf_on_heap(4096);

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_add_char(&in, ' ');
	buf_add_char(&in, 'x');
	decode_all(QP, buf_str(&in), &out);
	assert_true(str_eq(buf_str(&in), buf_str(&out)));
}

static void test_part_text(void **state)
{
	static const struct { struct str in, out; } parts[] = {
		{ S("Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n=E4"), S("\xc3\xa4") },
		{ S("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nw6Q="), S("\xc3\xa4") },
		{ S("Content-Type: text/plain; charset=nowhere\n\n\xe4"), S("\xc3\xa4") },
		{ S("\n\xc3\xa4"), S("\xc3\xa4") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		AUTO(buf_end) struct buf got = buf_on_heap(100);

		mime_part_text(parts[i].in, mime_parse(parts[i].in, &a), &got);
		assert_true(str_eq(buf_str(&got), parts[i].out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_blanks),
		cmocka_unit_test(test_part_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
