/* imap_list_test.c — patterns of LIST, RFC 9051 §6.3.9. */
#include "wire/imap_list.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct { struct str pattern, name; bool nocase, fits; } rows[] = {
	{ S("*"), S("a.b.c"), false, true },
	{ S("%"), S("a"), false, true },
	{ S("%"), S("a.b"), false, false },
	{ S("%.%"), S("a.b"), false, true },
	{ S("%.%"), S("a.b.c"), false, false },
	{ S("a.%"), S("a.b"), false, true },
	{ S("a%"), S("abc"), false, true },
	{ S("a%"), S("a.c"), false, false },
	{ S("a*c"), S("a.b.c"), false, true },
	{ S("a*c"), S("a.b.d"), false, false },
	{ S("*b*"), S("abc"), false, true },
	{ S("%*"), S("a.b"), false, true },
	{ S("*%"), S("a.b"), false, true },
	{ S("%b%d%"), S("abcde"), false, true },
	{ S("%b%d%"), S("ab.de"), false, false },
	{ S(""), S(""), false, true },
	{ S(""), S("a"), false, false },
	{ S("%"), S(""), false, true },
	{ S("inbox"), S("INBOX"), true, true },
	{ S("in%"), S("INBOX"), true, true },
	{ S("inbox"), S("INBOX"), false, false },
	{ S("%a%a%a%a%a%a%a%a%b"), S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), false, false },
	{ S("%%*%%*"), S("a.b"), false, true },
	{ S("%%%"), S("a.b"), false, false },
	{ S("%%.%%*%"), S("a.b.c"), false, true },
	{ S("*%.%%"), S("a.b.c"), false, true },
	{ S("a%%b**"), S("axb.c"), false, true },
	{ S("Entw\xc3\xbcrfe"), S("Entw\xc3\xbcrfe"), false, true },
};

static void test_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (imap_list_fits(rows[i].pattern, rows[i].name, '.', rows[i].nocase) != rows[i].fits)
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(rows[i].pattern));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
