/* binary_letter_test.c — what becomes of a letter that came as a literal8. */
#include "wire/binary_letter.h"

#include "base/err.h"
#include "wire/decode.h"
#include "wire/lf.h"
#include "wire/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOP "From: a@example.org\r\n"
#define BINARY "Content-Transfer-Encoding: binary\r\n"
#define OCTETS "Content-Type: application/octet-stream\r\n"
#define MIXED TOP "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n"
#define BASE64 "Content-Transfer-Encoding: base64\r\n"

static const struct {
	const char *what;
	struct str in;
	enum binary_result result;
	struct str out;
} rows[] = {
	{ "lines", S(TOP "\r\nx\r\n"), BINARY_AS_IS, S("") },
	{ "binary in name only", S(TOP OCTETS BINARY "\r\n\xff\r\ny\rz\r\n"), BINARY_AS_IS, S("") },
	{ "bare LF in 7bit", S(TOP "\r\nx\ny\r\n"), BINARY_AS_IS, S("") },
	{ "bare LF in text", S(TOP BINARY "\r\nx\ny\r\n"), BINARY_AS_IS, S("") },
	{ "NUL", S(TOP OCTETS BINARY "\r\na\0b"), BINARY_ENCODED, S(TOP OCTETS BASE64 "\r\nYQBi\r\n") },
	{ "NUL in text", S(TOP BINARY "\r\na\0b"), BINARY_ENCODED, S(TOP BASE64 "\r\nYQBi\r\n") },
	{ "NUL where none may be", S(TOP OCTETS "\r\na\0b"), BINARY_ENCODED, S(TOP OCTETS BASE64 "\r\nYQBi\r\n") },
	{ "bare LF", S(TOP OCTETS BINARY "\r\n\n"), BINARY_ENCODED, S(TOP OCTETS BASE64 "\r\nCg==\r\n") },
	{ "the field's place and fold", S("content-transfer-encoding:\r\n binary\r\n" OCTETS "\r\n\0"), BINARY_ENCODED,
	  S(OCTETS BASE64 "\r\nAA==\r\n") },
	{ "a long line", S(OCTETS BINARY "\r\n\0abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789"),
	  BINARY_ENCODED,
	  S(OCTETS BASE64 "\r\nAGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIz\r\n"
	    "NDU2Nzg5\r\n") },
	{ "one part of three", S(MIXED "--b\r\n\r\none\r\n--b\r\n" OCTETS BINARY "\r\n\0\n\r\n--b\r\n\r\nthree\r\n--b--\r\n"),
	  BINARY_ENCODED,
	  S(MIXED "--b\r\n\r\none\r\n--b\r\n" OCTETS BASE64 "\r\nAAo=\r\n\r\n--b\r\n\r\nthree\r\n--b--\r\n") },
	{ "two parts", S(MIXED "--b\r\n" BINARY "\r\n\0\r\n--b\r\n" BINARY "\r\n\0\r\n--b--\r\n"), BINARY_ENCODED,
	  S(MIXED "--b\r\n" BASE64 "\r\nAA==\r\n\r\n--b\r\n" BASE64 "\r\nAA==\r\n\r\n--b--\r\n") },
	{ "a part without fields", S(MIXED "--b\r\n\r\n\0\r\n--b--\r\n"), BINARY_ENCODED,
	  S(MIXED "--b\r\n" BASE64 "\r\nAA==\r\n\r\n--b--\r\n") },
	{ "a letter within", S("Content-Type: message/rfc822\r\n" BINARY "\r\n" TOP BINARY "\r\n\0\r\n"), BINARY_ENCODED,
	  S("Content-Type: message/rfc822\r\n" BINARY "\r\n" TOP BASE64 "\r\nAA0K\r\n") },
	{ "NUL in a field", S("Subject: a\0b\r\n\r\nx"), BINARY_CANNOT, S("") },
	{ "NUL in a field, and in a part", S("Subject: a\0b\r\n" BINARY "\r\n\0"), BINARY_CANNOT, S("") },
	{ "NUL before the parts", S(TOP "Content-Type: multipart/mixed; boundary=b\r\n\r\n\0\r\n--b\r\n\r\nx\r\n--b--\r\n"),
	  BINARY_CANNOT, S("") },
	{ "NUL in base64", S(BASE64 "\r\nAA\0=="), BINARY_CANNOT, S("") },
	{ "NUL in what nobody knows", S("Content-Transfer-Encoding: x-odd\r\n\r\n\0"), BINARY_CANNOT, S("") },
	{ "nothing", S(""), BINARY_AS_IS, S("") },
};

static void test_encode(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
		char *copy = malloc(rows[i].in.n + !rows[i].in.n);
		enum binary_result got;

		assert_non_null(copy);
		memcpy(copy, rows[i].in.p, rows[i].in.n);
		got = binary_letter_encode(str_of(copy, rows[i].in.n), &a, &b);
		if (got != rows[i].result)
			fail_msg("%s: %d", rows[i].what, got);
		if (got == BINARY_ENCODED && !str_eq(buf_str(&b), rows[i].out))
			fail_msg("%s: " STR_FMT, rows[i].what, STR_ARG(buf_str(&b)));
		free(copy);
	}
}

/* Every octet comes back, through the line ends at rest too. */
static void test_octets(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	AUTO(buf_end) struct buf in = buf_on_heap(1 << 20);
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	AUTO(buf_end) struct buf back = buf_on_heap(1 << 20);
	struct lf lf = { .prev = -1 };
	const struct mime_part *p;
	char *rest;
	size_t n;

	(void)state;
	buf_add(&in, S(MIXED "--b\r\n" OCTETS BINARY "\r\n"));
	for (int i = 0; i < 5000; i++)
		buf_add_char(&in, (char)((i * i / 7) & 0xff));
	buf_add(&in, S("\r\n--b--\r\n"));
	assert_int_equal(binary_letter_encode(buf_str(&in), &a, &b), BINARY_ENCODED);
	rest = malloc(LF_ROOM(b.n) + 1);
	assert_non_null(rest);
	n = lf_feed(&lf, buf_str(&b), rest);
	n += lf_finish(&lf, rest + n);
	p = mime_parse(str_of(rest, n), &a)->child;
	assert_int_equal(p->encoding, MIME_BASE64);
	decode_all(p->encoding, mime_bytes(str_of(rest, n), &p->body), &back);
	assert_int_equal(back.n, 5000);
	for (int i = 0; i < 5000; i++)
		assert_int_equal((unsigned char)back.p[i], (i * i / 7) & 0xff);
	free(rest);
}

static void test_limit(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	AUTO(buf_end) struct buf b = buf_on_heap(20);

	(void)state;
	assert_int_equal(binary_letter_encode(S(BINARY "\r\n\0"), &a, &b), BINARY_NO_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_limit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
