/* account_test.c — both engines through the same steps; the file of SQLite beside that. */
#include "user/account.h"
#include "user/account_dir.h"
#include "user/linux_account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include <cmocka.h>

static char dir[64];

static const char *const leavings[] = { "accounts.db", "accounts.db-wal", "accounts.db-shm" };

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/account-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(leavings); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, leavings[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static struct account make_account(const char *local, const char *hash)
{
	struct account x = { .name = { str_from_z(local), S("example.org") }, .created = 1234567, .by = S("root") };

	snprintf(x.password.hash, sizeof(x.password.hash), "%s", hash);
	x.password.scram.iterations = SCRAM_ITERATIONS;
	x.password.scram.salt[15] = 7;
	x.password.scram.stored_key[31] = 8;
	x.password.scram.server_key[0] = 9;
	return x;
}

/* "alice:1 bob:2-" — name, id ("new" past 2), and - if it is disabled */
static void expect_list(struct account_store *s, int64_t after, size_t max, const char *want)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct account list[10];
	size_t n = 0;
	char text[200] = "";
	struct err e = { 0 };

	assert_true(account_list(s, S("example.org"), after, max, &a, list, &n, &e));
	for (size_t i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s" STR_FMT ":%s%s", i ? " " : "",
			 STR_ARG(list[i].name.local),
			 list[i].id == 1 ? "1" : list[i].id == 2 ? "2" : "new", list[i].is_disabled ? "-" : "");
	assert_string_equal(text, want);
}

static void change_things(struct account_store *s)
{
	struct account list[3] = { make_account("alice", "$y$a"), make_account("bob", "$y$b"),
				   make_account("alice", "$y$c") };
	struct account_name names[2] = { list[0].name, { S("' OR 1=1--"), S("example.org") } };
	struct password_record passwords[2] = { list[2].password, list[2].password };
	enum account_result r[3];
	struct err e = { 0 };

	assert_true(account_add(s, list, 3, r, &e));
	assert_true(r[0] == ACCOUNT_DONE && r[1] == ACCOUNT_DONE && r[2] == ACCOUNT_EXISTS);
	expect_list(s, 0, 10, "alice:1 bob:2");
	expect_list(s, 1, 10, "bob:2");
	expect_list(s, 0, 1, "alice:1");
	assert_true(account_set_disabled(s, names, 2, true, r, &e));
	assert_true(r[0] == ACCOUNT_DONE && r[1] == ACCOUNT_MISSING);
	expect_list(s, 0, 10, "alice:1- bob:2");
	assert_true(account_set_disabled(s, names, 1, false, r, &e));
	assert_true(account_set_password(s, names, passwords, 2, r, &e));
	assert_true(r[0] == ACCOUNT_DONE && r[1] == ACCOUNT_MISSING);
	assert_true(account_remove(s, &list[1].name, 1, r, &e) && r[0] == ACCOUNT_DONE);
	assert_true(account_remove(s, &list[1].name, 1, r, &e) && r[0] == ACCOUNT_MISSING);
	assert_true(account_add(s, &list[1], 1, r, &e) && r[0] == ACCOUNT_DONE);
	expect_list(s, 0, 10, "alice:1 bob:new");
}

