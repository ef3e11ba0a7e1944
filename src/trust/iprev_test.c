/* iprev_test.c — names and addresses that agree, disagree or cannot be asked for: a table of RFC 8601 §3. */
#include "trust/iprev.h"

#include "trust/trust_dns_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct str zone = S(
	"1.2.0.192.in-addr.arpa PTR good.example\n"
	"good.example A 192.0.2.1\n"
	"2.2.0.192.in-addr.arpa PTR liar.example\n"
	"liar.example A 192.0.2.99\n"
	"3.2.0.192.in-addr.arpa PTR gone.example\n"
	"4.2.0.192.in-addr.arpa TEMP\n"
	"5.2.0.192.in-addr.arpa PTR slow.example\n"
	"slow.example TEMP\n"
	"6.2.0.192.in-addr.arpa PTR slow.example\n"
	"6.2.0.192.in-addr.arpa PTR second.example\n"
	"second.example A 192.0.2.6\n"
	"7.2.0.192.in-addr.arpa BOGUS\n"
	"8.2.0.192.in-addr.arpa PTR forged.example\n"
	"forged.example BOGUS\n"
	"9.2.0.192.in-addr.arpa TXT \"no PTR\"\n"
	"10.2.0.192.in-addr.arpa PTR six.example\n"
	"six.example AAAA 2001:db8::1\n"
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.example\n"
	"2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR good.example\n"
	"11.2.0.192.in-addr.arpa PTR n01.example\n" "11.2.0.192.in-addr.arpa PTR n02.example\n"
	"11.2.0.192.in-addr.arpa PTR n03.example\n" "11.2.0.192.in-addr.arpa PTR n04.example\n"
	"11.2.0.192.in-addr.arpa PTR n05.example\n" "11.2.0.192.in-addr.arpa PTR n06.example\n"
	"11.2.0.192.in-addr.arpa PTR n07.example\n" "11.2.0.192.in-addr.arpa PTR n08.example\n"
	"11.2.0.192.in-addr.arpa PTR n09.example\n" "11.2.0.192.in-addr.arpa PTR n10.example\n"
	"11.2.0.192.in-addr.arpa PTR n11.example\n" "n11.example A 192.0.2.11\n");

static void test_rows(void **state)
{
	static const struct {
		const char *addr;
		enum iprev_result result;
		const char *name;
	} rows[] = {
		{ "192.0.2.1", IPREV_PASS, "good.example" },
		{ "192.0.2.2", IPREV_FAIL, "liar.example" },
		{ "192.0.2.3", IPREV_FAIL, "gone.example" },
		{ "192.0.2.4", IPREV_TEMP, "" },
		{ "192.0.2.5", IPREV_TEMP, "slow.example" },
		{ "192.0.2.6", IPREV_PASS, "second.example" },   /* one that leads back is enough */
		{ "192.0.2.7", IPREV_TEMP, "" },
		{ "192.0.2.8", IPREV_TEMP, "forged.example" },
		{ "192.0.2.9", IPREV_FAIL, "" },
		{ "192.0.2.10", IPREV_FAIL, "six.example" },     /* an address of the other kind */
		{ "192.0.2.11", IPREV_FAIL, "n01.example" },     /* the eleventh name is not looked at */
		{ "192.0.2.200", IPREV_FAIL, "" },
		{ "2001:db8::1", IPREV_PASS, "six.example" },
		{ "2001:db8::2", IPREV_FAIL, "good.example" },
		{ "2001:db8::3", IPREV_FAIL, "" },
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct trust_dns_table t;
	struct trust_dns dns = trust_dns_of_table(&t);
	struct iprev r;
	struct err e;

	(void)state;
	assert_true(trust_dns_table_read(zone, &a, &t, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t addr[16];

		assert_true(dns_address_read(str_from_z(rows[i].addr), addr));
		assert_true(iprev_check(&dns, addr, &a, &r, &e));
		if (r.result != rows[i].result || !str_eq(r.name, str_from_z(rows[i].name)) ||
		    (r.result == IPREV_PASS) != (r.why.n == 0))
			fail_msg("%s: %d " STR_FMT ", " STR_FMT, rows[i].addr, r.result, STR_ARG(r.name), STR_ARG(r.why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
