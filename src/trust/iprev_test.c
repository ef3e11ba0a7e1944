/* iprev_test.c — RFC 8601 §3: names of a client, and whether they lead back. */
#include "trust/iprev.h"
#include "trust/trust_dns_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct str zone = S(
	"1.2.0.192.in-addr.arpa PTR mx.example.net\n"
	"mx.example.net A 192.0.2.7\nmx.example.net A 192.0.2.1\nmx.example.net AAAA 2001:db8::1\n"
	"2.2.0.192.in-addr.arpa PTR mx.example.net\n"
	"3.2.0.192.in-addr.arpa PTR gone.example.net\n"
	"4.2.0.192.in-addr.arpa TEMP\n"
	"5.2.0.192.in-addr.arpa PTR slow.example.net\nslow.example.net TEMP\n"
	"6.2.0.192.in-addr.arpa PTR slow.example.net\n6.2.0.192.in-addr.arpa PTR six.example.net\nsix.example.net A 192.0.2.6\n"
	"8.2.0.192.in-addr.arpa BOGUS\n"
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mx.example.net\n"
	"2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.example.net\n");

static void check(const char *ip, enum iprev_result result, const char *name)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct trust_dns_table table;
	struct trust_dns dns = trust_dns_of_table(&table);
	struct iprev r;
	uint8_t addr[16];
	struct err e = { 0 };

	assert_true(dns_address_read(str_from_z(ip), addr));
	assert_true(trust_dns_table_read(zone, &a, &table, &e));
	assert_true(iprev_check(&dns, addr, &a, &r, &e));
	assert_true((r.result == IPREV_PASS) == !r.why.n);
	if (r.result != result || !str_eq(r.name, str_from_z(name)))
		fail_msg("%s: %s " STR_FMT, ip, iprev_result_name(r.result), STR_ARG(r.name));
}

static void test_results(void **state)
{
	(void)state;
	check("192.0.2.1", IPREV_PASS, "mx.example.net");
	check("::ffff:192.0.2.1", IPREV_PASS, "mx.example.net");
	check("192.0.2.2", IPREV_FAIL, "mx.example.net");
	check("192.0.2.3", IPREV_FAIL, "gone.example.net");
	check("192.0.2.4", IPREV_TEMPERROR, "");
	check("192.0.2.5", IPREV_TEMPERROR, "slow.example.net");
	check("192.0.2.6", IPREV_PASS, "six.example.net");
	check("192.0.2.8", IPREV_TEMPERROR, "");
	check("192.0.2.9", IPREV_PERMERROR, "");
	check("2001:db8::1", IPREV_PASS, "mx.example.net");
	check("2001:db8::2", IPREV_FAIL, "six.example.net");
}

/* Names beyond the tenth are not asked for. */
static void test_limit(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf b = buf_on_heap(10000);
	struct trust_dns_table table;
	struct trust_dns dns = trust_dns_of_table(&table);
	struct iprev r;
	uint8_t addr[16];
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 12; i++)
		buf_addf(&b, "1.2.0.192.in-addr.arpa PTR h%d.example\n", i);
	buf_add(&b, S("h10.example A 192.0.2.1\n"));
	assert_true(dns_address_read(S("192.0.2.1"), addr));
	assert_true(trust_dns_table_read(buf_str(&b), &a, &table, &e));
	assert_true(iprev_check(&dns, addr, &a, &r, &e));
	assert_int_equal(r.result, IPREV_FAIL);
	assert_int_equal(table.asked, 1 + IPREV_NAMES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
