/* folder_test.c — folders of an account, its quota, what was expunged, and the verification of all. */
#include "store/box_world.h"

/* ---- folders ---- */

static const struct folder_row *row_of(struct arena *a, const char *name)
{
	struct folder_row *rows = NULL;
	size_t n = 0;

	OK(folder_list(store, a, &rows, &n, &e));
	for (size_t i = 0; i < n; i++)
		if (str_eq(rows[i].name, str_from_z(name)))
			return &rows[i];
	return NULL;
}

static const struct {
	const char *make, *name;
	enum folder_use use, is;
} uses[] = {
	{ "Sent Items", "Sent Items", FOLDER_PLAIN, FOLDER_SENT },
	{ "Sent", "Sent Items", FOLDER_PLAIN, FOLDER_PLAIN },
	{ NULL, "Sent", FOLDER_PLAIN, FOLDER_SENT },
	{ "Geschickt", "Geschickt", FOLDER_SENT, FOLDER_SENT },
	{ NULL, "Sent", FOLDER_PLAIN, FOLDER_PLAIN },
	{ "INBOX.Spam", "INBOX.Spam", FOLDER_PLAIN, FOLDER_JUNK },
	{ "INBOX.Not Spam", "INBOX.Not Spam", FOLDER_PLAIN, FOLDER_PLAIN },
	{ "Work.Trash", "Work.Trash", FOLDER_PLAIN, FOLDER_PLAIN },
	{ "Deleted Items", "Deleted Items", FOLDER_PLAIN, FOLDER_TRASH },
};

static void test_uses(void **state)
{
	struct arena a = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		if (uses[i].make)
			OK(folder_create(store, str_from_z(uses[i].make), uses[i].use, &e));
		assert_int_equal(row_of(&a, uses[i].name)->use, uses[i].is);
	}
	assert_false(row_of(&a, "Work")->exists);
	assert_true(row_of(&a, "Work")->has_children);
	assert_true(row_of(&a, "")->has_children);
	assert_false(row_of(&a, "Sent")->has_children);
	arena_end(&a);
}

/* A verb, and what it says. */
static const struct {
	char verb;                       /* c create, d delete, r rename, s subscribe, u unsubscribe */
	const char *a, *b;
	int sys;
} verbs[] = {
	{ 'c', "A", NULL, 0 }, { 'c', "A", NULL, EEXIST }, { 'c', "", NULL, EEXIST },
	{ 'c', "inbox", NULL, EEXIST }, { 'c', "A..B", NULL, EINVAL }, { 'c', ".A", NULL, EINVAL },
	{ 'c', "A.", NULL, EINVAL }, { 'c', "A/B", NULL, EINVAL }, { 'c', "../A", NULL, EINVAL },
	{ 'c', "A\nB", NULL, EINVAL }, { 'c', "A.B.C", NULL, 0 }, { 'd', "", NULL, EPERM },
	{ 'd', "Nowhere", NULL, ENOENT }, { 'r', "A", "A", EEXIST }, { 'r', "A", "A.B.D", EINVAL },
	{ 'r', "Nowhere", "X", ENOENT }, { 'r', "A", "Z", 0 }, { 'c', "A", NULL, 0 },
	{ 'r', "A", "Z.B.C", EEXIST }, { 'd', "Z.B.C", NULL, 0 }, { 's', "Z", NULL, 0 },
	{ 's', "Elsewhere", NULL, 0 }, { 's', "Z", NULL, 0 }, { 'u', "Z", NULL, 0 },
	{ 'u', "never", NULL, 0 }, { 's', "", NULL, 0 },
};

