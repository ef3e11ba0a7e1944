/* srs_test.c — senders of letters that are passed on: there and back, and nobody else's. */
#include "trust/srs.h"

#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0 (INT64_C(1790000000) * SECOND)

static const uint8_t ours[SRS_SECRET] = { 1, 2, 3 }, theirs[SRS_SECRET] = { 9 };

static enum srs_result resolve(struct str local, int64_t now, struct str *l, struct str *d, struct arena *a)
{
	return srs_resolve(ours, local, now, a, l, d);
}

static void test_there_and_back(void **state)
{
	static const struct {
		struct str local, domain;
	} rows[] = {
		{ S("bob"), S("a.example") },
		{ S("b=o=b"), S("a.example") },
		{ S("with space"), S("a.example") },
		{ S("j\xc3\xb6rg"), S("m\xc3\xbcller.example") },
		{ S("x"), S("[192.0.2.1]") },
		{ S("SRS1=x=x="), S("a.example") },              /* leads nowhere: a name like others */
		{ S("SRS1=x"), S("a.example") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct str made = srs_make(ours, rows[i].local, rows[i].domain, T0, &a), l, d;

		assert_true(str_starts(made, S("SRS0=")));
		assert_int_equal(resolve(made, T0, &l, &d, &a), SRS_OK);
		assert_true(str_eq(l, rows[i].local));
		assert_true(str_eq(d, rows[i].domain));
	}
}

/* a passes on to b, b to c, c to d; the bounce goes from d to b at once, and from there to a. */
static void test_chain(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct str first = srs_make(theirs, S("bob"), S("a.example"), T0, &a), second, third, l, d;

	(void)state;
	second = srs_make(ours, first, S("b.example"), T0, &a);
	assert_true(str_starts(second, S("SRS1=")));
	assert_int_equal(resolve(second, T0, &l, &d, &a), SRS_OK);
	assert_true(str_eq(l, first));
	assert_true(str_eq(d, S("b.example")));
	third = srs_make(ours, srs_make(theirs, first, S("b.example"), T0, &a), S("c.example"), T0, &a);
	assert_int_equal(third.n, second.n);
	assert_int_equal(resolve(third, T0, &l, &d, &a), SRS_OK);
	assert_true(str_eq(l, first));
	assert_true(str_eq(d, S("b.example")));
	/* written by others with another separator */
	second = srs_make(ours, S("SRS0+abcd=xy=a.example=bob"), S("b.example"), T0, &a);
	assert_int_equal(resolve(second, T0, &l, &d, &a), SRS_OK);
	assert_true(str_eq(l, S("SRS0+abcd=xy=a.example=bob")));
}

static void test_refused(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct str made = srs_make(ours, S("bob"), S("a.example"), T0, &a), l, d;
	char *copy = (char *)(uintptr_t)arena_str(&a, made).p;
	struct {
		struct str local;
		int64_t now;
		enum srs_result is;
	} rows[] = {
		{ S("bob"), T0, SRS_NOT },
		{ S("SRS0"), T0, SRS_NOT },
		{ S("SRS2=a=b=c=d"), T0, SRS_NOT },
		{ S("SRS0="), T0, SRS_FORGED },
		{ S("SRS0=AAAAAAAA=AA=a.example=bob"), T0, SRS_FORGED },
		{ S("SRS1=AAAAAAAA=b.example==x"), T0, SRS_FORGED },
		{ srs_make(theirs, S("bob"), S("a.example"), T0, &a), T0, SRS_FORGED },
		{ made, T0 + SRS_DAYS * DAY, SRS_OK },
		{ made, T0 + (SRS_DAYS + 1) * DAY, SRS_OLD },
		{ made, T0 - 2 * DAY, SRS_OLD },
		{ made, T0 + 1024 * DAY, SRS_OK },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(resolve(rows[i].local, rows[i].now, &l, &d, &a), rows[i].is);
	/* any other letter anywhere behind the tag is a forgery, any other case is not */
	for (size_t i = 5; i < made.n; i++) {
		char was = copy[i];

		copy[i] = was == 'q' ? 'r' : 'q';
		if (ascii_lower(was) != 'q')
			assert_int_not_equal(resolve(str_of(copy, made.n), T0, &l, &d, &a), SRS_OK);
		copy[i] = (char)ascii_lower(was);
		assert_int_equal(resolve(str_of(copy, made.n), T0, &l, &d, &a), SRS_OK);
	}
}

static void test_too_long(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	static char name[SRS_LOCAL_MAX];

	(void)state;
	memset(name, 'x', sizeof name);
	assert_int_equal(srs_make(ours, str_of(name, sizeof name), S("a.example"), T0, &a).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
