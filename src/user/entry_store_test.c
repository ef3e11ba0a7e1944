/* entry_store_test.c — entries and their counts outlive the process. */
#include "user/entry_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/entry-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const leavings[] = { "entries.db", "entries.db-wal", "entries.db-shm" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(leavings); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, leavings[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static struct entry_store *must_open(void)
{
	struct err e = { 0 };
	struct entry_store *s = entry_store_open(dir, &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static void test_rows(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct entry_store *s = must_open();
	struct entry_row in = { .kind = 1, .what = S("evil.example"), .added = 7, .by = S("uid 0"), .reason = S("why"),
				.expires = 9 }, out[3];
	int64_t first, second;
	struct err e;
	size_t n;

	(void)state;
	assert_true(entry_store_add(s, &in, &first, &e));
	assert_true(entry_store_add(s, &(struct entry_row){ .ends = first, .kind = 1, .by = S("uid 1") }, &second, &e));
	entry_store_close(s);
	s = must_open();
	assert_true(entry_store_rows(s, 0, 3, &a, out, &n, &e));
	assert_int_equal(n, 2);
	assert_true(out[0].id == first && str_eq(out[0].what, in.what) && out[0].added == 7 && out[0].expires == 9 &&
		    str_eq(out[0].by, in.by) && str_eq(out[0].reason, in.reason) && out[0].kind == 1 && out[0].ends == 0);
	assert_true(out[1].ends == first && second > first);
	assert_true(entry_store_rows(s, second, 3, &a, out, &n, &e));
	assert_int_equal(n, 0);
	entry_store_close(s);
}

static void test_counts(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct entry_store *s = must_open();
	struct entry_count in[] = { { S("1"), 3, 30 }, { S("block x"), 5, 50 } }, out[4];
	struct err e;
	size_t n;

	(void)state;
	assert_true(entry_store_count(s, in, 2, &e));
	in[1].hits = 6;
	assert_true(entry_store_count(s, in + 1, 1, &e));
	entry_store_close(s);
	s = must_open();
	assert_true(entry_store_counts(s, S(""), 4, &a, out, &n, &e));
	assert_int_equal(n, 2);
	assert_true(str_eq(out[0].key, S("1")) && out[0].hits == 3 && out[0].last == 30);
	assert_true(str_eq(out[1].key, S("block x")) && out[1].hits == 6);
	assert_true(entry_store_counts(s, S("1"), 4, &a, out, &n, &e) && n == 1);
	entry_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