static void test_folder_verbs(void **state)
{
	struct arena a = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		struct str x = str_from_z(verbs[i].a), y = str_from_z(verbs[i].b);
			bool ok = verbs[i].verb == 'c' ? folder_create(store, x, FOLDER_PLAIN, &e) :
			  verbs[i].verb == 'd' ? folder_delete(store, x, S("test"), &e) :
			  verbs[i].verb == 'r' ? folder_rename(store, x, y, S("test"), &e) :
						 folder_subscribe(store, x, verbs[i].verb == 's', &e);

		if (ok != !verbs[i].sys || (!ok && e.sys != verbs[i].sys))
			fail_msg("row %zu: %c %s: %s (%d)", i, verbs[i].verb, verbs[i].a, e.text, e.sys);
	}
	assert_true(row_of(&a, "Z")->exists);
	assert_false(row_of(&a, "Z")->is_subscribed);
	assert_true(row_of(&a, "")->is_subscribed);
	assert_true(row_of(&a, "Elsewhere")->is_subscribed);
	assert_false(row_of(&a, "Elsewhere")->exists);
	assert_null(row_of(&a, "Z.B.C"));
	arena_end(&a);
}

/* Letters, UIDs and sessions over a rename; a deleted folder's letters; one made anew. */
static void test_folder_letters(void **state)
{
	struct box *b, *child;
	uint32_t validity;

	(void)state;
	OK(folder_create(store, S("A.B"), FOLDER_PLAIN, &e));
	OK(folder_create(store, S("A"), FOLDER_PLAIN, &e));
	put("A.B", "x\r\n", 0, S("work"));
	put("A", "y\r\n", 0, S(""));
	b = box_at("A");
	child = box_at("A.B");
	validity = box_uidvalidity(child);
	store_flags(child, FLAGS_ADD, LETTER_SEEN, 1, 1);
	OK(folder_rename(store, S("A"), S("Z"), S("test"), &e));
	assert_true(str_eq(box_folder(child), S("Z.B")));
	assert_int_equal(put("Z.B", "z\r\n", 0, S("")), 2);
	assert_int_equal(box_count(child), 2);
	assert_true(box_is_there(child));
	box_close(child);
	restart();
	b = NULL;
	child = box_at("Z.B");
	assert_int_equal(box_uidvalidity(child), validity);
	assert_int_equal(box_find(child, 1)->flags, LETTER_SEEN);
	OK(folder_delete(store, S("Z.B"), S("test"), &e));
	assert_false(box_is_there(child));
	assert_false(box_sync(child, false, NULL, &e));
	box_close(child);
	assert_int_equal(names_in("Maildir/waxwing/gone", ""), 2);
	assert_int_equal(names_in("Maildir/waxwing", "deleted"), 0);
	OK(folder_create(store, S("Z.B"), FOLDER_PLAIN, &e));
	b = box_at("Z.B");
	assert_true(box_uidvalidity(b) > validity);
	assert_int_equal(box_count(b), 0);
	box_close(b);
	/* INBOX gives its letters and stays */
	put("", "in\r\n", 0, S("k"));
	OK(folder_rename(store, S(""), S("Old"), S("test"), &e));
	b = box_at("Old");
	assert_int_equal(box_count(b), 1);
	box_close(b);
	b = box_at("");
	assert_int_equal(box_count(b), 0);
	assert_int_equal(box_uidnext(b), 2);
	box_close(b);
}

/* ---- quota ---- */

static void test_quota(void **state)
{
	struct quota q = { 0 };
	struct box *b;

	(void)state;
	quota_limits(store, 100, 3);
	put("", "12345678\r\n", 0, S(""));
	OK(quota_read(store, &q, &e));
	assert_int_equal(q.bytes, 9);
	assert_int_equal(q.letters, 1);
	put("", "12345678\r\n", 0, S(""));
	OK(quota_read(store, &q, &e));
	assert_int_equal(q.bytes, 18);
	assert_true(quota_check(store, 82, 1, &e));
	assert_false(quota_check(store, 83, 1, &e));
	assert_int_equal(e.sys, EDQUOT);
	assert_false(quota_check(store, 1, 2, &e));
	b = box_at("");
	OK(box_expunge(b, (uint32_t[]){ 1 }, 1, true, &me, &e));
	box_close(b);
	OK(quota_read(store, &q, &e));
	assert_int_equal(q.bytes, 9);
	assert_int_equal(q.letters, 1);
}

