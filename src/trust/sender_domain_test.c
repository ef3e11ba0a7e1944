/* sender_domain_test.c — who could receive an answer: a table of RFC 5321 §5.1 and RFC 7505. */
#include "trust/sender_domain.h"

#include "trust/trust_dns_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct str zone = S(
	"mx.example MX 10 host.example\n"
	"null.example MX 0 .\n"
	"null.example A 192.0.2.1\n"                     /* a null MX outweighs it */
	"both.example MX 0 .\n"
	"both.example MX 10 host.example\n"              /* RFC 7505 §3: then it is no null MX */
	"v4.example A 192.0.2.1\n"
	"v6.example AAAA 2001:db8::1\n"
	"text.example TXT \"nothing else\"\n"
	"alias.example CNAME v4.example\n"
	"dead.example CNAME nowhere.example\n"
	"slow.example TEMP\n"
	"slowmx.example TEMP MX\n"
	"slowmx.example A 192.0.2.1\n"
	"slowa.example TEMP A\n"
	"slowa6.example TEMP AAAA\n"
	"slowa6.example TXT \"x\"\n"
	"slowa4.example TEMP A\n"
	"slowa4.example AAAA 2001:db8::1\n"
	"forged.example BOGUS\n");

static void test_rows(void **state)
{
	static const struct {
		const char *domain;
		enum sender_domain_result result;
	} rows[] = {
		{ "mx.example", SENDER_DOMAIN_GOOD },
		{ "null.example", SENDER_DOMAIN_NULL_MX },
		{ "both.example", SENDER_DOMAIN_GOOD },
		{ "v4.example", SENDER_DOMAIN_GOOD },
		{ "v6.example", SENDER_DOMAIN_GOOD },
		{ "text.example", SENDER_DOMAIN_NONE },
		{ "alias.example", SENDER_DOMAIN_GOOD },
		{ "dead.example", SENDER_DOMAIN_NONE },
		{ "nowhere.example", SENDER_DOMAIN_NONE },
		{ "no..name", SENDER_DOMAIN_NONE },
		{ "slow.example", SENDER_DOMAIN_TEMP },
		{ "slowmx.example", SENDER_DOMAIN_TEMP },
		{ "slowa.example", SENDER_DOMAIN_TEMP },
		{ "slowa6.example", SENDER_DOMAIN_TEMP },
		{ "slowa4.example", SENDER_DOMAIN_GOOD },
		{ "forged.example", SENDER_DOMAIN_TEMP },
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct trust_dns_table t;
	struct trust_dns dns = trust_dns_of_table(&t);
	struct sender_domain r;
	struct err e;

	(void)state;
	assert_true(trust_dns_table_read(zone, &a, &t, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(sender_domain_check(&dns, str_from_z(rows[i].domain), &a, &r, &e));
		if (r.result != rows[i].result || (r.result == SENDER_DOMAIN_GOOD) != (r.why.n == 0))
			fail_msg("%s: %d, " STR_FMT, rows[i].domain, r.result, STR_ARG(r.why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
