/* client_limits_test.c — networks, and what one client may do in a time. */
#include "base/attr.h"
#include "base/buf.h"
#include "base/time.h"
#include "user/client_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct net_address at(const char *z)
{
	struct net_address n;

	if (!net_address_parse(str_from_z(z), &n))
		fail_msg("%s", z);
	return n;
}

/* The last column is NULL where the network must be refused. */
static void test_networks(void **state)
{
	static const struct {
		const char *network, *inside, *outside;
	} rows[] = {
		{ "203.0.113.7", "203.0.113.7", "203.0.113.8" },
		{ "203.0.113.7", "::ffff:203.0.113.7", "::203.0.113.7" },
		{ "::ffff:203.0.113.7", "203.0.113.7", "203.0.113.6" },
		{ "10.0.0.0/8", "10.255.255.255", "11.0.0.0" },
		{ "10.0.0.0/9", "10.127.0.1", "10.128.0.0" },
		{ "::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3" },
		{ "127.0.0.0/8", "::ffff:127.0.0.1", "0.0.0.0" },
		{ "127.0.0.1", "127.0.0.1", "::1" },
		{ "::1", "::1", "127.0.0.1" },
		{ "::/0", "2001:db8::1", "127.0.0.1" },
		{ "0.0.0.0/0", "127.0.0.1", "::1" },
		{ "2001:db8:7::/64", "2001:db8:7::ffff", "2001:db8:7:1::" },
		{ "2001:db8:7::/63", "2001:db8:7:1::", "2001:db8:7:2::" },
		{ "0.0.0.0", "0.0.0.0", "127.0.0.1" },
		{ "10.1.2.3/8", NULL, NULL }, { "10.0.0.0/33", NULL, NULL }, { "10.0.0.0/", NULL, NULL },
		{ "2001:db8::/129", NULL, NULL }, { "10.0.0.0/-1", NULL, NULL }, { "10.0.0.0/0x8", NULL, NULL },
		{ "10.0.0", NULL, NULL }, { "010.0.0.1", NULL, NULL }, { "0x7f.1", NULL, NULL },
		{ "127.1", NULL, NULL }, { "fe80::1%eth0", NULL, NULL }, { "[::1]", NULL, NULL },
		{ "", NULL, NULL }, { " 10.0.0.1", NULL, NULL }, { "localhost", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct network w;
		struct net_address in, out;
		struct err e = { 0 };

		if (network_parse(str_from_z(rows[i].network), &w, &e) != (rows[i].inside != NULL))
			fail_msg("%s", rows[i].network);
		if (!rows[i].inside)
			continue;
		in = at(rows[i].inside);
		out = at(rows[i].outside);
		if (!network_has(&w, &in) || network_has(&w, &out))
			fail_msg("%s holds %s, not %s", rows[i].network, rows[i].inside, rows[i].outside);
	}
}

static void test_addresses(void **state)
{
	struct net_address a = at("2001:db8:1:2:3:4:5:6"), b = at("2001:db8:1:2::9"), c = at("::ffff:192.0.2.1");
	struct net_address loop = at("::1"), all = at("0.0.0.0"), v4 = at("127.9.9.9");
	struct net_address ka = net_address_client(&a), kb = net_address_client(&b);
	char mem[50];
	struct buf out = buf_over(mem, sizeof(mem));

	(void)state;
	assert_true(net_address_eq(&ka, &kb));
	net_address_print(&c, &out);
	assert_true(str_eq(buf_str(&out), S("192.0.2.1")));
	assert_true(net_address_is_loopback(&loop) && net_address_is_loopback(&v4));
	assert_false(net_address_is_loopback(&all));
}

static const struct client_limits_conf conf = {
	.connections = 2, .connection_rate = 4, .connection_per = MINUTE, .letter_rate = 3, .letter_per = HOUR,
	.errors = 5, .errors_per = MINUTE, .connections_all = 6, .submission_reserve = 2, .entries_max = 8,
};

static void test_connections(void **state)
{
	struct net_address a = at("192.0.2.1"), b = at("192.0.2.2"), c = at("2001:db8::1"), d = at("2001:db8::2");
	struct err e = { 0 };
	struct client_limits *l = client_limits_open(&conf, &e);

	(void)state;
	assert_true(client_connect(l, &a, false, 0).allow);
	assert_true(client_connect(l, &a, false, 0).allow);
	assert_int_equal(client_connect(l, &a, false, 0).why, CLIENT_TOO_MANY);
	assert_true(client_connect(l, &c, false, 0).allow);
	assert_true(client_connect(l, &d, false, 0).allow);
	/* four of six are taken, two are kept for submission */
	assert_int_equal(client_connect(l, &b, false, 0).why, CLIENT_SERVER_FULL);
	assert_int_equal(client_connect(l, &c, true, 0).why, CLIENT_TOO_MANY);  /* one /64 */
	assert_true(client_connect(l, &b, true, 0).allow);
	assert_true(client_connect(l, &b, true, 0).allow);
	assert_int_equal(client_connect(l, &b, true, 0).why, CLIENT_SERVER_FULL);
	client_disconnect(l, &a, 0);
	client_disconnect(l, &a, 0);
	client_disconnect(l, &a, 0);
	assert_int_equal(client_limits_connections(l), 4);
	client_limits_close(l);
}

static void test_rates(void **state)
{
	struct net_address a = at("192.0.2.1");
	struct err e = { 0 };
	struct client_limits *l = client_limits_open(&conf, &e);

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_true(client_connect(l, &a, false, i).allow);
		client_disconnect(l, &a, i);
	}
	assert_int_equal(client_connect(l, &a, false, 5).why, CLIENT_TOO_FAST);
	assert_int_equal(client_connect(l, &a, false, 14 * SECOND).why, CLIENT_TOO_FAST);
	assert_true(client_connect(l, &a, false, 16 * SECOND).allow);
	for (int i = 0; i < 3; i++)
		assert_true(client_letter(l, &a, 0).allow);
	assert_int_equal(client_letter(l, &a, SECOND).why, CLIENT_LETTERS);
	assert_true(client_letter(l, &a, 20 * MINUTE + 2 * SECOND).allow);
	client_error(l, &a, 7, 2 * HOUR);
	assert_int_equal(client_connect(l, &a, false, 2 * HOUR).why, CLIENT_ERRORS);
	/* two below nothing: it takes three twelfths of a minute to one token and a little */
	assert_int_equal(client_connect(l, &a, false, 2 * HOUR + 35 * SECOND).why, CLIENT_ERRORS);
	assert_true(client_connect(l, &a, false, 2 * HOUR + 37 * SECOND).allow);
	client_limits_close(l);
}

