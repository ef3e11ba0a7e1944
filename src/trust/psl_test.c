/* psl_test.c — the vectors of the list's own keepers, and what DMARC asks of it. */
#include "trust/psl.h"
#include "wire/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_organizations(void **state)
{
	static const struct { struct str domain, organization; bool is_suffix; } rows[] = {
		{ S("a.b.example.co.uk"), S("example.co.uk"), false },
		{ S("example.co.uk"), S("example.co.uk"), false },
		{ S("co.uk"), S("co.uk"), true },
		{ S("com"), S("com"), true },
		{ S("mail.example.com"), S("example.com"), false },
		{ S("a.b.nosuchtld"), S("b.nosuchtld"), false },
		{ S("www.city.kawasaki.jp"), S("city.kawasaki.jp"), false },
		{ S("a.user.github.io"), S("user.github.io"), false },
		{ S("x.xn--55qx5d.cn"), S("x.xn--55qx5d.cn"), false },
		{ S(""), S(""), false }, { S(".com"), S(".com"), false }, { S("com."), S("com."), false },
	};
	const struct psl_ctx_st *list = psl_list_open();

	(void)state;
	assert_non_null(list);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!str_eq(psl_organization(list, rows[i].domain), rows[i].organization) ||
		    psl_is_suffix(list, rows[i].domain) != rows[i].is_suffix)
			fail_msg(STR_FMT, STR_ARG(rows[i].domain));
	assert_true(str_eq(psl_organization(NULL, S("a.example.com")), S("a.example.com")));
	psl_list_close(list);
}

/* What checkPublicSuffix() of the vectors gives: the organisational domain, or "null" for suffixes and what is no
 * name. */
static struct str registrable(const struct psl_ctx_st *list, struct str domain, struct arena *a)
{
	struct str folded;

	if (!address_domain_fold(domain, a, &folded) || psl_is_suffix(list, folded))
		return S("null");
	return psl_organization(list, folded);
}

static void check_row(const struct psl_ctx_st *list, struct str line)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct str domain = str_word(&line), wanted = str_trim(line), folded = wanted, got = registrable(list, domain, &a);

	if (!str_eq(wanted, S("null")) && !address_domain_fold(wanted, &a, &folded))
		fail_msg("not a row: " STR_FMT, STR_ARG(domain));
	if (!str_eq(got, folded))
		fail_msg(STR_FMT ": " STR_FMT " instead of " STR_FMT, STR_ARG(domain), STR_ARG(got), STR_ARG(folded));
}

static void test_vectors(void **state)
{
	const char *root = getenv("SOURCE_ROOT");
	const struct psl_ctx_st *list = psl_list_open();
	char path[1024], line[500];
	size_t rows = 0;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/../shared/testdata/psl/tests.txt", root ? root : ".");
	f = fopen(path, "re");
	if (!f) {
		print_message("no ../shared/testdata/psl\n");
		psl_list_close(list);
		skip();
	}
	while (fgets(line, sizeof(line), f)) {
		struct str s = str_trim(str_from_z(line));

		if (!s.n || str_starts(s, S("//")))
			continue;
		check_row(list, s);
		rows++;
	}
	fclose(f);
	psl_list_close(list);
	print_message("%zu rows of tests.txt\n", rows);
	assert_true(rows > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_organizations),
		cmocka_unit_test(test_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