static void check_found(struct account_store *s)
{
	static const struct account_name names[] = {
		{ S("alice"), S("example.org") }, { S("alice"), S("example.net") },
		{ S("ali\0ce"), S("example.org") }, { S("' OR 1=1--"), S("example.org") },
		{ S("%"), S("example.org") }, { S("*)(uid=*"), S("example.org") }, { S("\\"), S("example.org") },
		{ S("\xff\xc0\x80"), S("example.org") }, { S(""), S("") },
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct account found[ARRAY_LEN(names)];
	struct err e = { 0 };

	assert_true(account_find(s, names, ARRAY_LEN(names), &a, found, &e));
	assert_int_equal(found[0].id, 1);
	assert_string_equal(found[0].password.hash, "$y$c");
	assert_true(found[0].created == 1234567 && str_eq(found[0].by, S("root")));
	assert_int_equal(found[0].password.scram.iterations, SCRAM_ITERATIONS);
	assert_true(found[0].password.scram.salt[15] == 7 && found[0].password.scram.stored_key[31] == 8 &&
		    found[0].password.scram.server_key[0] == 9);
	for (size_t i = 1; i < ARRAY_LEN(names); i++)
		assert_int_equal(found[i].id, 0);
}

/* C4: 64 KiB of name are a name like any other, which does not exist. */
static void check_long_name(struct account_store *s)
{
	AUTO(arena_end) struct arena a = { 0 };
	char *p = calloc(1, 65536);
	struct account_name name = { str_of(p, 65536), S("example.org") };
	struct account found;
	struct err e = { 0 };

	assert_non_null(p);
	assert_true(account_find(s, &name, 1, &a, &found, &e));
	assert_int_equal(found.id, 0);
	free(p);
}

static void test_memory(void **state)
{
	struct err e = { 0 };
	struct account_store *s = account_store_open_memory(&e);

	(void)state;
	assert_non_null(s);
	change_things(s);
	check_found(s);
	check_long_name(s);
	account_store_close(s);
}

static void test_sqlite(void **state)
{
	struct err e = { 0 };
	struct account_store *s = account_store_open(dir, &e);
	char path[128];
	struct stat st;

	(void)state;
	assert_non_null(s);
	change_things(s);
	check_found(s);
	check_long_name(s);
	account_store_close(s);
	s = account_store_open(dir, &e);
	assert_non_null(s);
	check_found(s);
	account_store_close(s);
	snprintf(path, sizeof(path), "%s/accounts.db", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void run_sql(const char *sql)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/accounts.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* A newer version and a foreign file are refused with a sentence. */
static void test_refused(void **state)
{
	static const struct {
		const char *sql, *words;
	} rows[] = {
		{ "PRAGMA user_version = 2", "has version 2" },
		{ "PRAGMA user_version = 1; PRAGMA application_id = 5", "is not a file of accounts" },
		{ "PRAGMA application_id = 0", "is not a file of accounts" },
	};
	struct err e = { 0 };

	(void)state;
	account_store_close(account_store_open(dir, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		run_sql(rows[i].sql);
		assert_null(account_store_open(dir, &e));
		if (!strstr(e.text, rows[i].words))
			fail_msg("%s: %s", rows[i].sql, e.text);
	}
	assert_null(account_store_open("/nonexistent", &e));
}

static void test_texts(void **state)
{
	static const struct account_name name = { S("a"), S("b.example") };
	AUTO(arena_end) struct arena a = { 0 };

	(void)state;
	assert_true(str_eq(account_result_text("removed", &name, ACCOUNT_DONE, &a),
			   S("account a@b.example removed; its mail stays on the disk")));
	assert_true(str_eq(account_result_text("added", &name, ACCOUNT_EXISTS, &a),
			   S("account a@b.example exists already")));
}

static void test_dir_names(void **state)
{
	static const struct {
		struct str name;
		const char *dir;
	} rows[] = {
		{ S("Alice"), "alice" },      { S("a.b_c+d-e@x"), "a.b_c+d-e@x" },
		{ S(".."), "%2E." },          { S("."), "%2E" },
		{ S("../x"), "%2E.%2Fx" },    { S("a/b"), "a%2Fb" },
		{ S("a\0b"), "a%00b" },       { S("%2F"), "%252f" },
		{ S("\xc3\xa9"), "%C3%A9" },  { S(""), NULL },
	};
	AUTO(arena_end) struct arena a = { 0 };
	char longest[ACCOUNT_DIR_MAX + 1];
	struct err e = { 0 };
	struct str got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool ok = account_dir_name(rows[i].name, &a, &got, &e);

		assert_int_equal(ok, rows[i].dir != NULL);
		if (ok && !str_eq(got, str_from_z(rows[i].dir)))
			fail_msg("%s: " STR_FMT, rows[i].dir, STR_ARG(got));
	}
	memset(longest, 'a', sizeof(longest));
	assert_true(account_dir_name(str_of(longest, ACCOUNT_DIR_MAX), &a, &got, &e));
	assert_false(account_dir_name(str_of(longest, ACCOUNT_DIR_MAX + 1), &a, &got, &e));
}

static void test_linux(void **state)
{
	static const struct {
		struct linux_account l;
		bool ok;
	} rows[] = {
		{ { S("nad"), 1000, 1000, S("/home/nad"), S("/bin/sh") }, true },
		{ { S("nad"), 999, 999, S("/home/nad"), S("/bin/sh") }, false },
		{ { S("nad"), 0, 0, S("/root"), S("/bin/sh") }, false },
		{ { S("nad"), 65534, 1000, S("/home/nad"), S("") }, false },
		{ { S("nad"), UINT32_MAX, 1000, S("/home/nad"), S("") }, false },
		{ { S("nad"), 1000, 0, S("/home/nad"), S("") }, false },
		{ { S("other"), 1000, 1000, S("/home/nad"), S("") }, false },
		{ { S("nad"), 1000, 1000, S("home/nad"), S("") }, false },
		{ { S("nad"), 1000, 1000, S(""), S("") }, false },
		{ { S("nad"), 1000, 1000, S("/"), S("") }, false },
		{ { S("nad"), 1000, 1000, S("/home/../etc"), S("") }, false },
		{ { S("nad"), 1000, 1000, S("/home\0/x"), S("") }, false },
		{ { S("nad"), 1000, 1000, S("/nonexistent"), S("") }, false },
	};
	static const struct {
		struct str name;
		bool ok;
	} names[] = {
		{ S("a"), true }, { S("_x-1.y"), true }, { S("abcdefghijklmnopqrstuvwxyz012345"), true },
		{ S("abcdefghijklmnopqrstuvwxyz0123456"), false }, { S(""), false }, { S("Nad"), false },
		{ S("1a"), false }, { S("-a"), false }, { S(".a"), false }, { S("a/b"), false },
		{ S("a\0"), false }, { S("a b"), false }, { S("\xc3\xa9"), false },
	};
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (linux_account_check(&rows[i].l, S("nad"), &e) != rows[i].ok)
			fail_msg("account row %zu", i);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (linux_name_is_valid(names[i].name) != names[i].ok)
			fail_msg("name row %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test_setup_teardown(test_sqlite, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_refused, make_dir, remove_dir),
		cmocka_unit_test(test_texts), cmocka_unit_test(test_dir_names), cmocka_unit_test(test_linux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
