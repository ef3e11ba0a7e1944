/* box_big_test.c — a large folder: BOX_LETTERS (2,000 without it) letters; prints how long each
 * verb takes.  What is checked is that the result is right. */
#include "base/arena.h"
#include "store/box.h"
#include "store/folder.h"
#include "store/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LETTER_BYTES = 100 };

static char home_path[64];
static int home;
static struct store *store;
static size_t n_letters = 2000;
static int64_t began;
static struct err e;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

#define OK(call) \
	do { \
		e = (struct err){ 0 }; \
		if (!(call)) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

static void begin(void)
{
	began = time_mono();
}

static void print_time(const char *what)
{
	printf("# %-44s %8.1f ms\n", what, (double)(time_mono() - began) / 1000);
}

static void open_store(void)
{
	OK(maildir_open(home, S("Maildir"), &store, &e));
}

static void make_letters(void)
{
	char path[120], body[LETTER_BYTES];

	memset(body, 'x', sizeof(body));
	mkdirat(home, "Maildir", 0700);
	mkdirat(home, "Maildir/tmp", 0700);
	mkdirat(home, "Maildir/new", 0700);
	mkdirat(home, "Maildir/cur", 0700);
	for (size_t i = 0; i < n_letters; i++) {
		int fd;

		snprintf(path, sizeof(path), "Maildir/cur/%zu.M%zuP4711.mail.example.org,S=100,W=100:2,%s",
			 1700000000 + i, i * 7 % 1000000, i % 3 ? "S" : "");
		fd = openat(home, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, body, sizeof(body)), sizeof(body));
		close(fd);
	}
}

static uint32_t *all_uids(const struct box *b, size_t n)
{
	uint32_t *uids = malloc((n + 1) * sizeof(*uids));

	for (size_t i = 0; i < n; i++)
		uids[i] = box_letters(b)[i].uid;
	return uids;
}

static struct box *open_timed(const char *what)
{
	struct box *b;

	begin();
	open_store();
	OK(box_open(store, S(""), &b, &e));
	print_time(what);
	assert_int_equal(box_count(b), n_letters);
	return b;
}

static void close_all(struct box *b)
{
	box_close(b);
	store_close(store);
}

static void opening(void)
{
	struct box *b = open_timed("open, no uidlist, no cache");
	uint32_t *uids = all_uids(b, n_letters);

	begin();
	OK(box_learn(b, uids, n_letters, KNOWN_ALL, &e));
	print_time("learn dates of all");
	begin();
	OK(store_settle(store, &e));
	print_time("write the cache");
	free(uids);
	close_all(b);
	b = open_timed("open, cache, but directories are young");
	OK(store_settle(store, &e));
	sleep(3);
	/* as a minute without users does it */
	OK(box_keyword_make(b, S("again"), &(unsigned){ 0 }, &e));
	OK(box_store(b, &(uint32_t){ 1 }, 1, &(struct flags_change){ FLAGS_ADD, LETTER_PASSED, 0, false, 0 }, NULL,
		     NULL, NULL, &e));
	OK(store_settle(store, &e));
	sleep(3);
	OK(box_store(b, &(uint32_t){ 1 }, 1, &(struct flags_change){ FLAGS_REMOVE, 0, 1, false, 0 }, NULL,
		     NULL, NULL, &e));
	OK(box_learn(b, &(uint32_t){ 1 }, 1, KNOWN_ALL, &e));
	close_all(b);
}

static void summaries(struct box *b)
{
	uint32_t *uids = all_uids(b, n_letters);
	struct str *ret = calloc(n_letters, sizeof(*ret));
	struct arena a = { .limit = 1 << 30 };
	char text[600];

	memset(text, 's', sizeof(text));
	begin();
	for (size_t i = 0; i < n_letters; i++) {
		box_keep(b, 1, uids[i], str_of(text, sizeof(text)));
		if (i % 5000 == 4999)
			OK(store_settle(store, &e));
	}
	OK(store_settle(store, &e));
	print_time("put 600-byte summaries of all");
	begin();
	OK(box_kept(b, 1, uids, n_letters, &a, ret, &e));
	print_time("get them");
	for (size_t i = 0; i < n_letters; i++)
		assert_int_equal(ret[i].n, 600);
	arena_end(&a);
	free(ret);
	free(uids);
}

