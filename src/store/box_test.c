/* box_test.c — folders, boxes and views on a Maildir: what sessions see, what lies on disk, what
 * other programs and crashes do to it. */
#include "store/box.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/fd.h"
#include "store/folder.h"
#include "store/gone.h"
#include "store/maildir_name.h"
#include "store/quota.h"
#include "store/verify.h"
#include "store/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char home_path[64];
static int home = -1;
static struct store *store;
static struct err e;
static const struct by me = { { "test", 4 } };

static void open_store(void)
{

	assert_true(maildir_open(home, S("Maildir"), &store, &e));
}

static int setup(void **state)
{
	(void)state;
	snprintf(home_path, sizeof(home_path), "/tmp/box-test-XXXXXX");
	assert_non_null(mkdtemp(home_path));
	home = open(home_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(home >= 0);
	open_store();
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	store_close(store);
	close(home);
	nftw(home_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* The process ends without a word, and another begins. */
static void restart(void)
{
	store_close(store);
	open_store();
}

#define OK(call) \
	do { \
		e = (struct err){ 0 }; \
		if (!(call)) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

static struct box *box_at(const char *folder)
{
	struct box *b = NULL;

	OK(box_open(store, str_from_z(folder), &b, &e));
	return b;
}

static uint32_t put(const char *folder, const char *body, uint8_t flags, struct str keyword)
{
	struct append_facts f = { .flags = flags, .keywords = { keyword }, .n_keywords = keyword.n ? 1 : 0,
				  .date = 1500000000 };
	uint32_t validity = 0, uid = 0;
	struct append *a = NULL;

	OK(append_open(store, str_from_z(folder), &me, &a, &e));
	OK(append_letter(a, &f, &e));
	OK(append_bytes(a, str_from_z(body), &e));
	OK(append_commit(a, &validity, &uid, &e));
	append_close(a);
	return uid;
}

static size_t names_in(const char *dir, const char *with)
{
	int fd = openat(home, dir, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	size_t n = 0;

	while (d && (ent = readdir(d)))
		n += ent->d_name[0] != '.' && strstr(ent->d_name, with);
	if (d)
		closedir(d);
	return n;
}

static void name_of(const char *dir, const char *with, char to[static 300])
{
	int fd = openat(home, dir, O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	struct dirent *ent;

	to[0] = '\0';
	while ((ent = readdir(d)))
		if (ent->d_name[0] != '.' && strstr(ent->d_name, with))
			snprintf(to, 300, "%s/%s", dir, ent->d_name);
	closedir(d);
	assert_true(to[0] != '\0');
}

static void file_at(const char *path, const char *text)
{
	int fd = openat(home, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void look(struct box *b)
{
	OK(box_sync(b, false, NULL, &e));
}

static void store_flags(struct box *b, enum flags_how how, uint8_t flags, uint32_t first, uint32_t last)
{
	struct flags_change c = { .how = how, .flags = flags };
	uint32_t uids[64];
	size_t n = 0;

	while (first <= last)
		uids[n++] = first++;
	OK(box_store(b, uids, n, &c, &me, NULL, NULL, &e));
}

/* ---- append ---- */

static void test_append(void **state)
{
	struct buf back = buf_on_heap(1 << 20);
	const struct letter *l;
	struct box *b;
	char path[300];
	struct stat st;

	(void)state;
	assert_int_equal(put("", "a: b\r\n\r\nx\r\n", LETTER_SEEN | LETTER_DRAFT, S("$Work")), 1);
	assert_int_equal(put("", "second\r\n", 0, S("")), 2);
	b = box_at("");
	assert_int_equal(box_count(b), 2);
	assert_int_equal(box_uidnext(b), 3);
	l = box_find(b, 1);
	assert_int_equal(l->flags, LETTER_SEEN | LETTER_DRAFT);
	assert_int_equal(l->keywords, 1);
	assert_true(str_eq(box_keyword(b, 0), S("$Work")));
	assert_int_equal(l->size, 8);
	assert_int_equal(l->vsize, 11);
	assert_int_equal(l->date, 1500000000);
	name_of("Maildir/cur", ",S=8,W=11:2,DSa", path);
	assert_int_equal(fstatat(home, path, &st, 0), 0);
	assert_int_equal(st.st_mtime, 1500000000);
	assert_int_equal(names_in("Maildir/tmp", ""), 0);
	OK(box_letter_read(b, 1, &back, &e));
	assert_true(str_eq(buf_str(&back), S("a: b\r\n\r\nx\r\n")));
	assert_true(box_find(b, 2)->modseq > l->modseq);
	buf_end(&back);
	box_close(b);
}

static void test_multiappend(void **state)
{
	struct append_facts f = { 0 };
	uint32_t validity, first = 0;
	struct append *a;
	struct box *b;

	(void)state;
	OK(append_open(store, S(""), &me, &a, &e));
	for (int i = 0; i < 100; i++) {
		OK(append_letter(a, &f, &e));
		OK(append_bytes(a, S("x\r\n"), &e));
	}
	OK(append_commit(a, &validity, &first, &e));
	append_close(a);
	assert_int_equal(first, 1);
	/* one that is not committed leaves nothing */
	OK(append_open(store, S(""), &me, &a, &e));
	OK(append_letter(a, &f, &e));
	OK(append_bytes(a, S("x\r\n"), &e));
	append_close(a);
	b = box_at("");
	assert_int_equal(box_count(b), 100);
	assert_int_equal(names_in("Maildir/cur", ""), 100);
	assert_int_equal(names_in("Maildir/tmp", ""), 0);
	box_close(b);
}

static void test_append_nowhere(void **state)
{
	struct append *a = NULL;

	(void)state;
	assert_false(append_open(store, S("Nowhere"), &me, &a, &e));
	assert_int_equal(e.sys, ENOENT);
	assert_false(append_open(store, S("../x"), &me, &a, &e));
	assert_int_equal(e.sys, EINVAL);
}

/* ---- what stays over a restart ---- */

static void test_restart(void **state)
{
	uint32_t validity;
	uint64_t modseq;
	struct box *b;
	char id[33];

	(void)state;
	put("", "1\r\n", 0, S(""));
	put("", "2\r\n", LETTER_FLAGGED, S("work"));
	put("", "3\r\n", 0, S(""));
	b = box_at("");
	validity = box_uidvalidity(b);
	snprintf(id, sizeof(id), STR_FMT, STR_ARG(box_id(b)));
	store_flags(b, FLAGS_ADD, LETTER_SEEN, 1, 1);
	OK(box_expunge(b, &(uint32_t){ 3 }, 1, true, &me, &e));
	modseq = box_modseq(b);
	for (int round = 0; round < 3; round++) {
		box_close(b);
		if (round == 1)
			OK(store_settle(store, &e));
		restart();
		/* the third time without its cache */
		if (round == 2) {
			unlinkat(home, "Maildir/waxwing/cache.db", 0);
			unlinkat(home, "Maildir/waxwing/cache.db-wal", 0);
		}
		b = box_at("");
		assert_int_equal(box_uidvalidity(b), validity);
		assert_true(str_eq(box_id(b), str_from_z(id)));
		assert_int_equal(box_uidnext(b), 4);
		assert_int_equal(box_count(b), 2);
		assert_int_equal(box_find(b, 1)->flags, LETTER_SEEN);
		assert_int_equal(box_find(b, 2)->flags, LETTER_FLAGGED);
		assert_int_equal(box_find(b, 2)->keywords, 1);
		assert_true(box_modseq(b) >= modseq);
		modseq = box_modseq(b);
	}
	assert_int_equal(names_in("Maildir/cur", ":2,S"), 1);
	assert_int_equal(names_in("Maildir/waxwing/gone", ""), 1);
	assert_int_equal(put("", "4\r\n", 0, S("")), 4);
	box_close(b);
}

/* Flags are in force at once; the process dies before the names follow. */
static void test_flags_survive(void **state)
{
	struct box *b;

	(void)state;
	for (int i = 0; i < 5; i++)
		put("", "x\r\n", i == 4 ? LETTER_DRAFT : 0, S(""));
	b = box_at("");
	store_flags(b, FLAGS_ADD, LETTER_SEEN | LETTER_FLAGGED, 1, 4);
	store_flags(b, FLAGS_REMOVE, LETTER_FLAGGED, 2, 2);
	store_flags(b, FLAGS_SET, LETTER_ANSWERED, 5, 5);
	assert_int_equal(names_in("Maildir/cur", "S"), 5);
	box_close(b);
	restart();
	b = box_at("");
	assert_int_equal(box_find(b, 1)->flags, LETTER_SEEN | LETTER_FLAGGED);
	assert_int_equal(box_find(b, 2)->flags, LETTER_SEEN);
	assert_int_equal(box_find(b, 5)->flags, LETTER_ANSWERED);
	assert_int_equal(names_in("Maildir/cur", ":2,FS"), 3);
	assert_int_equal(names_in("Maildir/cur", ":2,S"), 1);
	assert_int_equal(names_in("Maildir/cur", ":2,R"), 1);
	box_close(b);
}

static void test_unchanged_since(void **state)
{
	struct flags_change c = { .how = FLAGS_ADD, .flags = LETTER_SEEN, .has_unchanged_since = true };
	uint32_t failed[3];
	size_t n = 0;
	struct box *b;

	(void)state;
	for (int i = 0; i < 3; i++)
		put("", "x\r\n", 0, S(""));
	b = box_at("");
	c.unchanged_since = box_modseq(b);
	store_flags(b, FLAGS_ADD, LETTER_FLAGGED, 2, 2);
	OK(box_store(b, (uint32_t[]){ 1, 2, 3 }, 3, &c, &me, failed, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(failed[0], 2);
	assert_int_equal(box_find(b, 2)->flags, LETTER_FLAGGED);
	assert_int_equal(box_find(b, 3)->flags, LETTER_SEEN);
	box_close(b);
}

/* ---- copy, move, expunge ---- */

static void test_copy_move(void **state)
{
	struct arena a = { 0 };
	struct copied done;
	struct box *b, *to;
	struct stat st;
	char path[300];

	(void)state;
	OK(folder_create(store, S("Other"), FOLDER_PLAIN, &e));
	for (int i = 0; i < 4; i++)
		put("", "x\r\n", LETTER_SEEN, i == 1 ? S("blue") : S("red"));
	put("Other", "y\r\n", 0, S("blue"));
	b = box_at("");
	OK(box_copy(b, (uint32_t[]){ 2, 3, 9 }, 3, S("Other"), false, &me, &a, &done, &e));
	assert_int_equal(done.n, 2);
	assert_int_equal(done.first, 2);
	assert_int_equal(done.uids[1], 3);
	to = box_at("Other");
	assert_int_equal(done.validity, box_uidvalidity(to));
	assert_int_equal(box_count(to), 3);
	/* keywords by name, not by letter */
	assert_int_equal(box_find(to, 2)->keywords, 1 << box_keyword_find(to, S("BLUE")));
	assert_int_equal(box_find(to, 3)->keywords, 1 << box_keyword_find(to, S("red")));
	assert_int_equal(box_find(to, 2)->date, 1500000000);
	assert_string_equal(box_email_id(b, box_find(b, 2)).z, box_email_id(to, box_find(to, 2)).z);
	assert_string_not_equal(box_email_id(b, box_find(b, 2)).z, box_email_id(b, box_find(b, 1)).z);
	name_of("Maildir/.Other/cur", "-c2,", path);
	assert_int_equal(fstatat(home, path, &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	OK(box_copy(b, (uint32_t[]){ 1, 2 }, 2, S("Other"), true, &me, &a, &done, &e));
	assert_int_equal(box_count(b), 2);
	assert_int_equal(box_count(to), 5);
	assert_int_equal(names_in("Maildir/cur", ""), 2);
	/* to and fro: never an old UID */
	OK(box_copy(to, (uint32_t[]){ 4, 5 }, 2, S(""), true, &me, &a, &done, &e));
	assert_int_equal(done.first, 5);
	OK(box_copy(b, (uint32_t[]){ 5 }, 1, S(""), false, &me, &a, &done, &e));
	assert_int_equal(done.first, 7);
	assert_int_equal(box_count(b), 5);
	box_close(b);
	box_close(to);
	restart();
	b = box_at("");
	assert_int_equal(box_count(b), 5);
	assert_int_equal(box_uidnext(b), 8);
	box_close(b);
	arena_end(&a);
}

static void test_expunge(void **state)
{
	struct uid_range *gone;
	struct arena a = { 0 };
	uint64_t before;
	struct box *b;
	bool all;
	size_t n;

	(void)state;
	for (int i = 0; i < 6; i++)
		put("", "x\r\n", 0, S(""));
	b = box_at("");
	before = box_modseq(b);
	store_flags(b, FLAGS_ADD, LETTER_DELETED, 2, 4);
	OK(box_expunge(b, (uint32_t[]){ 1, 2, 3 }, 3, false, &me, &e));
	assert_int_equal(box_count(b), 4);
	OK(box_expunge(b, NULL, 0, false, &me, &e));
	OK(box_expunge(b, (uint32_t[]){ 6 }, 1, true, &me, &e));
	assert_int_equal(box_count(b), 2);
	assert_int_equal(names_in("Maildir/waxwing/gone", ""), 4);
	assert_true(box_expunged(b, before, &a, &gone, &n, &all));
	assert_false(all);
	assert_int_equal(n, 2);
	assert_int_equal(gone[0].first, 2);
	assert_int_equal(gone[0].last, 4);
	assert_int_equal(gone[1].first, 6);
	box_close(b);
	/* the same after a restart with the cache; without it nothing is known */
	OK(store_settle(store, &e));
	restart();
	b = box_at("");
	assert_true(box_expunged(b, before, &a, &gone, &n, &all));
	assert_int_equal(n, 2);
	assert_false(all);
	box_close(b);
	store_close(store);
	unlinkat(home, "Maildir/waxwing/cache.db", 0);
	unlinkat(home, "Maildir/waxwing/cache.db-wal", 0);
	open_store();
	b = box_at("");
	assert_true(box_expunged(b, before, &a, &gone, &n, &all));
	assert_true(all);
	box_close(b);
	arena_end(&a);
}

/* ---- other programs ---- */

static void test_foreign(void **state)
{
	char path[300], to[320];
	struct box *b;
	uint32_t recent;

	(void)state;
	for (int i = 0; i < 4; i++)
		put("", "x\r\n", 0, S(""));
	b = box_at("");
	/* new letters, in the order of their names */
	file_at("Maildir/new/1900000002.b.h", "second\n");
	file_at("Maildir/new/1900000001.a.h", "first\n");
	file_at("Maildir/cur/1900000000.c.h:2,FS", "zeroth\n");
	look(b);
	assert_int_equal(box_count(b), 7);
	assert_int_equal(box_find(b, 5)->flags, LETTER_FLAGGED | LETTER_SEEN);
	OK(box_learn(b, (uint32_t[]){ 6, 7 }, 2, KNOWN_ALL, &e));
	assert_int_equal(box_find(b, 6)->vsize, 7);
	assert_int_equal(box_find(b, 7)->size, 7);
	/* claimed, without other flags */
	OK(box_sync(b, true, &recent, &e));
	assert_int_equal(recent, 1);
	assert_int_equal(names_in("Maildir/new", ""), 0);
	assert_int_equal(names_in("Maildir/cur", "1900000001.a.h:2,"), 1);
	OK(box_sync(b, true, &recent, &e));
	assert_int_equal(recent, 8);
	/* flags changed, a letter removed, one moved away */
	assert_int_equal(renameat(home, "Maildir/cur/1900000001.a.h:2,", home, "Maildir/cur/1900000001.a.h:2,RSa"), 0);
	assert_int_equal(unlinkat(home, "Maildir/cur/1900000000.c.h:2,FS", 0), 0);
	name_of("Maildir/cur", "Q1.", path);
	snprintf(to, sizeof(to), "Maildir/elsewhere");
	assert_int_equal(renameat(home, path, home, to), 0);
	look(b);
	assert_int_equal(box_count(b), 5);
	assert_int_equal(box_find(b, 6)->flags, LETTER_ANSWERED | LETTER_SEEN);
	assert_null(box_find(b, 5));
	assert_null(box_find(b, 1));
	/* what comes back is a new letter */
	assert_int_equal(renameat(home, to, home, path), 0);
	look(b);
	assert_int_equal(box_count(b), 6);
	assert_null(box_find(b, 1));
	assert_non_null(box_find(b, 8));
	box_close(b);
	restart();
	b = box_at("");
	assert_null(box_find(b, 1));
	assert_non_null(box_find(b, 8));
	assert_int_equal(box_count(b), 6);
	box_close(b);
}

/* Another program renames a letter whose flags of ours wait to be written. */
static void test_foreign_and_own(void **state)
{
	struct box *b;

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	file_at("Maildir/cur/1900000000.c.h:2,", "x\n");
	look(b);
	store_flags(b, FLAGS_ADD, LETTER_SEEN, 2, 2);
	assert_int_equal(renameat(home, "Maildir/cur/1900000000.c.h:2,", home, "Maildir/cur/1900000000.c.h:2,F"), 0);
	OK(store_settle(store, &e));
	assert_int_equal(box_find(b, 2)->flags, LETTER_SEEN | LETTER_FLAGGED);
	assert_int_equal(names_in("Maildir/cur", "1900000000.c.h:2,FS"), 1);
	/* and one removes it */
	store_flags(b, FLAGS_ADD, LETTER_ANSWERED, 2, 2);
	unlinkat(home, "Maildir/cur/1900000000.c.h:2,FS", 0);
	OK(store_settle(store, &e));
	assert_int_equal(box_count(b), 1);
	box_close(b);
}

/* A folder, or all of it, is taken away under a session. */
static void test_taken_away(void **state)
{
	struct box *b;
	char path[80];

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	OK(box_sync(b, false, NULL, &e));
	snprintf(path, sizeof(path), "%s/Maildir", home_path);
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_false(box_sync(b, false, NULL, &e));
	assert_int_equal(e.sys, ENOENT);
	assert_false(box_is_there(b));
	assert_false(box_expunge(b, NULL, 0, true, &me, &e));
	box_close(b);
	/* and made anew */
	assert_int_equal(put("", "x\r\n", 0, S("")), 1);
}

static bool kept(struct box *b, unsigned kind, uint32_t uid, struct arena *a, struct str *ret)
{
	*ret = (struct str){ 0 };
	return box_kept(b, kind, &uid, 1, a, ret, &e);
}

/* A, deleted under a live session: made anew, no error. */
static void test_cache_deleted(void **state)
{
	struct arena a = { 0 };
	struct str s = { 0 };
	struct box *b;

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	box_keep(b, 7, 1, S("summary"));
	OK(kept(b, 7, 1, &a, &s));
	assert_true(str_eq(s, S("summary")));
	OK(store_settle(store, &e));
	OK(kept(b, 7, 1, &a, &s));
	assert_true(str_eq(s, S("summary")));
	OK(kept(b, 8, 1, &a, &s));
	assert_int_equal(s.n, 0);
	assert_int_equal(unlinkat(home, "Maildir/waxwing/cache.db", 0), 0);
	OK(kept(b, 7, 1, &a, &s));
	assert_int_equal(s.n, 0);
	box_keep(b, 7, 1, S("again"));
	OK(store_settle(store, &e));
	OK(kept(b, 7, 1, &a, &s));
	assert_true(str_eq(s, S("again")));
	/* damage */
	box_close(b);
	store_close(store);
	file_at("Maildir/waxwing/cache.db", "this is no database, not at all, and long enough to be looked at");
	open_store();
	b = box_at("");
	assert_int_equal(box_count(b), 1);
	box_close(b);
	arena_end(&a);
}

/* ---- the uidlist ---- */

/* What lies there, and what becomes of it: the letters a and b lie in cur/. */
static const struct {
	const char *what, *text;
	uint32_t validity;               /* 0: a new one */
	uint32_t uid_a, uid_b, next;
} uidlists[] = {
	{ "whole", "3 V77 N9 G113ce023aa1f026bcd7e000083ecc375\n3 :1.a\n5 :1.b\n", 77, 3, 5, 9 },
	{ "N lags", "3 V77 N2 G113ce023aa1f026bcd7e000083ecc375\n3 :1.a\n5 :1.b\n", 77, 3, 5, 6 },
	{ "version 1", "1 77 9\n3 1.a\n5 1.b\n", 77, 3, 5, 9 },
	{ "fields", "3 V77 N9 Xfoo\n3 W12 S9 :1.a\n5 Zodd :1.b:2,S\n", 77, 3, 5, 9 },
	{ "one missing", "3 V77 N9\n3 :1.a\n", 77, 3, 9, 10 },
	{ "last line cut", "3 V77 N9\n3 :1.a\n5 :1.", 77, 3, 9, 10 },
	{ "a line is damaged", "3 V77 N9\nx\xff :1.a\n5 :1.b\n", 77, 9, 5, 10 },
	{ "order is wrong", "3 V77 N9\n5 :1.b\n3 :1.a\n", 77, 9, 5, 10 },
	{ "one UID twice", "3 V77 N9\n5 :1.b\n5 :1.a\n", 77, 9, 5, 10 },
	{ "a name twice", "3 V77 N9\n3 :1.a\n4 :1.b\n6 :1.a\n", 77, 6, 4, 9 },
	{ "a name with a slash", "3 V77 N9\n3 :../1.a\n5 :1.b\n", 77, 9, 5, 10 },
	{ "no header", "3 :1.a\n5 :1.b\n", 0, 1, 2, 3 },
	{ "header cut", "3 V77 N", 0, 1, 2, 3 },
	{ "validity 0", "3 V0 N9\n3 :1.a\n", 0, 1, 2, 3 },
	{ "validity too big", "3 V4294967296 N9\n", 0, 1, 2, 3 },
	{ "empty", "", 0, 1, 2, 3 },
};

static void test_uidlists(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(uidlists); i++) {
		struct box *b;

		b = box_at("");
		box_close(b);
		store_close(store);
		file_at("Maildir/cur/1.a:2,S", "a\n");
		file_at("Maildir/cur/1.b:2,", "b\n");
		file_at("Maildir/dovecot-uidlist", uidlists[i].text);
		open_store();
		for (int again = 0; again < 2; again++) {
			b = box_at("");
			if (uidlists[i].validity ? box_uidvalidity(b) != uidlists[i].validity :
						   box_uidvalidity(b) < 1700000000)
				fail_msg("%s: UIDVALIDITY %u", uidlists[i].what, box_uidvalidity(b));
			if (!box_find(b, uidlists[i].uid_a) || !box_find(b, uidlists[i].uid_b) ||
			    box_uidnext(b) != uidlists[i].next || box_count(b) != 2)
				fail_msg("%s: UIDs %u %u, next %u", uidlists[i].what, box_letters(b)[0].uid,
					 box_letters(b)[1].uid, box_uidnext(b));
			assert_int_equal(box_find(b, uidlists[i].uid_a)->flags, LETTER_SEEN);
			box_close(b);
			restart();
		}
	}
}

/* A crash at each step of a rewrite: R1 and a lock that a dead process left. */
static void test_uidlist_crash(void **state)
{
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct box *b;

	(void)state;
	put("", "x\r\n", 0, S(""));
	put("", "y\r\n", 0, S(""));
	store_close(store);
	file_at("Maildir/waxwing.tmp", "3 V1 N1\n1 :half of a uidl");
	file_at("Maildir/dovecot-uidlist.lock", "4711:host");
	assert_int_equal(utimensat(home, "Maildir/dovecot-uidlist.lock", old, 0), 0);
	open_store();
	assert_int_equal(put("", "z\r\n", 0, S("")), 3);
	assert_int_equal(names_in("Maildir", ".lock"), 0);
	b = box_at("");
	assert_int_equal(box_count(b), 3);
	box_close(b);
}

/* Another program appended to the uidlist, or removed it, under us. */
static void test_uidlist_foreign(void **state)
{
	AUTO(fd_end) int fd = -1;
	struct box *b;

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	fd = openat(home, "Maildir/dovecot-uidlist", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "7 :1900000000.other.h\n", 22), 22);
	file_at("Maildir/new/1900000000.other.h", "x\n");
	look(b);
	assert_non_null(box_find(b, 7));
	assert_int_equal(put("", "y\r\n", 0, S("")), 8);
	assert_int_equal(unlinkat(home, "Maildir/dovecot-uidlist", 0), 0);
	assert_int_equal(put("", "z\r\n", 0, S("")), 9);
	box_close(b);
	restart();
	b = box_at("");
	assert_int_equal(box_count(b), 4);
	assert_non_null(box_find(b, 7));
	box_close(b);
}

/* ---- Dovecot's own ---- */

static struct str field(struct str *line)
{
	return str_cut(*line, '\t', line);
}

static const struct {
	const char *shown, *folder;
} dovecot_folders[] = {
	{ "R&D", "R&-D" }, { "\xd0\x9f\xd1\x80\xd0\xbe\xd1\x87\xd0\xb5\xd0\xb5", "&BB8EQAQ+BEcENQQ1-" },
	{ "\xd0\x9f\xd1\x80\xd0\xbe\xd1\x87\xd0\xb5\xd0\xb5/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	  "&BB8EQAQ+BEcENQQ1-.&ZeVnLIqe-" },
	{ "Lists/linux-raid", "Lists.linux-raid" }, { "Archive", "Archive" },
	{ "Archive/2024", "Archive.2024" }, { "Drafts", "Drafts" }, { "Sent", "Sent" }, { "INBOX", "" },
};

static const char *folder_shown(struct str shown)
{
	for (size_t i = 0; i < ARRAY_LEN(dovecot_folders); i++)
		if (str_eq(shown, str_from_z(dovecot_folders[i].shown)))
			return dovecot_folders[i].folder;
	fail_msg("no folder " STR_FMT, STR_ARG(shown));
	return NULL;
}

static void flags_print(const struct box *b, const struct letter *l, struct buf *to)
{
	static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };
	static const int order[] = { 1, 2, 3, 0, 4 };

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (l->flags >> order[i] & 1)
			buf_addf(to, "%s%s", to->n ? " " : "", names[order[i]]);
	for (unsigned k = 0; k < KEYWORDS_MAX; k++)
		if (l->keywords >> k & 1)
			buf_addf(to, "%s" STR_FMT, to->n ? " " : "", STR_ARG(box_keyword(b, k)));
}

static void check_dovecot_letter(struct str line)
{
	struct str mailbox = field(&line), uid = field(&line), guid = field(&line), flags = field(&line),
		   date = field(&line), size = field(&line), vsize = field(&line);
	struct buf shown = buf_over((char[300]){ 0 }, 300);
	uint64_t n = 0, want = 0;
	struct box *b;

	(void)guid;
	b = box_at(folder_shown(mailbox));
	assert_true(str_u64(uid, &n));
	assert_non_null(box_find(b, (uint32_t)n));
	OK(box_learn(b, (uint32_t[]){ (uint32_t)n }, 1, KNOWN_ALL, &e));
	flags_print(b, box_find(b, (uint32_t)n), &shown);
	if (!str_eq(buf_str(&shown), flags))
		fail_msg("uid " STR_FMT ": " STR_FMT " not " STR_FMT, STR_ARG(uid), STR_ARG(buf_str(&shown)),
			 STR_ARG(flags));
	assert_true(str_u64(size, &want) && box_find(b, (uint32_t)n)->size == want);
	assert_true(str_u64(vsize, &want) && box_find(b, (uint32_t)n)->vsize == want);
	{
		struct time_parts t = time_split(box_find(b, (uint32_t)n)->date * SECOND);
		char text[32];

		snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d", t.year, t.month, t.day, t.hour,
			 t.minute, t.second);
		assert_true(str_eq(str_from_z(text), date));
	}
	box_close(b);
}

static void check_dovecot_status(struct str line)
{
	struct str mailbox = field(&line), text[8];
	struct box_status st;
	uint64_t v[5] = { 0 };

	for (size_t i = 0; i < 8; i++)
		text[i] = field(&line);
	for (size_t i = 0; i < 5; i++)
		assert_true(str_u64(text[i], &v[i]));
	OK(box_status(store, str_from_z(folder_shown(mailbox)), &st, &e));
	assert_int_equal(st.messages, v[0]);
	assert_int_equal(st.recent, v[1]);
	assert_int_equal(st.uidnext, v[2]);
	assert_int_equal(st.uidvalidity, v[3]);
	assert_int_equal(st.unseen, v[4]);
	assert_true(str_u64(text[6], &v[0]) && st.size == v[0]);
	assert_true(str_eq(str_from_z(st.id), text[7]));
}

static void each_line(const char *path, void (*fn)(struct str line))
{
	AUTO(fd_end) int fd = open(path, O_RDONLY);
	struct str rest;
	char *text;

	assert_true(fd >= 0);
	OK(fd_slurp(fd, 1 << 20, &text, &rest.n, &e));
	rest.p = text;
	str_cut(rest, '\n', &rest);
	while (rest.n)
		fn(str_cut(rest, '\n', &rest));
	free(text);
}

static void test_dovecot(void **state)
{
	const char *root = getenv("SOURCE_ROOT");
	char dir[300], path[400], command[800];
	struct folder_row *rows;
	struct arena a = { 0 };
	size_t n, subscribed = 0;
	pid_t pid;
	int status;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/../shared/testdata/maildir-dovecot", root ? root : ".");
	if (access(dir, R_OK))
		skip();
	snprintf(command, sizeof(command), "%s/maildir.tar", dir);
	pid = fork();
	if (!pid) {
		execlp("tar", "tar", "xf", command, "-C", home_path, "--no-same-owner", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (int again = 0; again < 2; again++) {
		snprintf(path, sizeof(path), "%s/expected.tsv", dir);
		each_line(path, check_dovecot_letter);
		snprintf(path, sizeof(path), "%s/status.tsv", dir);
		each_line(path, check_dovecot_status);
		OK(folder_list(store, &a, &rows, &n, &e));
		subscribed = 0;
		/* with "Lists", which is only above another */
		assert_int_equal(n, 10);
		for (size_t i = 0; i < n; i++)
			subscribed += rows[i].is_subscribed;
		assert_int_equal(subscribed, 8);
		OK(store_settle(store, &e));
		restart();
	}
	arena_end(&a);
}

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

/* ---- keywords ---- */

static void test_keywords(void **state)
{
	struct flags_change c = { .how = FLAGS_SET };
	struct box *b;
	unsigned bit;
	char name[16];

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
		snprintf(name, sizeof(name), "key%u", i);
		OK(box_keyword_make(b, str_from_z(name), &bit, &e));
		assert_int_equal(bit, i);
		c.keywords |= UINT32_C(1) << i;
	}
	OK(box_store(b, (uint32_t[]){ 1 }, 1, &c, &me, NULL, NULL, &e));
	assert_false(box_keyword_room(b));
	assert_false(box_keyword_make(b, S("more"), &bit, &e));
	assert_int_equal(e.sys, ENOSPC);
	OK(box_keyword_make(b, S("KEY3"), &bit, &e));
	assert_int_equal(bit, 3);
	/* nobody bears key7 any more: its place is taken */
	c.keywords &= ~(UINT32_C(1) << 7);
	OK(box_store(b, (uint32_t[]){ 1 }, 1, &c, &me, NULL, NULL, &e));
	OK(store_settle(store, &e));
	OK(box_keyword_make(b, S("more"), &bit, &e));
	assert_int_equal(bit, 7);
	assert_false(box_keyword_make(b, S("\\Odd"), &bit, &e));
	assert_int_equal(e.sys, EINVAL);
	box_close(b);
	restart();
	b = box_at("");
	assert_true(str_eq(box_keyword(b, 7), S("more")));
	assert_int_equal(box_find(b, 1)->keywords, c.keywords);
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

/* ---- views ---- */

/* Two sessions; what each is told, in order. */
static void told(struct view *v, const struct by *silent, const char *expected)
{
	struct buf b = buf_over((char[300]){ 0 }, 300);
	uint32_t seq, uid;

	OK(view_follow(v, silent, &e));
	while ((seq = view_next_expunged(v, &uid)))
		buf_addf(&b, "-%u ", seq);
	if (view_take_new(v, &e))
		buf_addf(&b, "=%zu ", v->n);
	while ((seq = view_next_touched(v, &uid)))
		buf_addf(&b, "f%u ", seq);
	if (!str_eq(buf_str(&b), str_from_z(expected)))
		fail_msg("told \"" STR_FMT "\", not \"%s\"", STR_ARG(buf_str(&b)), expected);
}

static void test_views(void **state)
{
	static const struct by other = { { "other", 5 } };
	struct view v, w;
	struct box *b;

	(void)state;
	for (int i = 0; i < 6; i++)
		put("", "x\r\n", 0, S(""));
	b = box_at("");
	OK(view_init(&v, b, &e));
	OK(view_init(&w, b, &e));
	assert_int_equal(v.n, 6);
	store_flags(b, FLAGS_ADD, LETTER_SEEN, 2, 3);
	told(&v, &me, "");
	told(&w, NULL, "f2 f3 ");
	OK(box_expunge(b, (uint32_t[]){ 1, 2, 5 }, 3, true, &other, &e));
	put("", "y\r\n", 0, S(""));
	store_flags(b, FLAGS_ADD, LETTER_FLAGGED, 3, 7);
	/* not told yet: numbers stay */
	OK(view_follow(&w, NULL, &e));
	assert_int_equal(view_seq(&w, 3), 3);
	assert_int_equal(view_uid(&w, 6), 6);
	assert_int_equal(view_uid(&w, 7), 0);
	/* of the new one the client knows nothing yet */
	told(&w, NULL, "-5 -2 -1 =4 f1 f2 f3 ");
	told(&v, &me, "-5 -2 -1 =4 ");
	assert_int_equal(view_seq(&v, 7), 4);
	/* more than the log holds */
	for (int i = 0; i < 5000; i++)
		store_flags(b, i % 2 ? FLAGS_ADD : FLAGS_REMOVE, LETTER_DRAFT | LETTER_ANSWERED, 4, 4);
	OK(box_expunge(b, (uint32_t[]){ 3 }, 1, true, &other, &e));
	told(&w, NULL, "-1 f1 f2 f3 ");
	view_end(&v);
	view_end(&w);
	box_close(b);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_append), TEST(test_multiappend), TEST(test_append_nowhere), TEST(test_restart),
		TEST(test_flags_survive), TEST(test_unchanged_since), TEST(test_copy_move),
		TEST(test_expunge), TEST(test_foreign), TEST(test_foreign_and_own), TEST(test_taken_away),
		TEST(test_cache_deleted), TEST(test_uidlists), TEST(test_uidlist_crash),
		TEST(test_uidlist_foreign), TEST(test_dovecot), TEST(test_uses), TEST(test_folder_verbs),
		TEST(test_folder_letters), TEST(test_keywords), TEST(test_quota), TEST(test_gone), TEST(test_verify),
		TEST(test_views),
	};

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