/* ---- gone, verify ---- */

static void test_gone(void **state)
{
	struct arena a = { 0 };
	struct gone_row *rows;
	struct box *b;
	size_t n;

	(void)state;
	OK(gone_list(store, &a, &rows, &n, &e));
	assert_int_equal(n, 0);
	OK(folder_create(store, S("Old.Mail"), FOLDER_PLAIN, &e));
	put("Old.Mail", "x\r\n", LETTER_SEEN, S(""));
	put("Old.Mail", "y\r\n", 0, S(""));
	OK(folder_delete(store, S("Old.Mail"), S("me"), &e));
	file_at("Maildir/waxwing/gone/stray", "nobody knows");
	OK(gone_list(store, &a, &rows, &n, &e));
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		bool stray = str_eq(rows[i].name, S("stray"));

		assert_true(str_eq(rows[i].folder, stray ? S("") : S("Old.Mail")));
		assert_true(str_eq(rows[i].who, stray ? S("-") : S("me")));
		assert_true(stray || rows[i].uid == 1 || rows[i].uid == 2);
		OK(gone_restore(store, rows[i].name, S(""), S("me"), &e));
	}
	assert_false(gone_restore(store, rows[0].name, S(""), S("me"), &e));
	assert_int_equal(e.sys, ENOENT);
	assert_false(gone_restore(store, S("../cur/x"), S(""), S("me"), &e));
	assert_int_equal(e.sys, EINVAL);
	b = box_at("Old.Mail");
	assert_int_equal(box_count(b), 2);
	assert_int_equal(box_find(b, 1)->flags | box_find(b, 2)->flags, LETTER_SEEN);
	OK(box_expunge(b, (uint32_t[]){ 1 }, 1, true, &me, &e));
	box_close(b);
	OK(gone_empty(store, time_now(), DAY, &n, &e));
	assert_int_equal(n, 0);
	OK(gone_empty(store, time_now() + 2 * DAY, DAY, &n, &e));
	assert_int_equal(n, 1);
	arena_end(&a);
}

static void test_verify(void **state)
{
	struct buf report = buf_on_heap(10000);
	AUTO(fd_end) int fd = -1;
	struct verify v;
	struct box *b;
	char path[300];

	(void)state;
	for (int i = 0; i < 3; i++)
		put("", "x\r\n", 0, S(""));
	OK(store_verify(store, false, &v, &report, &e));
	assert_int_equal(v.letters, 3);
	assert_int_equal(v.no_file + v.bad_lines + v.doubles + v.wrong_size + v.unreadable + report.n, 0);
	/* no UID; lines without a file, damaged lines; twice; S= wrong */
	store_close(store);
	file_at("Maildir/new/1900000000.n.h", "new\n");
	fd = openat(home, "Maildir/dovecot-uidlist", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "x\n9 :1.lost\n", 13), 13);
	name_of("Maildir/cur", "Q1.", path);
	path[strlen(path) - 3] = '\0';
	strncat(path, ":2,F", 5);
	file_at(path, "x\n");
	file_at("Maildir/cur/1900000001.w.h,S=99:2,", "x\n");
	open_store();
	OK(store_verify(store, true, &v, &report, &e));
	assert_int_equal(v.doubles, 1);
	assert_int_equal(v.wrong_size, 1);
	assert_true(report.n > 0);
	b = box_at("");
	assert_int_equal(box_count(b), 6);
	assert_int_equal(box_letters(b)[4].size + box_letters(b)[3].size, 6);
	box_close(b);
	OK(store_verify(store, false, &v, NULL, &e));
	assert_int_equal(v.no_uid + v.no_file + v.bad_lines + v.doubles, 0);
	buf_end(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_uses), TEST(test_folder_verbs), TEST(test_folder_letters),
		TEST(test_quota), TEST(test_gone), TEST(test_verify),
	};

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
