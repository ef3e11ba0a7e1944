/* http_response_test.c — responses of RFC 9112 and bent ones. */
#include "wire/http_response.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
	struct str in;
	enum http_state state;
	unsigned status;
	const char *type;
	uint64_t length;
	bool is_chunked;
} rows[] = {
	{ S(OK "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 12\r\n\r\nbody"), HTTP_DONE, 200, "text/plain", 12, false },
	{ S(OK "transfer-encoding: chunked\r\n\r\n"), HTTP_DONE, 200, "", 0, true },
	{ S("HTTP/1.0 404\r\n\r\n"), HTTP_DONE, 404, "", 0, false },
	{ S("HTTP/1.1 301 Moved\r\nLocation: https://x/\r\n\r\n"), HTTP_DONE, 301, "", 0, false },
	{ S(OK "Content-Type: text/plain\r\n"), HTTP_MORE, 0, NULL, 0, false },
	{ S(""), HTTP_MORE, 0, NULL, 0, false },
	{ S("HTTP/2 200\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S("HTTP/1.1 20 OK\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S("HTTP/1.1 999 OK\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S("220 mail ESMTP\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S(OK "A : b\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S(OK "A: b\r\n folded\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S(OK "A\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S(OK "A: b\nB: c\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S(OK "Content-Length: -1\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S(OK "Transfer-Encoding: gzip, chunked\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
	{ S(OK "Content-Encoding: gzip\r\n\r\n"), HTTP_MALFORMED, 0, NULL, 0, false },
};

static void test_heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_head h;
		size_t n;
		enum http_state got = http_head_parse(rows[i].in, &h, &n);

		if (got != rows[i].state)
			fail_msg("row %zu", i);
		if (got != HTTP_DONE)
			continue;
		assert_true(h.status == rows[i].status && str_eq(h.content_type, str_from_z(rows[i].type)) &&
			    h.length == rows[i].length && h.is_chunked == rows[i].is_chunked);
	}
}

static void test_date(void **state)
{
	struct http_head h;
	size_t n;

	(void)state;
	assert_int_equal(http_head_parse(S(OK "date:  Sun, 06 Nov 1994 08:49:37 GMT \r\nX: y\r\n\r\n"), &h, &n), HTTP_DONE);
	assert_true(str_eq(h.date, S("Sun, 06 Nov 1994 08:49:37 GMT")));
	assert_int_equal(http_head_parse(S(OK "\r\n"), &h, &n), HTTP_DONE);
	assert_int_equal(h.date.n, 0);
}

static void test_endless(void **state)
{
	char *big = malloc(HTTP_HEAD_MAX);
	struct http_head h;
	size_t n;

	(void)state;
	memset(big, 'a', HTTP_HEAD_MAX);
	assert_int_equal(http_head_parse(str_of(big, HTTP_HEAD_MAX), &h, &n), HTTP_MALFORMED);
	assert_int_equal(http_head_parse(str_of(big, HTTP_HEAD_MAX - 1), &h, &n), HTTP_MORE);
	free(big);
}

static void test_chunks(void **state)
{
	static const struct { struct str in; enum http_state state; struct str out; } chunks[] = {
		{ S("5\r\nhello\r\n0\r\n\r\n"), HTTP_DONE, S("hello") },
		{ S("5;x=y\r\nhello\r\n3\r\n-wo\r\n0\r\nTrailer: x\r\n\r\n"), HTTP_DONE, S("hello-wo") },
		{ S("0\r\n\r\n"), HTTP_DONE, S("") },
		{ S("5\r\nhel"), HTTP_MORE, S("") },
		{ S("5\r\nhello\r\n0\r\n"), HTTP_MORE, S("") },
		{ S("5\r\nhelloXX0\r\n\r\n"), HTTP_MALFORMED, S("") },
		{ S("g\r\n"), HTTP_MALFORMED, S("") },
		{ S("-5\r\n"), HTTP_MALFORMED, S("") },
		{ S("fffffffff\r\n"), HTTP_MALFORMED, S("") },
		{ S("\r\n"), HTTP_MALFORMED, S("") },
		{ S("ffffffff\r\nx"), HTTP_MORE, S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		char *to = malloc(chunks[i].in.n + 1), *exact = malloc(chunks[i].in.n + 1);
		size_t n = 0;

		memcpy(exact, chunks[i].in.p, chunks[i].in.n);
		if (http_chunks_parse(str_of(exact, chunks[i].in.n), to, &n) != chunks[i].state)
			fail_msg("row %zu", i);
		if (chunks[i].state == HTTP_DONE)
			assert_true(str_eq(str_of(to, n), chunks[i].out));
		free(to);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads), cmocka_unit_test(test_date),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
