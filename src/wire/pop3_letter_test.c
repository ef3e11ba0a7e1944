/* pop3_letter_test.c — RFC 1939 §3 and §7 (TOP), fed whole and octet by octet. */
#include "wire/pop3_letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ALL UINT64_MAX

static const struct { uint64_t lines; struct str in, out; } rows[] = {
	{ ALL, S("A: b\n\nhi\n"), S("A: b\r\n\r\nhi\r\n.\r\n") },
	{ ALL, S("A: b\r\n\r\nhi\r\n"), S("A: b\r\n\r\nhi\r\n.\r\n") },
	{ ALL, S("A: b\n\n.\n..x\n.y"), S("A: b\r\n\r\n..\r\n...x\r\n..y\r\n.\r\n") },
	{ ALL, S(".A: b\n\n"), S("..A: b\r\n\r\n.\r\n") },
	{ ALL, S(""), S(".\r\n") },
	{ ALL, S("A: b"), S("A: b\r\n.\r\n") },
	{ ALL, S("A: b\n\na\r\r\nb\rc\n"), S("A: b\r\n\r\na\r\r\nb\rc\r\n.\r\n") },
	{ 0, S("A: b\n\none\ntwo\n"), S("A: b\r\n\r\n.\r\n") },
	{ 0, S("A: b\r\n\r\none\r\n"), S("A: b\r\n\r\n.\r\n") },
	{ 1, S("A: b\n\none\ntwo\n"), S("A: b\r\n\r\none\r\n.\r\n") },
	{ 2, S("A: b\n\n\n\nx\n"), S("A: b\r\n\r\n\r\n\r\n.\r\n") },
	{ 9, S("A: b\n\none"), S("A: b\r\n\r\none\r\n.\r\n") },
	{ 1, S("A: b\nC: d\n"), S("A: b\r\nC: d\r\n.\r\n") },
};

static void check(size_t i, size_t step)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1000);
	struct pop3_letter l = { .lines = rows[i].lines };
	struct str in = rows[i].in;

	for (; in.n; in = str_from(in, step))
		pop3_letter_feed(&l, str_head(in, step), &b);
	pop3_letter_end(&l, &b);
	if (!str_eq(buf_str(&b), rows[i].out))
		fail_msg("row %zu by %zu: " STR_FMT, i, step, STR_ARG(buf_str(&b)));
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 40; step++)
			check(i, step);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
