/* arc_voucher_test.c — who is believed when he says that a letter was right (RFC 8617 §7.2; the owner names whom). */
#include "trust/arc_voucher.h"

#include "base/arena.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SETS = 3 };

static const struct {
	const char *trusted;     /* domains, with blanks between them */
	const char *sets[SETS];  /* "DOMAIN|what it found", instance 1 first */
	enum arc_result result;
	const char *by;
} rows[] = {
	{ "list.test", { "list.test|l; dmarc=pass header.from=a.test" }, ARC_PASS, "list.test" },
	{ "list.test", { "X.List.test|l; dmarc=pass header.from=A.test" }, ARC_PASS, "X.List.test" },
	{ "list.test", { "notlist.test|l; dmarc=pass header.from=a.test" }, ARC_PASS, "" },
	{ "x.list.test", { "list.test|l; dmarc=pass header.from=a.test" }, ARC_PASS, "" },
	{ "list.test", { "list.test|l; dmarc=pass header.from=a.test" }, ARC_FAIL, "" },
	{ "list.test", { "list.test|l; dmarc=pass header.from=a.test" }, ARC_TEMPERROR, "" },
	{ "", { "list.test|l; dmarc=pass header.from=a.test" }, ARC_PASS, "" },
	{ "list.test", { "list.test|l; dmarc=fail header.from=a.test" }, ARC_PASS, "" },
	{ "list.test", { "list.test|l; dmarc=pass header.from=b.test" }, ARC_PASS, "" },
	{ "list.test", { "list.test|l; dmarc=pass header.from=x.a.test" }, ARC_PASS, "" },
	{ "list.test", { "list.test|l; dmarc=pass smtp.mailfrom=a.test" }, ARC_PASS, "" },
	/* without DMARC: what is aligned */
	{ "list.test", { "list.test|l; dkim=pass header.d=a.test" }, ARC_PASS, "list.test" },
	{ "list.test", { "list.test|l; dkim=pass header.i=@a.test header.d=b.test" }, ARC_PASS, "" },
	{ "list.test", { "list.test|l; spf=pass smtp.mailfrom=ann@a.test" }, ARC_PASS, "list.test" },
	{ "list.test", { "list.test|l; spf=pass smtp.helo=a.test" }, ARC_PASS, "" },
	{ "list.test", { "list.test|l; spf=fail smtp.mailfrom=a.test; dkim=fail header.d=a.test" }, ARC_PASS, "" },
	/* all behind the one who saw it must be believed, those in front of him need not */
	{ "list.test out.test", { "list.test|l; dmarc=pass header.from=a.test", "out.test|o; dmarc=fail header.from=a.test" },
	  ARC_PASS, "list.test" },
	{ "list.test", { "list.test|l; dmarc=pass header.from=a.test", "out.test|o; dmarc=fail header.from=a.test" }, ARC_PASS, "" },
	{ "out.test", { "list.test|l; dmarc=pass header.from=a.test", "out.test|o; dmarc=fail header.from=a.test" }, ARC_PASS, "" },
	{ "out.test", { "list.test|l; dmarc=fail header.from=a.test", "out.test|o; dmarc=pass header.from=a.test" }, ARC_PASS,
	  "out.test" },
	/* what cannot be read says nothing */
	{ "list.test", { "list.test|l; dmarc=" }, ARC_PASS, "" },
	{ "list.test", { "list.test|" }, ARC_PASS, "" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct arc_set sets[SETS] = { 0 };
		struct arc r = { .sets = sets, .result = rows[i].result };
		struct conf_name names[SETS] = { 0 };
		struct conf_names trusted = { .p = names };
		struct str rest = str_from_z(rows[i].trusted), word, by;

		while ((word = str_word(&rest)).n)
			names[trusted.n++].text = word;
		for (; r.n < SETS && rows[i].sets[r.n]; r.n++)
			sets[r.n].sealed.domain = str_cut(str_from_z(rows[i].sets[r.n]), '|', &sets[r.n].said);
		by = arc_voucher(&r, S("a.test"), &trusted, NULL, &a);
		if (!str_eq(by, str_from_z(rows[i].by)))
			fail_msg("row %zu: \"" STR_FMT "\"", i, STR_ARG(by));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