static void test_friends(void **state)
{
	struct network friends[1];
	struct client_limits_conf with = conf;
	struct net_address a = at("::ffff:192.0.2.1"), b = at("198.51.100.1");
	struct client_limits *l;
	struct err e = { 0 };

	(void)state;
	assert_true(network_parse(S("192.0.2.0/24"), &friends[0], &e));
	with.friends = friends;
	with.n_friends = 1;
	l = client_limits_open(&with, &e);
	client_error(l, &a, 100, 0);
	for (int i = 0; i < 4; i++)
		assert_true(client_connect(l, &a, false, 0).allow);
	for (int i = 0; i < 10; i++)
		assert_true(client_letter(l, &a, 0).allow);
	assert_int_equal(client_connect(l, &b, false, 0).why, CLIENT_SERVER_FULL);
	/* no friend any more */
	assert_true(client_limits_change(l, &conf, &e));
	client_disconnect(l, &a, 0);
	assert_int_equal(client_connect(l, &a, false, 0).why, CLIENT_TOO_MANY);
	client_limits_close(l);
}

/* Memory is bounded: idle clients are forgotten, oldest first, busy ones never. */
static void test_bounded(void **state)
{
	struct client_limits_conf wide = { .connection_rate = 1, .connection_per = DAY, .entries_max = 4 };
	struct net_address a = at("192.0.2.0"), busy = at("198.51.100.1");
	struct err e = { 0 };
	struct client_limits *l = client_limits_open(&wide, &e);

	(void)state;
	assert_true(client_connect(l, &busy, false, 0).allow);
	for (int i = 0; i < 200; i++) {
		a.b[15] = (uint8_t)i;
		assert_true(client_connect(l, &a, false, i).allow);
		client_disconnect(l, &a, i);
		assert_true(client_limits_entries(l) <= 4);
	}
	assert_false(client_connect(l, &a, false, 200).allow);           /* the latest is remembered */
	assert_int_equal(client_connect(l, &busy, false, 200).why, CLIENT_TOO_FAST);
	for (int i = 0; i < 3; i++) {
		a.b[14] = (uint8_t)(i + 10);
		assert_true(client_connect(l, &a, false, 300).allow);
	}
	a.b[14] = 99;
	assert_int_equal(client_connect(l, &a, false, 300).why, CLIENT_TABLE_FULL);
	client_limits_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks), cmocka_unit_test(test_addresses), cmocka_unit_test(test_connections),
		cmocka_unit_test(test_rates), cmocka_unit_test(test_friends), cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