static void flags(struct box *b)
{
	struct flags_change c = { .how = FLAGS_ADD, .flags = LETTER_FLAGGED };
	static const struct by me = { { "bench", 5 } };
	uint32_t *uids = all_uids(b, n_letters), seq, uid;
	size_t told = 0;
	struct view v;

	OK(view_init(&v, b, &e));
	begin();
	OK(box_store(b, uids, n_letters, &c, &me, NULL, NULL, &e));
	print_time("STORE +FLAGS on all, in force");
	begin();
	OK(view_follow(&v, NULL, &e));
	while ((seq = view_next_touched(&v, &uid)))
		told++;
	print_time("another session is told of all");
	assert_int_equal(told, n_letters);
	begin();
	OK(store_settle(store, &e));
	print_time("all names follow, synced");
	begin();
	OK(box_sync(b, false, NULL, &e));
	print_time("look afterwards");
	view_end(&v);
	free(uids);
}

static void moves(struct box *b)
{
	struct arena a = { .limit = 64 << 20 };
	uint32_t *uids = all_uids(b, 1000);
	struct copied done;

	OK(folder_create(store, S("Other"), FOLDER_PLAIN, &e));
	begin();
	OK(box_copy(b, uids, 1000, S("Other"), false, NULL, &a, &done, &e));
	print_time("COPY of 1,000");
	begin();
	OK(box_copy(b, uids, 1000, S("Other"), true, NULL, &a, &done, &e));
	print_time("MOVE of 1,000");
	free(uids);
	n_letters -= 1000;
	uids = all_uids(b, 500);
	begin();
	OK(box_expunge(b, uids, 500, true, NULL, &e));
	print_time("EXPUNGE of 500");
	n_letters -= 500;
	assert_int_equal(box_count(b), n_letters);
	free(uids);
	arena_end(&a);
}

static void append_n(size_t n, size_t at_once)
{
	struct append_facts f = { 0 };
	static char body[4000];
	uint32_t validity, first;

	memset(body, 'x', sizeof(body));
	begin();
	for (size_t i = 0; i < n; i += at_once) {
		struct append *a;

		OK(append_open(store, S("Other"), NULL, &a, &e));
		for (size_t k = 0; k < at_once; k++) {
			OK(append_letter(a, &f, &e));
			OK(append_bytes(a, str_of(body, sizeof(body)), &e));
		}
		OK(append_commit(a, &validity, &first, &e));
		append_close(a);
	}
}

static void test_big(void **state)
{
	const char *n = getenv("BOX_LETTERS");
	struct box *b;

	(void)state;
	n_letters = n ? strtoul(n, NULL, 10) : n_letters;
	snprintf(home_path, sizeof(home_path), "%s/box-big-XXXXXX", getenv("BOX_DIR") ? getenv("BOX_DIR") : "/tmp");
	assert_non_null(mkdtemp(home_path));
	home = open(home_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	printf("# %zu letters\n", n_letters);
	make_letters();
	if (n)
		opening();
	else
		close_all(open_timed("open"));
	b = open_timed("open again");
	summaries(b);
	flags(b);
	moves(b);
	append_n(n ? 100 : 10, 1);
	print_time(n ? "APPEND of 100 x 4 kB, one by one" : "APPEND of 10 x 4 kB, one by one");
	append_n(n ? 1000 : 100, 100);
	print_time(n ? "APPEND of 1,000 x 4 kB, 100 at once" : "APPEND of 100 x 4 kB at once");
	close_all(b);
	close(home);
	nftw(home_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_big) };

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
