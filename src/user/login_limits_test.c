/* login_limits_test.c — what failed logins cost, and whom. */
#include "base/attr.h"
#include "base/buf.h"
#include "base/time.h"
#include "user/login_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct login_limits_conf conf = { .ban_after = 20, .ban_per = 10 * MINUTE };

static struct login_try of(const char *ip, const char *name)
{
	struct net_address n;

	if (!net_address_parse(str_from_z(ip), &n))
		fail_msg("%s", ip);
	return (struct login_try){ .client = net_address_client(&n), .name = str_from_z(name) };
}

/* The wait after each failure of one client. */
static void test_client_waits(void **state)
{
	static const int64_t seconds[] = { 0, 0, 1, 2, 4, 8, 15, 15, 15 };
	struct login_limits *l = login_limits_open();
	struct login_try t = of("192.0.2.1", "a"), other = of("192.0.2.2", "b");
	int64_t now = HOUR;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
		assert_int_equal(login_limits_wait(l, &t, now), 0);
		assert_false(login_limits_failed(l, &conf, &t, now));
		if (login_limits_wait(l, &t, now) != seconds[i] * SECOND)
			fail_msg("failure %zu: %lld us", i + 1, (long long)login_limits_wait(l, &t, now));
		assert_int_equal(login_limits_wait(l, &other, now), 0);
		now += seconds[i] * SECOND;
	}
	login_limits_succeeded(l, &t);
	assert_false(login_limits_failed(l, &conf, &t, now));
	assert_int_equal(login_limits_wait(l, &t, now), 0);
	login_limits_close(l);
}

/* Who is banned after the 20th failure: an address, a /64; not who is known, nor this machine. */
static void test_bans(void **state)
{
	static const struct {
		const char *what, *ip;
		bool is_known, is_local;
		int64_t apart;
		bool is_banned;
	} rows[] = {
		{ "a stranger", "192.0.2.1", false, false, SECOND, true },
		{ "of IPv6", "2001:db8::1", false, false, SECOND, true },
		{ "a slow one", "192.0.2.1", false, false, MINUTE, false },
		{ "who has logged in", "192.0.2.1", true, false, SECOND, false },
		{ "loopback", "127.0.0.1", false, true, SECOND, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct login_limits *l = login_limits_open();
		bool banned = false;

		for (int k = 0; k < 20; k++) {
			char ip[64];
			struct login_try t;

			/* within one /64 each address counts for all */
			snprintf(ip, sizeof(ip), "%s%s", rows[i].ip, str_has(str_from_z(rows[i].ip), ':') && k % 2 ? "7" : "");
			t = of(ip, "a");
			t.is_known = rows[i].is_known;
			t.is_local = rows[i].is_local;
			if (banned)
				fail_msg("%s: banned before the 20th", rows[i].what);
			banned = login_limits_failed(l, &conf, &t, HOUR + k * rows[i].apart);
		}
		if (banned != rows[i].is_banned)
			fail_msg("%s", rows[i].what);
		login_limits_close(l);
	}
}

/* One account tried from everywhere: strangers come in one by one, who is known at once. */
static void test_account(void **state)
{
	struct login_limits *l = login_limits_open();
	struct login_try known = of("198.51.100.1", "alice");
	int64_t now = HOUR, wait;
	char ip[32];

	(void)state;
	known.is_known = true;
	for (int i = 0; i < 10; i++) {
		struct login_try t;

		snprintf(ip, sizeof(ip), "192.0.2.%d", i);
		t = of(ip, "alice");
		assert_int_equal(login_limits_wait(l, &t, now), 0);
		login_limits_failed(l, &conf, &t, now);
	}
	struct login_try a = of("203.0.113.1", "alice"), b = of("203.0.113.2", "alice"), c = of("203.0.113.3", "bob");

	assert_int_equal(login_limits_wait(l, &a, now), 0);
	wait = login_limits_wait(l, &b, now);
	assert_true(wait > 0 && wait <= 5 * SECOND);
	assert_int_equal(login_limits_wait(l, &b, now + wait), 0);
	assert_int_equal(login_limits_wait(l, &known, now), 0);
	assert_int_equal(login_limits_wait(l, &c, now), 0);
	/* nobody is locked out for ever */
	assert_int_equal(login_limits_wait(l, &a, now + 2 * HOUR), 0);
	assert_int_equal(login_limits_wait(l, &b, now + 2 * HOUR), 0);
	login_limits_close(l);
}

static void test_bounded(void **state)
{
	struct login_limits_conf few = { .entries_max = 50 };
	struct login_limits *l = login_limits_open();
	char name[32], ip[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct login_try t;

		snprintf(name, sizeof(name), "user%d", i);
		snprintf(ip, sizeof(ip), "10.0.%d.%d", i / 250, i % 250);
		t = of(ip, name);
		login_limits_failed(l, &few, &t, HOUR + i);
	}
	assert_int_equal(login_limits_entries(l), 100);
	login_limits_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "C10 a client waits longer with each failure", test_client_waits, NULL, NULL, NULL },
		{ "C10 who is banned", test_bans, NULL, NULL, NULL },
		{ "C10 an account is slowed for strangers alone", test_account, NULL, NULL, NULL },
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
