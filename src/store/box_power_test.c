/* box_power_test.c — what a power cut leaves of flags: names as they are now, for another session's sync took
 * them along, and the flag log as it was last synced.
 *
 * fdatasync() is ours here and remembers what stands in the log. */
#include "store/box_world.h"

#include "store/box_file.h"
#include "store/flag_log.h"

#include <sys/syscall.h>

#define LOG "Maildir/waxwing/flags"

static struct {
	char text[8192];
	size_t n;
} synced;
static void (*while_syncing)(void);

static size_t log_read(char *to, size_t room)
{
	AUTO(fd_end) int fd = openat(home, LOG, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, to, room);

	return n > 0 ? (size_t)n : 0;
}

static void log_write(const char *text, size_t n)
{
	AUTO(fd_end) int fd = openat(home, LOG, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(write(fd, text, n), n);
}

int fdatasync(int fd)
{
	if (while_syncing)
		while_syncing();
	synced.n = log_read(synced.text, sizeof(synced.text));
	return (int)syscall(SYS_fdatasync, fd);
}

static void power_cut(void)
{
	store_close(store);
	log_write(synced.text, synced.n);
	open_store();
}

static struct flag_log *flag_log(void)
{
	return shelf_of(store, &e)->flag_log;
}

static uint8_t flags_of(const char *folder, uint32_t uid)
{
	struct box *b = box_at(folder);
	uint8_t flags = box_find(b, uid)->flags;

	box_close(b);
	return flags;
}

/* INBOX with one letter, which was read. */
static struct box *one_seen(void)
{
	struct box *b;

	assert_int_equal(put("", "a", 0, (struct str){ 0 }), 1);
	b = box_at("");
	store_flags(b, FLAGS_ADD, LETTER_SEEN, 1, 1);
	return b;
}

/* The same, and that it was read is on the disk. */
static struct box *one_seen_synced(void)
{
	struct box *b = one_seen();

	OK(flag_log_sync(flag_log(), &e));
	return b;
}

/* Half of what was said never was: a name must not be ahead of the log. */
static void test_name_waits_for_log(void **state)
{
	struct box *b = one_seen_synced();

	(void)state;
	store_flags(b, FLAGS_SET, LETTER_ANSWERED | LETTER_FLAGGED, 1, 1);
	OK(names_follow(b, false, SIZE_MAX, &e));
	assert_int_equal(names_in("Maildir/cur", ":2,FR"), 1);
	box_close(b);
	power_cut();
	assert_int_equal(flags_of("", 1), LETTER_ANSWERED | LETTER_FLAGGED);
}

/* Changed and changed back: no name follows, but both lines are needed, or none. */
static void test_there_and_back(void **state)
{
	struct box *b = one_seen_synced();

	(void)state;
	store_flags(b, FLAGS_REMOVE, LETTER_SEEN, 1, 1);
	OK(names_follow_all(shelf_of(store, &e), &e));
	assert_true(flag_log_is_empty(flag_log()));
	box_close(b);
	power_cut();
	assert_int_equal(flags_of("", 1), 0);
}

static struct box *stored_to;

static void store_more(void)
{
	while_syncing = NULL;
	assert_true(flag_log_needs_sync(flag_log()));
	store_flags(stored_to, FLAGS_ADD, LETTER_FLAGGED, 1, 1);
}

/* What is being synced is not synced yet, and what comes meanwhile needs another time. */
static void test_sync_under_way(void **state)
{
	(void)state;
	stored_to = one_seen();
	while_syncing = store_more;
	OK(flag_log_sync(flag_log(), &e));
	assert_true(flag_log_needs_sync(flag_log()));
	OK(flag_log_sync(flag_log(), &e));
	assert_false(flag_log_needs_sync(flag_log()));
	box_close(stored_to);
}

static bool no_guard(void *arg, struct str folder, const struct str *bases, size_t n, struct err *ret)
{
	(void)arg, (void)folder, (void)bases, (void)n;
	*ret = (struct err){ .fault = FAULT_TEMP };
	return false;
}

/* Lines that cannot be emptied yet are added to where they end, not behind what was damaged. */
static void test_behind_damage(void **state)
{
	char text[1024];
	struct box *b = one_seen();
	size_t n;

	(void)state;
	box_close(b);
	n = log_read(text, sizeof(text) - 4);
	memcpy(text + n, "0123", 4);
	store_close(store);
	log_write(text, n + 4);
	open_store();
	store_guard(store, no_guard, NULL);
	b = box_at("");
	store_flags(b, FLAGS_ADD, LETTER_FLAGGED, 1, 1);
	assert_int_equal(names_in("Maildir/cur", ":2,F"), 0);
	box_close(b);
	restart();
	assert_int_equal(flags_of("", 1), LETTER_SEEN | LETTER_FLAGGED);
}

/* The file was emptied, its new bytes are on the disk and its length is not: what stood behind them is from
 * another time. */
static void test_older_lines_behind(void **state)
{
	char text[1024], old[1024];
	struct box *b = one_seen();
	size_t n, old_n;

	(void)state;
	store_flags(b, FLAGS_ADD, LETTER_FLAGGED, 1, 1);
	old_n = log_read(old, sizeof(old));
	store_flags(b, FLAGS_REMOVE, LETTER_SEEN | LETTER_FLAGGED, 1, 1);
	OK(store_settle(store, &e));
	store_flags(b, FLAGS_ADD, LETTER_ANSWERED, 1, 1);
	n = log_read(text, sizeof(text));
	assert_int_equal((old_n - 38) / 2, n - 38);
	memcpy(old, text, n);
	box_close(b);
	store_close(store);
	log_write(old, old_n);
	open_store();
	assert_int_equal(flags_of("", 1), LETTER_ANSWERED);
}

static struct {
	int n;
	char folder[64];
} warned;

static void warn(void *arg, struct str folder, const struct err *why)
{
	(void)arg, (void)why;
	warned.n++;
	snprintf(warned.folder, sizeof(warned.folder), STR_FMT, STR_ARG(folder));
}

static void restart_warned(void)
{
	restart();
	warned.n = 0;
	store_warn(store, warn, NULL);
}

/* A folder that cannot be read: its lines stay, over restarts and over what happens to other folders. */
static void test_unreadable_folder(void **state)
{
	struct flags_change gone = { .how = FLAGS_ADD, .flags = LETTER_SEEN };
	struct box *b, *good;

	(void)state;
	OK(folder_create(store, S("Bad"), FOLDER_PLAIN, &e));
	OK(folder_create(store, S("Good"), FOLDER_PLAIN, &e));
	assert_int_equal(put("Bad", "a", 0, (struct str){ 0 }), 1);
	assert_int_equal(put("Good", "a", 0, (struct str){ 0 }), 1);
	b = box_at("Bad");
	good = box_at("Good");
	store_flags(b, FLAGS_ADD, LETTER_SEEN, 1, 1);
	store_flags(good, FLAGS_ADD, LETTER_SEEN, 1, 1);
	store_flags(b, FLAGS_ADD, LETTER_FLAGGED, 1, 1);
	box_close(b);
	box_close(good);
	assert_int_equal(renameat(home, "Maildir/.Bad", home, "Maildir/aside"), 0);
	assert_int_equal(symlinkat("aside", home, "Maildir/.Bad"), 0);
	for (int i = 0; i < 2; i++) {
		restart_warned();
		assert_int_equal(flags_of("Good", 1) & LETTER_SEEN, LETTER_SEEN);
		assert_int_equal(warned.n, 1);
		assert_string_equal(warned.folder, "Bad");
		assert_int_equal(names_in("Maildir/.Good/cur", "S"), 1);
		good = box_at("Good");
		store_flags(good, i ? FLAGS_REMOVE : FLAGS_ADD, LETTER_ANSWERED, 1, 1);
		OK(store_settle(store, &e));
		assert_true(flag_log_is_empty(flag_log()));
		/* and a change that does not get into the names before the end */
		store_flags(good, i ? FLAGS_REMOVE : FLAGS_ADD, LETTER_FLAGGED, 1, 1);
		store_rest(store);
		box_close(good);
	}
	assert_false(box_open(store, S("Bad"), &b, &e));
	restart_warned();
	assert_int_equal(flags_of("Good", 1), LETTER_SEEN);
	assert_int_equal(unlinkat(home, "Maildir/.Bad", 0), 0);
	assert_int_equal(renameat(home, "Maildir/aside", home, "Maildir/.Bad"), 0);
	b = box_at("Bad");
	assert_int_equal(box_find(b, 1)->flags, LETTER_SEEN | LETTER_FLAGGED);
	gone.how = FLAGS_REMOVE;
	OK(box_store(b, (uint32_t[]){ 1 }, 1, &gone, &me, NULL, NULL, &e));
	box_close(b);
	OK(store_settle(store, &e));
	assert_int_equal(names_in("Maildir/.Bad/cur", ":2,F"), 1);
	assert_int_equal(log_read(synced.text, sizeof(synced.text)), 38);
	restart_warned();
	assert_int_equal(flags_of("Bad", 1), LETTER_FLAGGED);
	assert_int_equal(warned.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_name_waits_for_log), TEST(test_there_and_back), TEST(test_sync_under_way),
		TEST(test_behind_damage), TEST(test_older_lines_behind), TEST(test_unreadable_folder),
	};

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
