/* letter_test.c — views, CRLF to LF, and the Received field (N1). */
#include "wire/header.h"
#include "wire/letter.h"
#include "wire/received.h"

#include "base/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_views(void **state)
{
	static struct cut cuts[] = { { 0, 1 }, { 1, 2 }, { 5, 1 }, { 9, 1 } };
	static struct cut all = { 0, 10 };
	static const struct { struct view v; struct str out; } rows[] = {
		{ { .prefix = S("") }, S("0123456789") },
		{ { .prefix = S("p") }, S("p0123456789") },
		{ { .prefix = S("p"), .cuts = cuts, .n_cuts = 4 }, S("p34678") },
		{ { .cuts = cuts + 2, .n_cuts = 1 }, S("012346789") },
		{ { .cuts = &all, .n_cuts = 1 }, S("") },
	};
	static char block[LETTER_BLOCK];
	AUTO(fd_end) int fd = -1;
	struct err e;

	(void)state;
	assert_true(fd_sealed("letter", S("xx0123456789yy"), &fd, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
		const struct view *v = &rows[i / 2].v;
		struct letter_src src = i % 2 ? letter_in_file(fd, 2, 10) : letter_in_memory(S("0123456789"));
		char mem[100];
		struct buf b = buf_over(mem, sizeof(mem));
		struct letter_reader r;
		struct str s;

		assert_true(letter_reader_init(&r, &src, v, block, &e));
		do {
			assert_true(letter_reader_next(&r, &s, &e));
			buf_add(&b, s);
		} while (s.n);
		if (!str_eq(buf_str(&b), rows[i / 2].out) || view_size(v, 10) != b.n)
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(buf_str(&b)));
	}
}

static void test_bad_cuts(void **state)
{
	static struct cut rows[][2] = {
		{ { 0, 2 }, { 1, 2 } }, { { 5, 1 }, { 0, 1 } }, { { 0, 0 }, { 1, 1 } }, { { 0, 1 }, { 10, 1 } },
		{ { 0, 1 }, { 9, 2 } }, { { 1, UINT64_MAX }, { 2, 1 } }, { { UINT64_MAX, 1 }, { 0, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_false(view_is_valid(&(struct view){ .cuts = rows[i], .n_cuts = 2 }, 10));
}

static void test_received(void **state)
{
	static const struct received base = { .helo = S("mx.a.example"), .rdns = S("a.example"), .ip = S("192.0.2.1"),
					      .by = S("mx.example.org"), .is_esmtp = true, .has_tls = true,
					      .tls_version = S("TLSv1.3"), .tls_cipher = S("TLS_AES_256_GCM_SHA384"),
					      .id = S("0abcdefghjkmn"), .rcpt = S("u@example.org") };
	char mem[2000];
	struct buf b = buf_over(mem, 1500);
	struct received r = base;
	struct header h;
	struct field f;

	(void)state;
	received_add(&b, &r);
	assert_true(str_eq(buf_str(&b), S("Received: from mx.a.example\r\n\t(a.example [192.0.2.1])\r\n"
					  "\tby mx.example.org (Waxwing) with ESMTPS\r\n"
					  "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid 0abcdefghjkmn\r\n"
					  "\tfor <u@example.org>;\r\n\tThu, 01 Jan 1970 00:00:00 +0000\r\n")));
	/* N1: no part can end the field, open a comment or speak to a terminal */
	r.helo = S("x\r\nInjected: y)(\x1b]0;\0\xe2\x80\xae %n");
	r.rdns = S("p\r\n\r\nbody");
	r.rcpt = S("\"a\r\nb>\"@c");
	b = buf_over(mem, sizeof(mem));
	received_add(&b, &r);
	h = header_of(buf_str(&b));
	assert_true(header_next(&h, &f) && f.n == b.n && str_eq(f.name, S("Received")));
	for (size_t i = 0; i < b.n; i++)
		assert_true((str_at(buf_str(&b), i) >= ' ' && str_at(buf_str(&b), i) < 0x7f) || strchr("\r\n\t", mem[i]));
}

static void test_with(void **state)
{
	static const struct { struct received r; struct str out; } rows[] = {
		{ { .is_esmtp = false }, S("SMTP") }, { { .is_esmtp = true }, S("ESMTP") },
		{ { .is_esmtp = true, .has_tls = true }, S("ESMTPS") }, { { .has_auth = true }, S("ESMTPA") },
		{ { .has_tls = true, .has_auth = true }, S("ESMTPSA") }, { { .is_utf8 = true }, S("UTF8SMTP") },
		{ { .is_utf8 = true, .has_tls = true, .has_auth = true }, S("UTF8SMTPSA") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char mem[50];
		struct buf b = buf_over(mem, sizeof(mem));

		received_add_with(&b, &rows[i].r);
		assert_true(str_eq(buf_str(&b), rows[i].out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_bad_cuts),
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
