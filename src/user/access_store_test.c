/* access_store_test.c — bans, known clients and app passwords outlive the process. */
#include "base/attr.h"
#include "user/access_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include <cmocka.h>

static char dir[64];

static const char *const leavings[] = { "access.db", "access.db-wal", "access.db-shm" };

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/access-test-XXXXXX");
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

static struct access_store *must_open(void)
{
	struct err e = { 0 };
	struct access_store *s = access_store_open(dir, &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static void test_secret(void **state)
{
	uint8_t first[ACCESS_SECRET], again[ACCESS_SECRET], zero[ACCESS_SECRET] = { 0 };
	struct access_store *s = must_open();
	struct stat st;
	char path[128];
	struct err e;

	(void)state;
	assert_true(access_secret(s, first, &e));
	access_store_close(s);
	s = must_open();
	assert_true(access_secret(s, again, &e));
	access_store_close(s);
	assert_memory_equal(first, again, ACCESS_SECRET);
	assert_memory_not_equal(first, zero, ACCESS_SECRET);
	snprintf(path, sizeof(path), "%s/access.db", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_bans(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	const struct ban_entry rows[] = {
		{ .id = 7, .what = S("192.0.2.7"), .added = 5, .by = BAN_BY_SERVER, .reason = S("20 failed logins"), .expires = 99 },
		{ .id = 9, .what = S("192.0.2.7"), .added = 9, .by = S("root"), .ends = 7 },
		{ .id = 12, .what = S("192.0.2.0/24"), .by = S("root"), .expires = 90 },
	};
	const struct ban_entry hits = { .id = 7, .hits = 12, .last_hit = 77 };
	struct ban_entry list[4];
	struct access_store *s = must_open();
	int64_t last = -1;
	struct err e;
	size_t n;

	(void)state;
	assert_true(bans_last_id(s, &last, &e) && last == 0);
	assert_true(bans_add(s, rows, 2, &e));
	assert_false(bans_add(s, &rows[1], 2, &e));      /* all or none */
	assert_true(bans_set_hits(s, &hits, 1, &e));
	access_store_close(s);
	s = must_open();
	assert_true(ban_entries(s, 0, 4, &a, list, &n, &e));
	assert_int_equal(n, 2);          /* the end of a ban deletes nothing */
	assert_true(str_eq(list[0].what, S("192.0.2.7")) && str_eq(list[0].reason, S("20 failed logins")));
	assert_int_equal(list[0].hits, 12);
	assert_int_equal(list[0].last_hit, 77);
	assert_int_equal(list[0].expires, 99);
	assert_int_equal(list[1].ends, 7);
	assert_true(ban_entries(s, 7, 4, &a, list, &n, &e) && n == 1);
	assert_true(bans_add(s, &rows[2], 1, &e));
	assert_true(bans_forget(s, 99, &e) && ban_entries(s, 0, 4, &a, list, &n, &e) && n == 3);
	assert_true(bans_forget(s, 100, &e));            /* the server's alone */
	assert_true(ban_entries(s, 0, 4, &a, list, &n, &e) && n == 2);
	assert_true(list[0].id == 9 && list[1].id == 12);
	assert_true(bans_last_id(s, &last, &e) && last == 12);
	access_store_close(s);
}

static void test_known(void **state)
{
	struct known_client k = { .last = 100 }, list[4];
	struct access_store *s = must_open();
	struct err e;
	size_t n;

	(void)state;
	k.client.b[15] = 1;
	assert_true(known_put(s, &k, &e));
	k.last = 50;                     /* never back */
	assert_true(known_put(s, &k, &e));
	k.client.b[15] = 2;
	assert_true(known_put(s, &k, &e));
	assert_true(known_clients(s, 0, 4, list, &n, &e) && n == 2);
	assert_int_equal(list[0].last, 100);
	assert_true(known_forget(s, 100, &e));
	assert_true(known_clients(s, 0, 4, list, &n, &e) && n == 1);
	assert_int_equal(list[0].client.b[15], 1);
	access_store_close(s);
}

static void test_app_passwords(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct app_password p = { .account = S("alice@example.org"), .label = S("phone"), .created = 3, .by = S("root"),
				  .verifier = { .iterations = 4096, .salt = { 1 }, .stored_key = { 2 }, .server_key = { 3 } } };
	static struct app_password list[APP_PASSWORDS_MAX];
	struct access_store *s = must_open();
	bool exists;
	uint32_t gone;
	struct err e;
	size_t n;

	(void)state;
	assert_true(app_password_add(s, &p, &exists, &e) && !exists);
	assert_true(app_password_add(s, &p, &exists, &e) && exists);
	p.label = S("laptop");
	assert_true(app_password_add(s, &p, &exists, &e) && !exists);
	p.account = S("bob@example.org");
	assert_true(app_password_add(s, &p, &exists, &e) && !exists);
	assert_true(app_passwords(s, S("alice@example.org"), 0, &a, list, &n, &e) && n == 2);
	assert_memory_equal(&list[1].verifier, &p.verifier, sizeof(p.verifier));
	assert_true(app_password_used(s, list[1].id, 44, &e));
	assert_true(app_passwords(s, S(""), 0, &a, list, &n, &e) && n == 3);
	assert_int_equal(list[1].last_used, 44);
	assert_true(app_password_remove(s, S("alice@example.org"), S("phone"), &gone, &e) && gone == 1);
	assert_true(app_password_remove(s, S("alice@example.org"), S("phone"), &gone, &e) && gone == 0);
	assert_true(app_password_remove(s, S("alice@example.org"), S(""), &gone, &e) && gone == 1);
	assert_true(app_passwords(s, S(""), 0, &a, list, &n, &e) && n == 1);
	access_store_close(s);
}

/* A newer version and a foreign file are left alone. */
static void test_refused(void **state)
{
	static const struct {
		const char *sql, *says;
	} rows[] = {
		{ "PRAGMA user_version = 2", "use the newer one" },
		{ "PRAGMA application_id = 77", "is not a file of bans" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = { 0 };
		char path[128];
		sqlite3 *db;

		access_store_close(must_open());
		snprintf(path, sizeof(path), "%s/access.db", dir);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, rows[i].sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		assert_null(access_store_open(dir, &e));
		if (!strstr(e.text, rows[i].says))
			fail_msg("%s", e.text);
		for (size_t k = 0; k < ARRAY_LEN(leavings); k++) {
			snprintf(path, sizeof(path), "%s/%s", dir, leavings[k]);
			unlink(path);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_secret, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_bans, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_known, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_app_passwords, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_refused, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
