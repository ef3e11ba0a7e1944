/* authors_test.c — who is said to have written a letter. */
#include "wire/authors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	const char *head, *found;        /* each with a blank behind it */
} rows[] = {
	{ "From: a@b.example\r\n\r\nFrom: not@this.example\r\n", "a@b.example " },
	{ "From: A <a@b.example>\r\nSender: s@b.example\r\nreply-TO: r@b.example, q@b.example\r\n\r\n",
	  "a@b.example s@b.example r@b.example q@b.example " },
	{ "From: a@b.example\r\nFrom: c@d.example\r\n\r\n", "a@b.example c@d.example " },
	{ "From: \"x@shown.example\" <a@b.example> (y@comment.example)\r\n\r\n", "a@b.example " },
	{ "From: Group: a@b.example, c@d.example;\r\n\r\n", "a@b.example c@d.example " },
	{ "From:\r\n folded\r\n <a@b.example>\r\n\r\n", "a@b.example " },
	{ "From : a@b.example\r\n\r\n", "a@b.example " },
	{ "From: <@route.example:a@b.example>\r\n\r\n", "a@b.example " },
	{ "From: root\r\nTo: x@y.example\r\nX-From: z@y.example\r\n\r\n", "" },
	{ "From: a@b.example", "a@b.example " },
	{ "", "" },
};

static void test_authors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct str *list, found = S("");
		char *copy = strdup(rows[i].head);       /* one byte too far is seen */
		size_t n;

		assert_true(authors_read(str_of(copy, strlen(copy)), &a, &list, &n));
		for (size_t k = 0; k < n; k++)
			found = arena_printf(&a, STR_FMT STR_FMT " ", STR_ARG(found), STR_ARG(list[k]));
		if (!str_eq(found, str_from_z(rows[i].found)))
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(found));
		free(copy);
	}
}

static void test_many(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
	struct str head = S("From: first@b.example"), *list;
	size_t n;

	(void)state;
	for (int i = 0; i < 10; i++)
		head = arena_printf(&a, STR_FMT STR_FMT, STR_ARG(head), STR_ARG(S(
			",a@b.example,a@b.example,a@b.example,a@b.example,a@b.example,a@b.example"
			",a@b.example,a@b.example,a@b.example,a@b.example,a@b.example,a@b.example")));
	assert_true(authors_read(head, &a, &list, &n));
	assert_int_equal(n, AUTHORS_MAX);
	assert_true(str_eq(list[0], S("first@b.example")));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_authors), cmocka_unit_test(test_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
