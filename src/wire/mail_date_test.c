/* mail_date_test.c — the Date field; row F14 of attacks.md. */
#include "wire/mail_date.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* seconds as date(1) says; local days since 1970 */
static const struct { struct str in; int64_t utc; int32_t day, zone; } rows[] = {
	/* RFC 5322 Appendix A */
	{ S("Fri, 21 Nov 1997 09:55:06 -0600"), 880127706, 10186, -360 },
	{ S("Tue, 1 Jul 2003 10:52:37 +0200"), 1057049557, 12234, 120 },
	{ S("Thu, 13 Feb 1969 23:32:54 -0330"), -27723426, -322, -210 },
	{ S("21 Nov 97 09:55:06 GMT"), 880106106, 10186, 0 },
	{ S("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600"), 880127706, 10186, -360 },
	{ S("Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)"),
	  -27723480, -322, -210 },
	/* §4.3 */
	{ S("1 Jan 49 00:00 UT"), 2493072000, 28855, 0 },
	{ S("1 Jan 50 00:00 UT"), -631152000, -7305, 0 },
	{ S("1 Jan 100 00:00 UT"), 946684800, 10957, 0 },
	{ S("1 Jan 2000 00:00:00 EST"), 946702800, 10957, -300 },
	{ S("1 Jan 2000 00:00:00 PDT"), 946710000, 10957, -420 },
	{ S("1 Jan 2000 00:00:00 Q"), 946684800, 10957, 0 },
	/* the day is the writer's */
	{ S("Sat, 1 Jan 2000 00:30:00 +0200"), 946679400, 10957, 120 },
	/* without a time, or with none that could be, it is midnight UTC (RFC 5256 §2.2) */
	{ S("1 Jan 2000"), 946684800, 10957, 0 },
	{ S("1 Jan 2000 25:00 +0200"), 946684800, 10957, 0 },
	{ S("1 Jan 2000 10:61 +0200"), 946684800, 10957, 0 },
	/* others' ways */
	{ S("Sat Jan  1 10:11:12 2000"), 946721472, 10957, 0 },
	{ S("Sat Jan  1 10:11:12 +0100 2000"), 946717872, 10957, 60 },
	{ S("2000-01-01T10:11:12Z"), 946721472, 10957, 0 },
	{ S("2000-01-01 10:11:12.345+01:00"), 946717872, 10957, 60 },
	{ S("2000/01/01 Sat 10:11:12 CET"), 946717872, 10957, 60 },
	{ S("1-Jan-2000 10:11:12 +0100"), 946717872, 10957, 60 },
	{ S("Saturday, January 01, 2000 10:11:12 PM"), 946764672, 10957, 0 },
	{ S("Sat, 01 Jan 2000 12:11:12 AM"), 946685472, 10957, 0 },
	{ S("Sat,1 Jan 2000 10:11:12 GMT+0100"), 946717872, 10957, 60 },
	/* F14 */
	{ S("1 Jan 0000 00:00:00 +0000"), -2208988800, -25567, 0 },
	{ S("1 Jan 1000 00:00:00 +0000"), -30610224000, -354285, 0 },
	{ S("1 Jan 0100 00:00:00 +0000"), 946684800, 10957, 0 },
	{ S("31 Dec 9999 23:59:59 +0000"), 253402300799, 2932896, 0 },
	{ S("31 Dec 1000000000000000000 23:59:59 +0000"), 253402300799, 2932896, 0 },
	{ S("31 Dec 2016 23:59:60 +0000"), 1483228800, 17166, 0 },
	{ S("19 Jan 2038 03:14:08 +0000"), 2147483648, 24855, 0 },
	{ S("1 Jan 2000 00:00:00 -0000"), 946684800, 10957, 0 },
	{ S("1 Jan 2000 00:00:00 -9999"), 946684800, 10957, 0 },
};

static const struct str bad[] = {
	S(""), S("yesterday"), S("1 Jan"), S("Jan 2000"), S("32 Jan 2000 10:00"), S("0 Jan 2000"), S("1 Foo 2000"),
	S("2000-13-01"), S("2000-00-01"), S("10:11:12 +0100"), S("(1 Jan 2000"), S("99999999999999999999"),
};

static void test_date(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *exact = malloc(rows[i].in.n);
		struct mail_date d = { 0 };
		bool ok;

		memcpy(exact, rows[i].in.p, rows[i].in.n);
		ok = mail_date_parse(str_of(exact, rows[i].in.n), &d);
		if (!ok || d.utc != rows[i].utc || d.local_day != rows[i].day || d.zone != rows[i].zone)
			fail_msg("row %zu: %d %lld %d %d", i, ok, (long long)d.utc, d.local_day, d.zone);
		free(exact);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct mail_date d;

		if (mail_date_parse(bad[i], &d))
			fail_msg("bad row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
