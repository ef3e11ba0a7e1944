/* pack_test.c — packs are read as they were written, and damaged ones not at all. */
#include "store/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buf printed(const struct pack *p)
{
	struct buf b = buf_on_heap(1 << 20);

	pack_print(p, &b);
	assert_false(b.full);
	return b;
}

static void test_put(void **state)
{
	static const struct {
		uint32_t uid;
		const char *bytes;
		size_t n;                /* letters in it afterwards */
	} rows[] = {
		{ 70, "seventy", 1 }, { 64, "first", 2 },  { 127, "last", 3 }, { 70, "again", 3 }, { 71, "", 3 },
		{ 64, "", 2 },        { 127, "", 1 },      { 66, "x", 2 },     { 70, "", 1 },      { 66, "", 0 },
	};
	struct pack p = { .seal = 9, .number = 1 }, got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str bytes = str_from_z(rows[i].bytes);
		struct buf b;

		pack_put(&p, rows[i].uid, bytes);
		assert_int_equal(p.n, rows[i].n);
		assert_true(str_eq(pack_find(&p, rows[i].uid), bytes));
		b = printed(&p);
		assert_int_equal(pack_parse(buf_str(&b), 9, 1, &got), p.n > 0);
		assert_int_equal(got.n, p.n);
		for (size_t k = 0; k < p.n; k++) {
			assert_int_equal(got.uids[k], p.uids[k]);
			assert_true(str_eq(got.bytes[k], p.bytes[k]));
		}
		buf_end(&b);
	}
}

/* All 64; then each octet changed, each length cut: nothing is read. */
static void test_damage(void **state)
{
	struct pack p = { .seal = 3, .number = 2 }, got;
	struct buf b;
	struct str whole;

	(void)state;
	for (uint32_t i = 0; i < PACK_LETTERS; i++)
		pack_put(&p, 2 * PACK_LETTERS + (i * 7) % PACK_LETTERS, S("bytes of a letter"));
	assert_int_equal(p.n, PACK_LETTERS);
	b = printed(&p);
	whole = buf_str(&b);
	assert_true(pack_parse(whole, 3, 2, &got));
	assert_int_equal(got.n, PACK_LETTERS);
	assert_false(pack_parse(whole, 4, 2, &got));
	assert_false(pack_parse(whole, 3, 1, &got));
	assert_int_equal(got.n, 0);
	for (size_t i = 0; i < whole.n; i++) {
		char *cut = malloc(i + 1);

		memcpy(cut, whole.p, i);
		assert_false(pack_parse(str_of(cut, i), 3, 2, &got));
		free(cut);
		b.p[i] ^= 1;
		assert_false(pack_parse(whole, 3, 2, &got));
		b.p[i] ^= 1;
	}
	assert_true(pack_parse(whole, 3, 2, &got));
	buf_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_put), cmocka_unit_test(test_damage) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
