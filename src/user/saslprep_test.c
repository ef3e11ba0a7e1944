/* saslprep_test.c — the examples of RFC 4013 §3 and rows for each table that it names. */
#include "base/attr.h"
#include "user/saslprep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	struct str in, want;
} rows[] = {
	/* RFC 4013 §3: 1 to 5; 6 and 7 are errors there, and stay as they are here */
	{ S("I\xc2\xadX"), S("IX") },
	{ S("user"), S("user") },
	{ S("USER"), S("USER") },
	{ S("\xc2\xaa"), S("a") },
	{ S("\xe2\x85\xa8"), S("IX") },
	{ S("\x07"), S("\x07") },
	{ S("\xd8\xa7\x31"), S("\xd8\xa7\x31") },

	/* §2.1 mapped: table C.1.2 to a space, table B.1 to nothing */
	{ S("a\xc2\xa0z"), S("a z") },                   /* U+00A0 */
	{ S("a\xe1\x9a\x80z"), S("a z") },               /* U+1680 */
	{ S("a\xe2\x80\x83z"), S("a z") },               /* U+2003 */
	{ S("a\xe3\x80\x80z"), S("a z") },               /* U+3000 */
	{ S("a\xe2\x80\x8bz"), S("a z") },               /* U+200B, in both tables: §2.1 names C.1.2 first */
	{ S("a\xe2\x80\x8dz"), S("az") },                /* U+200D */
	{ S("a\xef\xb8\x8fz"), S("az") },                /* U+FE0F */
	{ S("a\xef\xbb\xbfz"), S("az") },                /* U+FEFF */

	/* §2.2 NFKC; the case stays */
	{ S("e\xcc\x81"), S("\xc3\xa9") },
	{ S("\xc3\xa9"), S("\xc3\xa9") },
	{ S("\xef\xbc\xa1\xef\xbc\x91"), S("A1") },      /* full width */
	{ S("\xe2\x84\xab"), S("\xc3\x85") },            /* Angstrom sign */
	{ S("\xef\xac\x81x"), S("fix") },
	{ S("\xe1\x84\x80\xe1\x85\xa1"), S("\xea\xb0\x80") },    /* Hangul */
	{ S("\xc3\x9f\xc4\xb0"), S("\xc3\x9f\xc4\xb0") },        /* sharp s, I with a dot: not folded */
	{ S("q\xcc\x87\xcc\xa3"), S("q\xcc\xa3\xcc\x87") },      /* marks in their order */

	/* §2.3 prohibited, in any place: nothing else is mapped either */
	{ S("\t\xc2\xaa"), S("\t\xc2\xaa") },                    /* C.2.1 */
	{ S("\xc2\xaa\x7f"), S("\xc2\xaa\x7f") },
	{ S("\xc2\xaa\xc2\x85"), S("\xc2\xaa\xc2\x85") },        /* C.2.2 */
	{ S("\xc2\xaa\xe2\x80\xa8"), S("\xc2\xaa\xe2\x80\xa8") },
	{ S("\xc2\xaa\xee\x80\x80"), S("\xc2\xaa\xee\x80\x80") },                /* C.3 U+E000 */
	{ S("\xc2\xaa\xf4\x80\x80\x80"), S("\xc2\xaa\xf4\x80\x80\x80") },        /* C.3 U+100000 */
	{ S("\xc2\xaa\xef\xb7\x90"), S("\xc2\xaa\xef\xb7\x90") },                /* C.4 U+FDD0 */
	{ S("\xc2\xaa\xef\xbf\xbe"), S("\xc2\xaa\xef\xbf\xbe") },                /* C.4 U+FFFE */
	{ S("\xc2\xaa\xef\xbf\xbd"), S("\xc2\xaa\xef\xbf\xbd") },                /* C.6 U+FFFD */
	{ S("\xc2\xaa\xe2\xbf\xb0"), S("\xc2\xaa\xe2\xbf\xb0") },                /* C.7 U+2FF0 */
	{ S("\xc2\xaa\xe2\x80\x8e"), S("\xc2\xaa\xe2\x80\x8e") },                /* C.8 U+200E */
	{ S("\xc2\xaa\xe2\x80\xae"), S("\xc2\xaa\xe2\x80\xae") },                /* C.8 U+202E */
	{ S("\xc2\xaa\xf3\xa0\x80\x81"), S("\xc2\xaa\xf3\xa0\x80\x81") },        /* C.9 U+E0001 */

	/* §2.4 right-to-left: only such text, from the first to the last character */
	{ S("\xd8\xa7\x31\xd8\xa8"), S("\xd8\xa7\x31\xd8\xa8") },
	{ S("\xd8\xa7\xc2\xad\xd8\xa8"), S("\xd8\xa7\xd8\xa8") },        /* good: the hyphen goes */
	{ S("\xd8\xa7\xc2\xad\x31"), S("\xd8\xa7\xc2\xad\x31") },        /* ends in a digit */
	{ S("1\xc2\xad\xd7\x90"), S("1\xc2\xad\xd7\x90") },              /* begins with one */
	{ S("\xd7\x90\xc2\xad" "a\xd7\x90"), S("\xd7\x90\xc2\xad" "a\xd7\x90") },        /* Latin within */

	/* §2.5 unassigned in Unicode 3.2: allowed, and the rest of the text has its form */
	{ S("e\xcc\x81\xf0\x9f\x90\xb4"), S("\xc3\xa9\xf0\x9f\x90\xb4") },
	{ S("\xc8\xa1\xc2\xad"), S("\xc8\xa1") },                        /* U+0221, RFC 3454's first */

	/* nothing left: an empty password it is not */
	{ S("\xc2\xad"), S("\xc2\xad") },
	{ S("\xe2\x81\xa0\xe2\x80\x8d"), S("\xe2\x81\xa0\xe2\x80\x8d") },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str in = rows[i].in, got;
		char *exact = malloc(in.n), *room = malloc(SASLPREP_GROWTH * in.n + 1);

		assert_true(exact && room);
		memcpy(exact, in.p, in.n);
		got = saslprep(str_of(exact, in.n), room);
		if (!str_eq(got, rows[i].want))
			fail_msg("row %zu: %.*s", i, (int)got.n, got.p);
		free(exact);
		free(room);
	}
}

/* The character that grows most, as often as a password has room for it. */
static void test_growth(void **state)
{
	enum { N = 341 };
	static char in[3 * N], room[SASLPREP_GROWTH * sizeof(in) + 1];
	struct str got;

	(void)state;
	for (size_t i = 0; i < N; i++)
		memcpy(in + 3 * i, "\xef\xb7\xba", 3);
	got = saslprep(str_of(in, sizeof(in)), room);
	assert_ptr_equal(got.p, room);
	assert_int_equal(got.n, SASLPREP_GROWTH * sizeof(in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
