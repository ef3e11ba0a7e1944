/* dot_test.c — where a letter ends: rows A1–A24 and A28 of attacks.md, F3 for the header. */
#include "wire/dot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROOM = 1000 };

/* Feed `in` in pieces of `step` bytes, each in a block of its own size.  Gives what is left. */
static struct str feed(struct dot *d, struct str in, size_t step, struct buf *out)
{
	while (in.n && d->state != DOT_DONE) {
		size_t n = step < in.n ? step : in.n;
		char *p = malloc(n);
		struct str piece = str_of(p, n);

		assert_non_null(p);
		memcpy(p, in.p, n);
		dot_feed(d, &piece, out);
		in = str_from(in, n - piece.n);
		free(p);
	}
	return in;
}

static void test_data(void **state)
{
	static const struct { struct str in; bool normalize, done; unsigned flags; struct str out, rest; } rows[] = {
		{ S("a\r\n.\r\nQUIT\r\n"), 0, true, 0, S("a\r\n"), S("QUIT\r\n") },
		{ S("a\r\nb\r\n\r\n.\r\n"), 0, true, 0, S("a\r\nb\r\n\r\n"), S("") },
		/* A20 */
		{ S("a\r\n.\0\r\n.\r\n"), 0, true, DOT_NUL, S("a\r\n\0\r\n"), S("") },
		{ S("a\r\n. \r\n.\t\r\n.\r\n"), 0, true, 0, S("a\r\n \r\n\t\r\n"), S("") },
		{ S("a\r\n.\x85\r\n.\xe2\x80\xa8\r\n.\r\n"), 0, true, 0, S("a\r\n\x85\r\n\xe2\x80\xa8\r\n"), S("") },
		/* A21 */
		{ S("a\r\n..\r\n...b\r\n.\r\n"), 0, true, 0, S("a\r\n.\r\n..b\r\n"), S("") },
		{ S("a\r\n.b\r\n.\r\n"), 0, true, 0, S("a\r\nb\r\n"), S("") },
		/* A22 */
		{ S(".\r\nx"), 0, true, 0, S(""), S("x") },
		{ S("."), 0, false, 0, S(""), S("") },
		/* what stands behind the end is not ours */
		{ S("a\r\n.\r\n\0\n\r"), 0, true, 0, S("a\r\n"), S("\0\n\r") },
		{ S("a\nb\r\n.\r\n"), 0, true, DOT_BARE_LF, S("a\nb\r\n"), S("") },
		{ S("a\rb\r\n.\r\n"), 0, true, DOT_BARE_CR, S("a\rb\r\n"), S("") },
		{ S("a\r\n.\rb\r\n.\r\n"), 0, true, DOT_BARE_CR, S("a\r\n\rb\r\n"), S("") },
		/* a network that may send bare CR and LF */
		{ S("a\nb\n\nc\r\n.\r\n"), 1, true, 0, S("a\r\nb\r\n\r\nc\r\n"), S("") },
		{ S("a\n.\nb\n.\r\nc\n..d\r\n.\nx\r\n.\r\n"), 1, true, 0,
		  S("a\r\n.\r\nb\r\n.\r\nc\r\n.d\r\n.\r\nx\r\n"), S("") },
		{ S("a\rb\n\r\n.\r\n"), 1, true, 0, S("a\r\nb\r\n\r\n"), S("") },
		{ S("a\r.\rb\r.\r\nc\r\n.\rd\r..e\r\n.\r\n"), 1, true, 0,
		  S("a\r\n.\r\nb\r\n.\r\nc\r\n.\r\nd\r\n.e\r\n"), S("") },
		{ S("a\r\rb\n\rc\r\n.\r\n"), 1, true, 0, S("a\r\n\r\nb\r\n\r\nc\r\n"), S("") },
		{ S("a\r\n.\r.\r\n.\n.\r\n\r\n.\r\n"), 1, true, 0,
		  S("a\r\n.\r\n.\r\n.\r\n.\r\n\r\n"), S("") },
		/* mended or not, this end stands behind a CR */
		{ S("a\r\r\n.\r\nx"), 1, true, DOT_END_DOUBTFUL, S("a\r\n\r\n"), S("x") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* A23: every way to cut it into pieces of one size */
		for (size_t step = 1; step <= rows[i].in.n; step++) {
			char mem[ROOM];
			struct buf out = buf_over(mem, sizeof(mem));
			struct dot d = { .normalize = rows[i].normalize };
			struct str rest = feed(&d, rows[i].in, step, &out);

			if ((d.state == DOT_DONE) != rows[i].done || d.flags != rows[i].flags ||
			    !str_eq(buf_str(&out), rows[i].out) || !str_eq(rest, rows[i].rest) || d.size != out.n)
				fail_msg("row %zu in steps of %zu: flags %x, %zu bytes", i, step, d.flags, out.n);
		}
	}
}

/* A1–A19: left × "." × right without CRLF.CRLF; the letter behind it stays part of this one. */
static void test_a1_to_a19_smuggling(void **state)
{
	static const struct str left[] = { S("\n"), S("\r"), S("\r\n"), S("\r\r\n"), S("\r\n\0") };
	static const struct str right[] = { S("\n"), S("\r"), S("\r\n"), S("\r\r\n") };
	static const struct str tail = S("MAIL FROM:<x@y>\r\nRCPT TO:<u@v>\r\nDATA\r\nhi\r\n.\r\n");

	(void)state;
	for (size_t row = 0; row < ARRAY_LEN(left) * ARRAY_LEN(right); row++) {
		struct str l = left[row / ARRAY_LEN(right)], r = right[row % ARRAY_LEN(right)];
		bool is_end = str_eq(l, S("\r\n")) && str_eq(r, S("\r\n"));
		bool is_doubtful = str_eq(l, S("\r\r\n")) && str_eq(r, S("\r\n"));

		for (size_t step = 1; step < 40; step++) {
			char mem[ROOM], text[200];
			struct buf in = buf_over(text, sizeof(text)), out = buf_over(mem, sizeof(mem));
			struct dot d = { 0 };
			struct str rest;

			buf_add(&in, S("Subject: a\r\n\r\nb"));
			buf_add(&in, l);
			buf_add_char(&in, '.');
			buf_add(&in, r);
			buf_add(&in, tail);
			rest = feed(&d, buf_str(&in), step, &out);
			assert_int_equal(d.state, DOT_DONE);
			if (is_end) {
				assert_true(d.flags == 0 && str_eq(rest, tail));
			} else if (is_doubtful) {
				/* CR CR LF . CR LF holds a CRLF.CRLF: whoever waits on would wait for
				 * ever.  The letter is refused and the connection closed. */
				assert_true(d.flags == (DOT_BARE_CR | DOT_END_DOUBTFUL) && str_eq(rest, tail));
			} else {
				assert_true(dot_is_malformed(&d) && !(d.flags & DOT_END_DOUBTFUL) && rest.n == 0);
			}
		}
	}
}

static void test_a24_bdat(void **state)
{
	static const struct { struct str in; bool normalize; unsigned flags; struct str out; } rows[] = {
		{ S("a\r\n.\r\nb\r\n"), 0, 0, S("a\r\n.\r\nb\r\n") },
		{ S(".\r\n..\r\n"), 0, 0, S(".\r\n..\r\n") },
		{ S("a\nb"), 0, DOT_BARE_LF, S("a\nb") },
		{ S("a\nb"), 1, 0, S("a\r\nb") },
		{ S("a\rb"), 0, DOT_BARE_CR, S("a\rb") },
		{ S("a\r"), 0, DOT_BARE_CR, S("a\r") },
		{ S("a\rb\r\n\r\r\nc\r"), 1, 0, S("a\r\nb\r\n\r\n\r\nc\r\n") },
		{ S("a\0b\r\n"), 0, DOT_NUL, S("a\0b\r\n") },
		{ S("no end"), 0, 0, S("no end") },
		{ S(""), 0, 0, S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* every chunk border, also between CR and LF */
		for (size_t step = 1; step <= rows[i].in.n + 1; step++) {
			char mem[ROOM];
			struct buf out = buf_over(mem, sizeof(mem));
			struct dot d = { .normalize = rows[i].normalize };

			for (size_t at = 0; at < rows[i].in.n; at += step)
				bdat_feed(&d, str_sub(rows[i].in, at, step), &out);
			bdat_end(&d, &out);
			if (d.flags != rows[i].flags || !str_eq(buf_str(&out), rows[i].out))
				fail_msg("row %zu in steps of %zu: flags %x", i, step, d.flags);
		}
	}
}

static void test_a28_line_limit(void **state)
{
	static const struct { size_t n; uint64_t max; unsigned flags; } rows[] = {
		{ 998, 998, 0 }, { 999, 998, DOT_LINE_LONG }, { 2048, 0, 0 }, { 65536, 1 << 20, 0 },
		{ 8 << 20, 1 << 20, DOT_LINE_LONG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dot d = { .line_max = rows[i].max };
		struct buf out = buf_on_heap(9 << 20);
		char *p = malloc(rows[i].n);
		struct str in = str_of(p, rows[i].n), end = S("\r\n.\r\n");

		assert_non_null(p);
		memset(p, 'x', rows[i].n);
		assert_false(dot_feed(&d, &in, &out));
		assert_true(dot_feed(&d, &end, &out));
		assert_int_equal(d.flags, rows[i].flags);
		assert_true(d.line_longest == rows[i].n && d.size == rows[i].n + 2 && out.n == d.size);
		buf_end(&out);
		free(p);
	}
}

static void test_f3_limits(void **state)
{
	static const struct { struct str in; struct dot limits; unsigned flags; uint64_t fields, header; } rows[] = {
		{ S("a: b\r\n\tc\r\nd: e\r\n\r\nf: g\r\n.\r\n"), { .field_max = 2, .header_max = 18 }, 0, 2, 18 },
		{ S("a: b\r\n\tc\r\nd: e\r\n\r\n.\r\n"), { .field_max = 1 }, DOT_HEADER_MANY, 2, 18 },
		{ S("a: b\r\n\tc\r\nd: e\r\n\r\n.\r\n"), { .header_max = 17 }, DOT_HEADER_BIG, 2, 18 },
		{ S("\r\na\r\n.\r\n"), { .field_max = 1 }, 0, 0, 2 },
		{ S("12345\r\n.\r\n"), { .size_max = 7 }, 0, 1, 7 },
		{ S("12345\r\n.\r\n"), { .size_max = 6 }, DOT_TOO_BIG, 1, 7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char mem[ROOM];
		struct buf out = buf_over(mem, sizeof(mem));
		struct dot d = rows[i].limits;

		feed(&d, rows[i].in, 3, &out);
		if (d.flags != rows[i].flags || d.fields != rows[i].fields || d.header_size != rows[i].header)
			fail_msg("row %zu: flags %x fields %lu", i, d.flags, (unsigned long)d.fields);
		assert_true(!d.size_max || out.n <= d.size_max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_a1_to_a19_smuggling),
		cmocka_unit_test(test_a24_bdat),
		cmocka_unit_test(test_a28_line_limit),
		cmocka_unit_test(test_f3_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
