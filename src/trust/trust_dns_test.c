/* trust_dns_test.c — the table that answers for the DNS in tests, held to RFC 1034 §4.3.2 and RFC 4592. */
#include "trust/trust_dns_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct str zone = S(
	"# a comment\n"
	"example.net TXT \"v=spf1 \" \"-all\\255\\\"\"\n"
	"example.net TXT \"second\"\n"
	"Example.NET A 192.0.2.1\n"
	"alias.example.net CNAME example.net\n"
	"loop.example CNAME loop.example\n"
	"slow.example TEMP\n"
	"slow.example A 192.0.2.9\n"
	"forged.example BOGUS TXT\n"
	"a.b.deep.example A 192.0.2.3\n"
	"*.wild.example TXT \"wild\"\n"
	"1.2.0.192.in-addr.arpa PTR Mail.example.net\n");

static void test_outcomes(void **state)
{
	static const struct {
		struct str name;
		uint16_t type;
		enum dns_outcome outcome;
		size_t n;
	} rows[] = {
		{ S("example.net"), DNS_TXT, DNS_FOUND, 2 },
		{ S("EXAMPLE.net"), DNS_A, DNS_FOUND, 1 },
		{ S("example.net"), DNS_AAAA, DNS_NONE, 0 },
		{ S("alias.example.net"), DNS_TXT, DNS_FOUND, 2 },
		{ S("alias.example.net"), DNS_MX, DNS_NONE, 0 },
		{ S("loop.example"), DNS_A, DNS_TEMP, 0 },
		{ S("none.example.net"), DNS_A, DNS_NO_NAME, 0 },
		{ S("slow.example"), DNS_TXT, DNS_TEMP, 0 },
		{ S("slow.example"), DNS_A, DNS_FOUND, 1 },
		{ S("forged.example"), DNS_TXT, DNS_BOGUS, 0 },
		{ S("forged.example"), DNS_A, DNS_NONE, 0 },
		{ S("b.deep.example"), DNS_A, DNS_NONE, 0 },
		{ S("x.y.wild.example"), DNS_TXT, DNS_FOUND, 1 },
		{ S("x.wild.example"), DNS_A, DNS_NONE, 0 },
		{ S("no..name"), DNS_A, DNS_NO_NAME, 0 },
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct trust_dns_table t;
	struct trust_dns dns = trust_dns_of_table(&t);
	struct trust_answer r;
	struct err e;

	(void)state;
	assert_true(trust_dns_table_read(zone, &a, &t, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(dns.ask(dns.ctx, rows[i].name, rows[i].type, &a, &r, &e));
		if (r.outcome != rows[i].outcome || r.n != rows[i].n)
			fail_msg(STR_FMT " %u: %s, %zu records", STR_ARG(rows[i].name), rows[i].type,
				 dns_outcome_name(r.outcome), r.n);
	}
	assert_int_equal(t.asked, ARRAY_LEN(rows));
}

static void test_texts(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct trust_dns_table t;
	struct trust_dns dns = trust_dns_of_table(&t);
	struct trust_texts r;
	uint8_t addr[16];
	struct err e;

	(void)state;
	assert_true(trust_dns_table_read(zone, &a, &t, &e));
	assert_true(trust_ask_txt(&dns, S("example.net"), &a, &r, &e));
	assert_int_equal(r.n, 2);
	assert_true(str_eq(r.p[0], S("v=spf1 -all\xFF\"")));
	assert_true(str_eq(r.p[1], S("second")));
	assert_true(dns_address_read(S("192.0.2.1"), addr));
	assert_true(trust_ask_ptr(&dns, addr, &a, &r, &e));
	assert_int_equal(r.n, 1);
	assert_true(str_eq(r.p[0], S("mail.example.net")));
}

/* A record that does not parse says nothing about what is not there. */
static bool broken_ask(void *ctx, struct str name, uint16_t type, struct arena *a, struct trust_answer *ret, struct err *e)
{
	(void)name, (void)type, (void)a, (void)e;
	*ret = (struct trust_answer){ .outcome = DNS_FOUND, .p = ctx, .n = 2 };
	return true;
}

static void test_malformed(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct str rdata[] = { S("\1a"), S("\5a") };
	struct trust_dns dns = { broken_ask, rdata };
	struct trust_texts r;
	struct err e;

	(void)state;
	assert_true(trust_ask_txt(&dns, S("a.example"), &a, &r, &e));
	assert_int_equal(r.outcome, DNS_TEMP);
	assert_int_equal(r.n, 0);
}

static void test_bad_lines(void **state)
{
	static const struct str rows[] = {
		S("example.net"), S("example.net A"), S("example.net A 1.2.3"), S("example.net MX mx.example.net"),
		S("example.net TXT text"), S("a..b A 192.0.2.1"), S("example.net TEMP WHAT"), S("example.net SOA x"),
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct trust_dns_table t;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (trust_dns_table_read(rows[i], &a, &t, &e))
			fail_msg(STR_FMT, STR_ARG(rows[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_bad_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
