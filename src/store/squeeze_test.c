/* squeeze_test.c — texts come back as they were; damaged ones do not come back. */
#include "store/squeeze.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	const char *text;
	size_t times;                    /* it stands there */
	size_t most;                     /* octets of what is squeezed */
} rows[] = {
	{ "", 1, 6 },
	{ "a", 1, 7 },
	{ "no two alike", 1, 18 },
	{ "x", 254, 20 },
	{ "x", 100000, 1800 },
	{ "Subject: hello\nFrom: someone@example.org\n", 2, 60 },
	{ "Subject: hello\nFrom: someone@example.org\n", 3000, 2400 },
};

static void test_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = buf_on_heap(1 << 20), small = buf_on_heap(1 << 20), back = buf_on_heap(1 << 20);

		for (size_t k = 0; k < rows[i].times; k++)
			buf_add(&text, str_from_z(rows[i].text));
		squeeze(buf_str(&text), &small);
		assert_false(small.full);
		assert_true(small.n <= rows[i].most);
		assert_true(unsqueeze(buf_str(&small), text.n, &back));
		assert_true(str_eq(buf_str(&back), buf_str(&text)));
		if (text.n)
			assert_false(unsqueeze(buf_str(&small), text.n - 1, &back));
		/* cut anywhere */
		for (size_t n = 0; n < small.n && small.n < 3000; n++) {
			char *exact = malloc(n + 1);

			memcpy(exact, small.p, n);
			buf_clear(&back);
			assert_true(!unsqueeze(str_of(exact, n), text.n, &back) || back.n == text.n);
			free(exact);
		}
		buf_end(&text);
		buf_end(&small);
		buf_end(&back);
	}
}

static const struct {
	const char *bytes;
	size_t n;
} bad[] = {
	{ "\1\0\0\0", 4 },                       /* nothing behind the size */
	{ "\3\0\0\0\060a", 6 },                 /* fewer octets than it says */
	{ "\2\0\0\0\060abc", 8 },               /* more than the size */
	{ "\5\0\0\0\020a\2\0", 8 },             /* back to before the beginning */
	{ "\5\0\0\0\020a\1", 7 },               /* cut */
	{ "\377\377\377\377\020a", 6 },         /* a size that cannot be */
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf back = buf_on_heap(1 << 20);

		assert_false(unsqueeze(str_of(bad[i].bytes, bad[i].n), 1 << 19, &back));
		assert_int_equal(back.n, 0);
		buf_end(&back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_back), cmocka_unit_test(test_bad) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
