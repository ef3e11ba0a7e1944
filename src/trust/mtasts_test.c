/* mtasts_test.c — records and policies out of RFC 8461 and bent ones. */
#include "trust/mtasts.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_records(void **state)
{
	static const struct {
		struct str texts[3];
		const char *id;          /* NULL: no policy */
	} rows[] = {
		{ { S("v=STSv1; id=20160831085700Z;") }, "20160831085700Z" },
		{ { S("v=STSv1;id=a") }, "a" },
		{ { S("v=spf1 -all"), S("v=STSv1; id=1; x=y") }, "1" },
		{ { S("v=STSv1 ; id=1") }, "1" },
		{ { S("") }, NULL },
		{ { S("v=STSv1") }, NULL },
		{ { S("v=STSv1;") }, NULL },
		{ { S("v=STSv1; id=") }, NULL },
		{ { S("v=STSv1; id=a-b") }, NULL },
		{ { S("v=STSv1; id=a; id=b") }, NULL },
		{ { S("v=STSv1; id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") }, NULL },
		{ { S("v=STSv2; id=1") }, NULL },
		{ { S("v=STSv10; id=1") }, NULL },
		{ { S(" v=STSv1; id=1") }, NULL },
		{ { S("V=STSv1; id=1") }, NULL },
		/* not exactly one */
		{ { S("v=STSv1; id=1"), S("v=STSv1; id=1") }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str id = S("");
		enum mtasts_record got = mtasts_record_parse(rows[i].texts, 3, &id);

		if ((got == MTASTS_RECORD_FOUND) != (rows[i].id != NULL) || !str_eq(id, str_from_z(rows[i].id)))
			fail_msg("%zu: " STR_FMT, i, STR_ARG(id));
	}
}

#define GOOD "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n"

static void test_policies(void **state)
{
	static const struct {
		struct str text;
		bool ok;
		enum mtasts_mode mode;
		uint32_t max_age;
		size_t n_mx;
	} rows[] = {
		{ S(GOOD), true, MTASTS_ENFORCE, 604800, 2 },
		{ S("version: STSv1\r\nmode: testing\r\nmx: a.example\r\nmax_age: 1\r\n"), true, MTASTS_TESTING, 1, 1 },
		{ S("version:STSv1\nmode:none\nmax_age:0"), true, MTASTS_NONE, 0, 0 },
		{ S("x-unknown: y\n\n" GOOD), true, MTASTS_ENFORCE, 604800, 2 },
		{ S(GOOD "mode: none\nmax_age: 1\n"), true, MTASTS_ENFORCE, 604800, 2 },
		{ S("version: STSv1\nmode: none\nmax_age: 9999999999\n"), true, MTASTS_NONE, MTASTS_AGE_MAX, 0 },
		{ S("version: STSv1\nmode: enforce\nmax_age: 604800\n"), false, 0, 0, 0 },
		{ S("version: STSv1\nmode: none\nmax_age: 99999999999\n"), false, 0, 0, 0 },
		{ S("version: STSv1\nmode: none\nmax_age: -1\n"), false, 0, 0, 0 },
		{ S("version: STSv2\nmode: none\nmax_age: 1\n"), false, 0, 0, 0 },
		{ S("version: STSv1\nmode: strict\nmax_age: 1\n"), false, 0, 0, 0 },
		{ S("version: STSv1\nmode: none\n"), false, 0, 0, 0 },
		{ S("mode: none\nmax_age: 1\n"), false, 0, 0, 0 },
		{ S("version: STSv1\nmax_age: 1\n"), false, 0, 0, 0 },
		{ S(GOOD "mx: *\n"), false, 0, 0, 0 },
		{ S(GOOD "mx: a..b\n"), false, 0, 0, 0 },
		{ S(GOOD "mx: a.*.b\n"), false, 0, 0, 0 },
		{ S(GOOD "mx:\n"), false, 0, 0, 0 },
		{ S(GOOD "no colon\n"), false, 0, 0, 0 },
		{ S("<html><body>404</body></html>"), false, 0, 0, 0 },
		{ S(""), false, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct mtasts_policy p;
		char *exact = malloc(rows[i].text.n + 1);
		bool ok;

		memcpy(exact, rows[i].text.p, rows[i].text.n);
		ok = mtasts_policy_parse(str_of(exact, rows[i].text.n), &p);
		if (ok != rows[i].ok || (ok && (p.mode != rows[i].mode || p.max_age != rows[i].max_age || p.n_mx != rows[i].n_mx)))
			fail_msg("%zu", i);
		free(exact);
	}
}

/* §4.1: the whole left-most label, and no more. */
static void test_hosts(void **state)
{
	static const struct { struct str host; bool has; } rows[] = {
		{ S("mail.example.com"), true }, { S("MAIL.Example.COM"), true }, { S("mail.example.com."), true },
		{ S("mx1.example.net"), true }, { S("example.net"), false }, { S("a.b.example.net"), false },
		{ S("mail.example.org"), false }, { S("xmail.example.com"), false }, { S(".example.net"), false },
		{ S(""), false }, { S("*"), false },
	};
	static struct mtasts_policy p;

	(void)state;
	assert_true(mtasts_policy_parse(S(GOOD), &p));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (mtasts_policy_has(&p, rows[i].host) != rows[i].has)
			fail_msg(STR_FMT, STR_ARG(rows[i].host));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
