/* seqset_test.c — sets of numbers: parsed, made normal, asked, printed. */
#include "wire/seqset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_parse_and_resolve(void **state)
{
	static const struct {
		struct str in;
		uint32_t largest;
		const char *out;         /* NULL: refused */
		size_t left;             /* octets not taken */
	} rows[] = {
		/* RFC 9051 §9: "2,4:7,9,12:*" of 15 letters, "*:4,5:7" of 10 */
		{ S("2,4:7,9,12:*"), 15, "2,4:7,9,12:15", 0 }, { S("*:4,5:7"), 10, "4:10", 0 }, { S("1"), 5, "1", 0 },
		{ S("*"), 5, "5", 0 }, { S("*:*"), 5, "5", 0 }, { S("9:*"), 5, "5:9", 0 }, { S("1:*,*:1"), 7, "1:7", 0 },
		{ S("5,4,3,2,1"), 9, "1:5", 0 }, { S("3:1"), 9, "1:3", 0 }, { S("1:3,2:9,9,20"), 9, "1:9,20", 0 },
		{ S("1:2,4:5"), 9, "1:2,4:5", 0 }, { S("1:*"), 0, "", 0 }, { S("*,3"), 0, "3", 0 }, { S("1,1,1"), 3, "1", 0 },
		{ S("*:4294967295"), 3, "3:4294967295", 0 }, { S("4294967295"), 3, "4294967295", 0 },
		{ S("4294967294:4294967295,4294967295"), 3, "4294967294:4294967295", 0 }, { S("1:3 FLAGS"), 9, "1:3", 6 },
		{ S("0"), 9, NULL, 0 }, { S("01"), 9, NULL, 0 }, { S(""), 9, NULL, 0 }, { S(","), 9, NULL, 0 }, { S("1,"), 9, NULL, 0 },
		{ S("1:"), 9, NULL, 0 }, { S(":1"), 9, NULL, 0 }, { S("4294967296"), 9, NULL, 0 }, { S("99999999999999999999999"), 9, NULL, 0 },
		{ S("1:2:3"), 9, "1:2", 2 }, { S("-1"), 9, NULL, 0 }, { S("a"), 9, NULL, 0 }, { S("1,0"), 9, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf b = buf_on_heap(4096);
		char *p = malloc(rows[i].in.n + 1);
		struct str in = str_of(p, rows[i].in.n);
		struct seqset set;
		bool ok;

		assert_non_null(p);
		p = memcpy(realloc(p, in.n ? in.n : 1), rows[i].in.p, in.n);
		in.p = p;
		ok = seqset_parse(&in, SEQSET_STAR, &a, &set);
		if (ok)
			seqset_resolve(&set, rows[i].largest);
		if (ok)
			seqset_add(&b, &set);
		if (ok != (rows[i].out != NULL) || (ok && (!str_eq(buf_str(&b), str_from_z(rows[i].out)) || in.n != rows[i].left)))
			fail_msg(STR_FMT ": " STR_FMT ", %zu left", STR_ARG(rows[i].in), STR_ARG(buf_str(&b)), in.n);
		free(p);
	}
}

static void test_flags(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct str saved = S("$"), star = S("*"), both = S("1,$");
	struct seqset set;

	(void)state;
	assert_true(seqset_parse(&saved, SEQSET_SAVED, &a, &set) && set.is_saved && seqset_is_empty(&set));
	saved = S("$");
	assert_false(seqset_parse(&saved, SEQSET_STAR, &a, &set));
	assert_false(seqset_parse(&star, 0, &a, &set));
	assert_false(seqset_parse(&both, SEQSET_SAVED, &a, &set));
}

static struct seqset made(struct arena *a, struct str in)
{
	struct seqset set;

	assert_true(seqset_parse(&in, 0, a, &set));
	seqset_resolve(&set, 1);
	return set;
}

static void expect(const struct seqset *set, const char *what)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4096);

	seqset_add(&b, set);
	if (!str_eq(buf_str(&b), str_from_z(what)))
		fail_msg("%s: " STR_FMT, what, STR_ARG(buf_str(&b)));
}

static void test_questions(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct seqset set = made(&a, S("2,5:7,4294967290:4294967295")), other = made(&a, S("1,3:4,6:9")), none = { 0 }, both;
	struct seq_walk w = { 0 };
	uint32_t u, n = 0, last = 0, numbers[] = { 1, 2, 3, 9, 11, 12 };

	(void)state;
	assert_int_equal(seqset_count(&set), 10);
	assert_int_equal(seqset_last(&set), 4294967295U);
	assert_int_equal(seqset_last(&none), 0);
	assert_true(seqset_has(&set, 2) && seqset_has(&set, 6) && seqset_has(&set, 4294967295U));
	assert_true(!seqset_has(&set, 1) && !seqset_has(&set, 3) && !seqset_has(&set, 8) && !seqset_has(&none, 1));
	for (; seqset_next(&set, &w, &u); n++) {
		assert_true(u > last && seqset_has(&set, u));
		last = u;
	}
	assert_int_equal(n, 10);
	assert_true(seqset_union(&set, &other, &a, &both));
	expect(&both, "1:9,4294967290:4294967295");
	assert_true(seqset_union(&none, &other, &a, &both));
	expect(&both, "1,3:4,6:9");
	seqset_clip(&set, 6, 4294967291U);
	expect(&set, "6:7,4294967290:4294967291");
	assert_true(seqset_of(numbers, ARRAY_LEN(numbers), &a, &both));
	expect(&both, "1:3,9,11:12");
}

static void test_print_by_and_by(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4096);
	struct seq_print p = { .b = &b };
	static const uint32_t numbers[] = { 1, 2, 3, 9, 11, 12, 4294967295U };

	(void)state;
	seq_print_end(&p);
	assert_int_equal(b.n, 0);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		seq_print(&p, numbers[i]);
	seq_print_end(&p);
	assert_true(str_eq(buf_str(&b), S("1:3,9,11:12,4294967295")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_resolve), cmocka_unit_test(test_flags), cmocka_unit_test(test_questions),
		cmocka_unit_test(test_print_by_and_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
