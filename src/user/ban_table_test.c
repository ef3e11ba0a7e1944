/* ban_table_test.c — which bans hold, which give way, how often a client was banned before. */
#include "base/attr.h"
#include "base/time.h"
#include "user/ban_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static int64_t last_id;

static struct ban *add(struct ban_table *t, const char *what, int64_t expires, bool is_automatic)
{
	struct err e = { 0 };

	return ban_table_add(t, &(struct ban_entry){ .id = ++last_id, .what = str_from_z(what), .by = S("who"),
						     .reason = S("why"), .expires = expires }, is_automatic, &e);
}

static bool is_banned(const struct ban_table *t, const char *from, int64_t now)
{
	struct net_address a;

	assert_true(net_address_parse(str_from_z(from), &a));
	return ban_table_find(t, &a, now);
}

static void test_find(void **state)
{
	static const struct {
		const char *from;
		int64_t now;
		bool is_banned;
	} rows[] = {
		{ "192.0.2.7", 99, true }, { "192.0.2.7", 100, false }, { "192.0.2.8", 99, false },
		{ "::ffff:192.0.2.7", 99, true },
		{ "2001:db8::9:9", 99, true }, { "2001:db8:0:1::9", 99, false },
		{ "198.51.100.77", 1000000, true }, { "198.51.101.1", 99, false },
	};
	AUTO(ban_table_end) struct ban_table t = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_non_null(add(&t, "192.0.2.7", 100, true));
	assert_non_null(add(&t, "2001:db8::/64", 100, true));
	assert_non_null(add(&t, "198.51.100.0/24", 0, false));
	assert_null(ban_table_add(&t, &(struct ban_entry){ .id = ++last_id, .what = S("nobody") }, true, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (is_banned(&t, rows[i].from, rows[i].now) != rows[i].is_banned)
			fail_msg("%s at %lld", rows[i].from, (long long)rows[i].now);
	ban_table_expire(&t, 100);
	assert_int_equal(t.n, 1);
	ban_table_remove(&t, ban_table_next(&t, 0));
	assert_false(is_banned(&t, "198.51.100.77", 5));
}

/* By id; another ban of the same client takes the place of the first. */
static void test_list(void **state)
{
	AUTO(ban_table_end) struct ban_table t = { 0 };
	struct ban *b;

	(void)state;
	add(&t, "192.0.2.1", 100, true);
	add(&t, "192.0.2.2", 100, false);
	add(&t, "192.0.2.1", 200, true);
	b = ban_table_next(&t, 0);
	assert_true(b && str_eq(b->entry.what, S("192.0.2.2")) && str_eq(b->entry.by, S("who")) && str_eq(b->entry.reason, S("why")));
	b = ban_table_next(&t, b->entry.id);
	assert_true(b && b->entry.expires == 200);
	assert_null(ban_table_next(&t, b->entry.id));
}

/* A botnet that is banned for minutes pushes out neither who is banned for a week nor what a person said. */
static void test_full(void **state)
{
	AUTO(ban_table_end) struct ban_table t = { 0 };
	char what[32];

	(void)state;
	add(&t, "192.0.2.1", 7 * DAY, true);
	add(&t, "192.0.2.2", 5 * MINUTE, true);
	add(&t, "198.51.100.0/24", 1, false);
	for (unsigned i = 0; i < BANS_MAX + 1000; i++) {
		snprintf(what, sizeof(what), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_true(add(&t, what, 10 * MINUTE, true) || t.n == BANS_MAX + 1);
	}
	assert_int_equal(t.n, BANS_MAX + 1);
	assert_true(is_banned(&t, "192.0.2.1", MINUTE) && is_banned(&t, "198.51.100.1", 0));
	assert_false(is_banned(&t, "192.0.2.2", MINUTE));        /* it would have ended first */
	assert_true(is_banned(&t, "10.0.0.5", MINUTE));
	assert_non_null(add(&t, "192.0.2.3", HOUR, true));       /* longer than others */
	assert_int_equal(t.n, BANS_MAX + 1);
}

static void test_by_hand_full(void **state)
{
	AUTO(ban_table_end) struct ban_table t = { 0 };
	char what[32];

	(void)state;
	for (unsigned i = 0; i < BANS_BY_HAND_MAX; i++) {
		snprintf(what, sizeof(what), "10.0.%u.%u", i >> 8, i & 255);
		assert_non_null(add(&t, what, 0, false));
	}
	assert_null(add(&t, "192.0.2.1", 0, false));
	assert_non_null(add(&t, "192.0.2.1", 9, true));
}

static void test_before(void **state)
{
	AUTO(ban_table_end) struct ban_table t = { 0 };
	struct net_address a = { .b = { 1 } }, b = { .b = { 2 } };

	(void)state;
	assert_int_equal(ban_table_before(&t, &a, 30 * DAY, DAY), 0);
	ban_table_note(&t, &a, 30 * DAY, DAY, DAY + HOUR);
	ban_table_note(&t, &a, 30 * DAY, 2 * DAY, 9 * DAY);
	assert_int_equal(ban_table_before(&t, &a, 30 * DAY, 38 * DAY), 2);
	assert_int_equal(ban_table_before(&t, &b, 30 * DAY, 38 * DAY), 0);
	assert_int_equal(ban_table_before(&t, &a, 30 * DAY, 40 * DAY), 0);       /* quiet since day 9 */
	ban_table_note(&t, &a, 30 * DAY, 40 * DAY, 41 * DAY);
	assert_int_equal(ban_table_before(&t, &a, 30 * DAY, 42 * DAY), 1);
	ban_table_pardon(&t, &a);
	assert_int_equal(ban_table_before(&t, &a, 30 * DAY, 42 * DAY), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "who is under a ban", test_find, NULL, NULL, NULL },
		{ "in the order of ids", test_list, NULL, NULL, NULL },
		{ "P11 full: what ends first gives way", test_full, NULL, NULL, NULL },
		{ "full of what people said", test_by_hand_full, NULL, NULL, NULL },
		{ "how often before", test_before, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
