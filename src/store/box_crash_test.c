/* box_crash_test.c — states on disk that a crash leaves, each with its recovery, and what the journal must be
 * asked before a letter moves. */
#include "store/box_world.h"

/* A process of ours was killed while it held the lock: the next one does not wait for two minutes. */
static void test_lock_left(void **state)
{
	int64_t began = time_mono();

	(void)state;
	assert_int_equal(put("", "a", 0, (struct str){ 0 }), 1);
	close(openat(home, "Maildir/dovecot-uidlist.lock", O_WRONLY | O_CREAT | O_EXCL, 0400));
	assert_int_equal(put("", "b", 0, (struct str){ 0 }), 2);
	assert_true(time_mono() - began < 4 * SECOND);
	assert_int_equal(faccessat(home, "Maildir/dovecot-uidlist.lock", F_OK, 0), -1);
}

/* A crash came between the making of a folder's directory and of what it holds. */
static void test_folder_begun(void **state)
{
	struct box *b;

	(void)state;
	OK(folder_create(store, S("Whole"), FOLDER_PLAIN, &e));
	assert_int_equal(mkdirat(home, "Maildir/.Half", 0700), 0);
	assert_int_equal(mkdirat(home, "Maildir/.Half/tmp", 0700), 0);
	assert_int_equal(put("Half", "a", 0, (struct str){ 0 }), 1);
	b = box_at("Half");
	assert_int_equal(box_count(b), 1);
	box_close(b);
	OK(folder_delete(store, S("Half"), S("test"), &e));
}

/* A deletion that was cut off is finished by the next. */
static void test_deleted_left(void **state)
{
	(void)state;
	OK(folder_create(store, S("One"), FOLDER_PLAIN, &e));
	assert_int_equal(put("One", "a", 0, (struct str){ 0 }), 1);
	assert_int_equal(mkdirat(home, "Maildir/waxwing/deleted.0123456789abcdef", 0700), 0);
	assert_int_equal(mkdirat(home, "Maildir/waxwing/deleted.0123456789abcdef/cur", 0700), 0);
	OK(folder_delete(store, S("One"), S("test"), &e));
	assert_int_equal(names_in("Maildir/waxwing", "deleted"), 0);
}

/* What is told may be ahead of what the cache has: after a crash, and after a power cut that took the last
 * flags, MODSEQ goes on above it.  After a good end it stays where it was. */
static void test_modseq_grows(void **state)
{
	struct flags_change seen = { .how = FLAGS_ADD, .flags = LETTER_SEEN };
	uint64_t told, rest;
	struct box *b;

	(void)state;
	assert_int_equal(put("", "a", 0, (struct str){ 0 }), 1);
	OK(store_settle(store, &e));
	b = box_at("");
	OK(box_store(b, (uint32_t[]){ 1 }, 1, &seen, &me, NULL, NULL, &e));
	told = box_modseq(b);
	box_close(b);
	/* the line of the flag log was not synced */
	assert_int_equal(truncate_flags(), 0);
	restart();
	b = box_at("");
	assert_true(box_modseq(b) > told);
	rest = box_modseq(b);
	box_close(b);
	OK(store_settle(store, &e));
	store_rest(store);
	restart();
	b = box_at("");
	assert_true(box_modseq(b) == rest);
	box_close(b);
}

/* Guard: who asks is given the names of deliveries and others alike, and a no keeps the letter where it is. */
static struct {
	size_t n;
	bool says_no;
} guard;

static bool guard_fn(void *arg, struct str folder, const struct str *bases, size_t n, struct err *ret)
{
	(void)arg, (void)folder;
	for (size_t i = 0; i < n; i++)
		assert_true(bases[i].n && !str_has(bases[i], ','));
	guard.n += n;
	if (guard.says_no)
		*ret = (struct err){ .fault = FAULT_TEMP };
	return !guard.says_no;
}

static void test_guard(void **state)
{
	struct arena a = { 0 };
	struct copied done;
	struct box *b;

	(void)state;
	OK(folder_create(store, S("Other"), FOLDER_PLAIN, &e));
	for (int i = 0; i < 3; i++)
		put("", "a", 0, (struct str){ 0 });
	b = box_at("");
	store_guard(store, guard_fn, NULL);
	guard.says_no = true;
	assert_false(box_copy(b, (uint32_t[]){ 1, 2 }, 2, S("Other"), true, &me, &a, &done, &e));
	assert_false(box_expunge(b, (uint32_t[]){ 3 }, 1, true, &me, &e));
	box_close(b);
	assert_false(folder_delete(store, S(""), S("test"), &e));
	b = box_at("");
	assert_int_equal(box_count(b), 3);
	assert_int_equal(guard.n, 3);
	guard.says_no = false;
	OK(box_copy(b, (uint32_t[]){ 1, 2 }, 2, S("Other"), true, &me, &a, &done, &e));
	box_close(b);
	guard.says_no = true;
	assert_false(folder_rename(store, S("Other"), S("Else"), S("test"), &e));
	guard.says_no = false;
	guard.n = 0;
	OK(folder_rename(store, S("Other"), S("Else"), S("test"), &e));
	assert_int_equal(guard.n, 2);
	arena_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lock_left), TEST(test_folder_begun), TEST(test_deleted_left),
		TEST(test_modseq_grows), TEST(test_guard),
	};

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
