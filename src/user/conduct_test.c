/* conduct_test.c — after how much misbehaviour a client is to be banned. */
#include "base/attr.h"
#include "base/buf.h"
#include "base/time.h"
#include "user/conduct.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct conduct_rule rules[CONDUCT_KINDS] = { { 10, 10 * MINUTE }, { 30, HOUR }, { 0, 0 } };

static struct net_address address(const char *text)
{
	struct net_address a;

	assert_true(net_address_parse(str_from_z(text), &a));
	return net_address_client(&a);
}

/* `each` of one kind every `apart`: at which of 100 times is it banned?  0: never. */
static unsigned banned_at(enum conduct_kind kind, unsigned each, int64_t apart, struct conduct_evidence *ret)
{
	struct conduct *c = conduct_open(100);
	struct net_address a = address("192.0.2.7");
	unsigned n[CONDUCT_KINDS] = { 0 }, at = 0;

	n[kind] = each;
	for (unsigned i = 1; !at && i <= 100; i++)
		if (conduct_note(c, &a, rules, n, HOUR + (int64_t)i * apart, ret))
			at = i;
	conduct_close(c);
	return at;
}

static void test_rates(void **state)
{
	static const struct {
		const char *what;
		enum conduct_kind kind;
		unsigned each;
		int64_t apart;
		unsigned at;
		const char *evidence;
	} rows[] = {
		{ "ten at once", CONDUCT_NO_HOST_NAME, 10, SECOND, 1, "10 letters refused for want of a host name within 1 minute" },
		{ "one a second", CONDUCT_NO_HOST_NAME, 1, SECOND, 10, "10 letters refused for want of a host name within 1 minute" },
		{ "one every half minute: twice as much as may be", CONDUCT_NO_HOST_NAME, 1, 30 * SECOND, 18, "18 letters refused for want of a host name within 9 minutes" },
		{ "one every minute for ever", CONDUCT_NO_HOST_NAME, 1, MINUTE, 0, "" },
		{ "nine, once a day", CONDUCT_NO_HOST_NAME, 9, DAY, 0, "" },
		{ "recipients, five a session", CONDUCT_UNKNOWN_RECIPIENTS, 5, MINUTE, 7, "35 unknown recipients within 6 minutes" },
		{ "off", CONDUCT_ERRORS, 1000, SECOND, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conduct_evidence x = { 0 };
		unsigned at = banned_at(rows[i].kind, rows[i].each, rows[i].apart, &x);
		char mem[100] = "";
		struct buf b = buf_over(mem, sizeof(mem) - 1);

		if (at)
			conduct_print(&x, &b);
		mem[b.n] = '\0';
		if (at != rows[i].at)
			fail_msg("%s: at %u (%s), not %u", rows[i].what, at, mem, rows[i].at);
		assert_string_equal(mem, rows[i].evidence);
	}
}

/* Who is banned begins anew; each client for itself; an IPv6 /64 is one. */
static void test_clients(void **state)
{
	struct conduct *c = conduct_open(100);
	struct net_address a = address("2001:db8::1"), same = address("2001:db8::ffff"), b = address("2001:db8:0:1::1");
	unsigned five[CONDUCT_KINDS] = { 5 };
	struct conduct_evidence x;

	(void)state;
	assert_false(conduct_note(c, &a, rules, five, HOUR, &x));
	assert_false(conduct_note(c, &b, rules, five, HOUR, &x));
	assert_true(conduct_note(c, &same, rules, five, HOUR, &x));
	assert_int_equal(conduct_entries(c), 1);
	assert_false(conduct_note(c, &a, rules, five, HOUR, &x));
	assert_true(conduct_note(c, &b, rules, five, HOUR, &x));
	conduct_close(c);
}

/* A crowd that errs once each does not hide who goes on, and takes no more memory. */
static void test_crowd(void **state)
{
	struct conduct *c = conduct_open(64);
	struct net_address steady = address("198.51.100.1"), one = address("203.0.113.0");
	unsigned n[CONDUCT_KINDS] = { 1 };
	bool banned = false;
	struct conduct_evidence x;

	(void)state;
	for (unsigned i = 0; !banned && i < 1000; i++) {
		one.b[14] = (uint8_t)(i >> 8);
		one.b[15] = (uint8_t)i;
		assert_false(conduct_note(c, &one, rules, n, HOUR + i * MILLISECOND, &x));
		if (i % 20 == 0)
			banned = conduct_note(c, &steady, rules, n, HOUR + i * MILLISECOND, &x);
		assert_true(conduct_entries(c) <= 64);
	}
	assert_true(banned);
	conduct_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "how often within which time", test_rates, NULL, NULL, NULL },
		{ "clients, and a /64", test_clients, NULL, NULL, NULL },
		{ "P11 a crowd does not hide who goes on", test_crowd, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
