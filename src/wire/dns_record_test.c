/* dns_record_test.c — RDATA: examples of the RFCs, and what is cut short or too long. */
#include "wire/dns_record.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_print(void **state)
{
	static const struct {
		uint16_t type;
		struct str rdata, text;
	} rows[] = {
		{ DNS_A, S("\xc0\0\2\1"), S("192.0.2.1") }, { DNS_A, S("\xc0\0\2"), S("\\# 3 c00002") },
		{ DNS_A, S("\xc0\0\2\1\1"), S("\\# 5 c000020101") },
		{ DNS_AAAA, S("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), S("2001:db8::1") },
		{ DNS_MX, S("\0\xa\2mx\3Org\0"), S("10 mx.org.") }, { DNS_MX, S("\0\0\0"), S("0 .") },
		{ DNS_MX, S("\0\xa\2mx"), S("\\# 5 000a026d78") }, { DNS_MX, S("\0\xa\2mx\0x"), S("\\# 7 000a026d780078") },
		{ DNS_TXT, S("\3a b\2c\""), S("\"a b\" \"c\\\"\"") }, { DNS_TXT, S("\0"), S("\"\"") },
		{ DNS_TXT, S("\3a\r\n"), S("\"a\\013\\010\"") }, { DNS_TXT, S("\4abc"), S("\\# 4 04616263") },
		{ DNS_TXT, S(""), S("\\# 0 ") },
		/* L7: what a PTR holds does no harm as text */
		{ DNS_PTR, S("\6a\r\nb\0\x1b\3org\0"), S("a\\013\\010b\\000\\027.org.") },
		{ DNS_TLSA, S("\3\1\1\xab\xcd"), S("3 1 1 abcd") },
		{ DNS_SRV, S("\0\1\0\2\1\xbb\1h\0"), S("1 2 443 h.") },
		{ DNS_SOA, S("\1a\0\1b\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"), S("a. b. 1 2 3 4 5") },
		{ DNS_CAA, S("\0\5issueca.net"), S("0 \"issue\" \"ca.net\"") },
		{ DNS_DS, S("\x4f\x66\x8\2\xe0\x6d"), S("20326 8 2 e06d") },
		{ DNS_DNSKEY, S("\1\1\3\x8" "abc"), S("257 3 8 YWJj") },
		{ 64, S("\0\1"), S("\\# 2 0001") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(4096);
		char *copy = malloc(rows[i].rdata.n ? rows[i].rdata.n : 1);

		memcpy(copy, rows[i].rdata.p, rows[i].rdata.n);
		dns_record_print(rows[i].type, str_of(copy, rows[i].rdata.n), &b);
		assert_memory_equal(b.p, rows[i].text.p, rows[i].text.n);
		assert_int_equal(b.n, rows[i].text.n);
		free(copy);
	}
}

static void test_types(void **state)
{
	static const struct {
		struct str text;
		uint16_t number;
	} rows[] = {
		{ S("MX"), 15 }, { S("aaaa"), 28 }, { S("TLSA"), 52 }, { S("TYPE64"), 64 }, { S("type15"), 15 },
		{ S("TYPE65536"), 0 }, { S("TYPE"), 0 }, { S("TYPE-1"), 0 }, { S(""), 0 }, { S("M"), 0 }, { S("MXX"), 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(dns_type_read(rows[i].text), rows[i].number);
}

static void test_mx(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct dns_mx mx;

	(void)state;
	assert_true(dns_mx_parse(S("\0\xa\2MX\3org\0"), &a, &mx));
	assert_true(mx.preference == 10 && mx.is_host && str_eq(mx.host, S("mx.org")));
	assert_true(dns_mx_parse(S("\0\0\0"), &a, &mx));
	assert_true(!mx.is_host && str_eq(mx.host, S(".")));
	/* an address where a host belongs: a name, but no host's */
	assert_true(dns_mx_parse(S("\0\xa\3" "192\1" "0\1" "2\1" "1\0"), &a, &mx));
	assert_true(!mx.is_host && str_eq(mx.host, S("192.0.2.1")));
	assert_false(dns_mx_parse(S("\0"), &a, &mx) || dns_mx_parse(S("\0\xa"), &a, &mx) ||
		     dns_mx_parse(S("\0\xa\2mx\0\0"), &a, &mx));
}

static void test_txt(void **state)
{
	char mem[300];
	struct buf b = buf_over(mem, sizeof(mem));

	(void)state;
	/* RFC 7208 §3.3: joined without a space */
	assert_true(dns_txt_parse(S("\7v=spf1 \4-all"), &b) && str_eq(buf_str(&b), S("v=spf1 -all")));
	assert_false(dns_txt_parse(S(""), &b) || dns_txt_parse(S("\3ab"), &b) || dns_txt_parse(S("\1a\2b"), &b));
	assert_true(str_eq(buf_str(&b), S("v=spf1 -all")));
}

static void test_tlsa(void **state)
{
	struct dns_tlsa t;

	(void)state;
	assert_true(dns_tlsa_parse(S("\3\1\1\xab"), &t));
	assert_true(t.usage == 3 && t.selector == 1 && t.matching == 1 && str_eq(t.data, S("\xab")));
	assert_true(dns_tlsa_parse(S("\3\1\1"), &t) && t.data.n == 0);
	assert_false(dns_tlsa_parse(S("\3\1"), &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print), cmocka_unit_test(test_types), cmocka_unit_test(test_mx),
		cmocka_unit_test(test_txt), cmocka_unit_test(test_tlsa),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
