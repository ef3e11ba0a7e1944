/* dmarc_record_test.c — records of RFC 7489 §6.3, appendix B, and bent ones. */
#include "wire/dmarc_record.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_is(void **state)
{
	static const struct { struct str text; bool is; } rows[] = {
		{ S("v=DMARC1"), true }, { S("v=DMARC1; p=none"), true }, { S(" v = DMARC1 ; p=none"), true },
		{ S("V=DMARC1; p=none"), true }, { S("v=dmarc1; p=none"), false }, { S("v=DMARC1.1; p=none"), false },
		{ S("p=none; v=DMARC1"), false }, { S("v=DMARC1 p=none"), false }, { S("v=spf1 -all"), false }, { S(""), false },
		{ S("DMARC1"), false }, { S("; v=DMARC1"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (dmarc_record_is(rows[i].text) != rows[i].is)
			fail_msg(STR_FMT, STR_ARG(rows[i].text));
}

#define R(tags) S("v=DMARC1;" tags)
#define N DMARC_POLICY_NONE
#define Q DMARC_POLICY_QUARANTINE
#define J DMARC_POLICY_REJECT

static void test_records(void **state)
{
	static const struct {
		struct str text;
		bool is_usable;
		enum dmarc_policy p, sp;
		bool is_dkim_strict, is_spf_strict;
		unsigned pct;
		const char *problem;
	} rows[] = {
		/* appendix B.2.1, B.2.3, B.2.4 */
		{ R(" p=none; rua=mailto:dmarc-feedback@example.com"), true, N, N, false, false, 100, NULL },
		{ R(" p=none; rua=mailto:a@example.com; ruf=mailto:b@thirdparty.example.net"), true, N, N, false, false, 100, NULL },
		{ R(" p=quarantine; rua=mailto:a@example.com,mailto:b@example.com!10m; pct=25"), true, Q, Q, false, false, 25, NULL },
		{ R("p=reject;sp=none;adkim=s;aspf=s;"), true, J, N, true, true, 100, NULL },
		{ R(" P = REJECT ; ADKIM=S;aspf=R"), true, J, J, true, false, 100, NULL },
		{ R("sp=quarantine;p=reject"), true, J, Q, false, false, 100, NULL },
		/* what has a default and is malformed is not there (§6.3) */
		{ R("p=reject; adkim=x; aspf=; pct=101"), true, J, J, false, false, 100, NULL },
		{ R("p=reject; pct=-1"), true, J, J, false, false, 100, NULL },
		{ R("p=reject; pct=0"), true, J, J, false, false, 0, NULL },
		{ R("p=reject; pct=0000"), true, J, J, false, false, 100, NULL },
		{ R("p=reject; pct=50; pct=0; adkim=s; adkim=r"), true, J, J, true, false, 50, NULL },
		{ R("p=reject; unknown=1; junk; =x; np=none; t=y"), true, J, J, false, false, 100, NULL },
		/* §6.6.3, 6 */
		{ R(""), false, N, N, false, false, 100, "the record has no p=" },
		{ R("p=deny"), false, N, N, false, false, 100, "its p= is not valid" },
		{ R("p=deny; rua=mailto:a@example.com"), true, N, N, false, false, 100, "its p= is not valid" },
		{ R("rua=nobody"), false, N, N, false, false, 100, "the record has no p=" },
		{ R("p=reject; sp=deny"), false, N, N, false, false, 100, "its sp= is not valid" },
		{ R("p=reject; sp=; rua=mailto:a@example.com"), true, N, N, false, false, 100, "its sp= is not valid" },
		{ R("p=reject; p=none"), false, N, N, false, false, 100, "its p= is not valid" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *exact = malloc(rows[i].text.n);
		struct dmarc_record r;

		memcpy(exact, rows[i].text.p, rows[i].text.n);
		dmarc_record_read(str_of(exact, rows[i].text.n), &r);
		if (r.is_usable != rows[i].is_usable || r.p != rows[i].p || r.sp != rows[i].sp ||
		    r.is_dkim_strict != rows[i].is_dkim_strict || r.is_spf_strict != rows[i].is_spf_strict ||
		    r.pct != rows[i].pct || !str_eq(str_from_z(r.problem), str_from_z(rows[i].problem)))
			fail_msg(STR_FMT, STR_ARG(rows[i].text));
		free(exact);
	}
}

static void test_uris(void **state)
{
	static const struct { struct str list; size_t n; const char *first; } rows[] = {
		{ S("mailto:a@example.com"), 1, "mailto:a@example.com" },
		{ S(" mailto:a@example.com!10m , mailto:b@example.com"), 2, "mailto:a@example.com" },
		{ S("a@example.com,https://example.com/r"), 1, "https://example.com/r" },
		{ S("mailto:"), 0, "" }, { S(":x"), 0, "" }, { S("ma ilto:x"), 0, "" }, { S("mailto:a b"), 0, "" }, { S(",,"), 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str in = rows[i].list, uri, first = S("");
		size_t n = 0;

		for (; dmarc_uri_next(&in, &uri); n++)
			first = n ? first : uri;
		if (n != rows[i].n || !str_eq(first, str_from_z(rows[i].first)))
			fail_msg(STR_FMT, STR_ARG(rows[i].list));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_uris),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
