/* store_test.c — both engines hold the same promises; a hostile home harms only itself. */
#include "base/buf.h"
#include "base/fd.h"
#include "base/time.h"
#include "store/maildir.h"
#include "wire/lf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOBODY = 65534, BIG = 20 << 20 };

static char home_path[64];

static int home_new(void)
{
	int fd;

	snprintf(home_path, sizeof(home_path), "/tmp/store-test-XXXXXX");
	assert_non_null(mkdtemp(home_path));
	fd = open(home_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void home_end(int fd)
{
	close(fd);
	nftw(home_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* As where files cannot be made without a name. */
static bool use_tmp;

static struct store *open_engine(bool on_disk, int home)
{
	struct err e = { 0 };
	struct store *s = NULL;

	if (!on_disk)
		return memory_open();
	assert_true(maildir_open(home, S("Maildir"), &s, &e));
	((struct maildir *)s)->needs_tmp = use_tmp;
	return s;
}

static size_t count_names(int home, const char *dir)
{
	int fd = openat(home, dir, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	size_t n = 0;

	if (!d)
		return 0;
	while ((ent = readdir(d)))
		n += ent->d_name[0] != '.';
	closedir(d);
	return n;
}

static bool deliver(struct store *s, struct store_letter *l, const char *body)
{
	struct str part = str_from_z(body);
	struct slices_source in = slices_source(&part, 1);
	bool ok;

	l->source = &in.in;
	ok = store_deliver(s, l, 1);
	l->source = NULL;
	assert_int_equal(ok, l->done);
	return ok;
}

/* ---- line ends ---- */

static const struct {
	struct str wire, rest;
	size_t vsize;
	bool back;                       /* comes back as it was */
} lines[] = {
	{ S(""), S(""), 0, true },
	{ S("a\r\n"), S("a\n"), 3, true },
	{ S("\r\n"), S("\n"), 2, true },
	{ S("\r\n\r\na\r\n"), S("\n\na\n"), 7, true },
	{ S("no end"), S("no end"), 6, true },
	{ S("a\rb\r\n"), S("a\rb\n"), 5, true },
	{ S("a\r\r\n"), S("a\r\r\n"), 4, true },
	{ S("a\r\r\r\nb"), S("a\r\r\r\nb"), 6, true },
	{ S("\r\r\n"), S("\r\r\n"), 3, true },
	{ S("a\r"), S("a\r"), 2, true },
	{ S("\r"), S("\r"), 1, true },
	{ S("a\r\n\r"), S("a\n\r"), 4, true },
	{ S("a\nb\r\n"), S("a\nb\n"), 6, false },
	{ S("a\0b\r\n"), S("a\0b\n"), 5, true },
	{ S("\xff\r\n\xfe"), S("\xff\n\xfe"), 4, true },
};

/* Every way to cut the bytes into three pieces gives the same. */
static void test_line_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct str w = lines[i].wire;

		for (size_t a = 0; a <= w.n; a++)
			for (size_t b = a; b <= w.n; b++) {
				struct lf c = { .prev = -1 };
				char *out = malloc(w.n + 4);
				struct buf back = buf_on_heap(100);
				size_t n = lf_feed(&c, str_head(w, a), out);

				n += lf_feed(&c, str_sub(w, a, b - a), out + n);
				n += lf_feed(&c, str_from(w, b), out + n);
				n += lf_finish(&c, out + n);
				assert_true(str_eq(str_of(out, n), lines[i].rest));
				assert_int_equal(c.size, n);
				assert_int_equal(c.vsize, lines[i].vsize);
				lf_restore(str_of(out, n), &back);
				assert_int_equal(str_eq(buf_str(&back), w), lines[i].back);
				assert_int_equal(back.n, c.vsize);
				buf_end(&back);
				free(out);
			}
	}
}

/* ---- names ---- */

static const struct {
	struct str base, folder, flags;
	bool ok;
	const char *name;
} names[] = {
	{ S("1.a-0-0.h"), S(""), S(""), true, "1.a-0-0.h,S=3,W=4" },
	{ S("1.a-0-1.h"), S("Junk"), S("S"), true, "1.a-0-1.h,S=3,W=4:2,S" },
	{ S("1.a-0-2.h"), S("Lists.linux"), S("FS"), true, "1.a-0-2.h,S=3,W=4:2,FS" },
	{ S("1.a-0-3.h"), S("Entw&APw-rfe"), S("FSab"), true, "1.a-0-3.h,S=3,W=4:2,FSab" },
	{ S(""), S(""), S(""), false, NULL },
	{ S("../1"), S(""), S(""), false, NULL },
	{ S("a/b"), S(""), S(""), false, NULL },
	{ S(".a"), S(""), S(""), false, NULL },
	{ S("a:2,"), S(""), S(""), false, NULL },
	{ S("a,S=1"), S(""), S(""), false, NULL },
	{ S("a\0b"), S(""), S(""), false, NULL },
	{ S("1.b"), S("."), S(""), false, NULL },
	{ S("1.b"), S("./x"), S(""), false, NULL },
	{ S("1.b"), S("a..b"), S(""), false, NULL },
	{ S("1.b"), S(".a"), S(""), false, NULL },
	{ S("1.b"), S("a."), S(""), false, NULL },
	{ S("1.b"), S("a/b"), S(""), false, NULL },
	{ S("1.b"), S("a\nb"), S(""), false, NULL },
	{ S("1.b"), S(""), S("SF"), false, NULL },
	{ S("1.b"), S(""), S("SS"), false, NULL },
	{ S("1.b"), S(""), S("/"), false, NULL },
};

static void names_on(bool on_disk)
{
	int home = home_new();
	struct store *s = open_engine(on_disk, home);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct store_letter l = { .base = names[i].base, .folder = names[i].folder,
			.flags = names[i].flags };

		assert_int_equal(deliver(s, &l, "a\r\nb"), names[i].ok);
		if (names[i].ok)
			assert_string_equal(l.name, names[i].name);
		else
			assert_int_equal(l.err.fault, FAULT_PERM);
	}
	if (on_disk) {
		struct stat st;

		assert_int_equal(count_names(home, "Maildir/new"), 1);
		assert_int_equal(count_names(home, "Maildir/.Junk/cur"), 1);
		assert_int_equal(count_names(home, "Maildir/tmp"), 0);
		assert_int_equal(fstatat(home, "Maildir/.Junk/maildirfolder", &st, 0), 0);
		assert_int_equal(fstatat(home, "Maildir/maildirfolder", &st, 0), -1);
		assert_int_equal(fstatat(home, "Maildir/new", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
		assert_int_equal(fstatat(home, "Maildir/new/1.a-0-0.h,S=3,W=4", &st, 0), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
		assert_int_equal(st.st_size, 3);
	}
	store_close(s);
	home_end(home);
}

/* A batch: items that cannot be do not hold up the others; a row per item. */
static void batch_on(bool on_disk)
{
	int home = home_new();
	struct store *s = open_engine(on_disk, home);
	struct str part = S("x\r\n");
	struct slices_source in = slices_source(&part, 1);
	struct store_letter ls[] = {
		{ .base = S("b0"), .source = &in.in }, { .base = S("/"), .source = &in.in },
		{ .base = S("b2"), .folder = S("F"), .source = &in.in },
		{ .base = S("b3"), .folder = S(".."), .source = &in.in },
		{ .base = S("b4"), .source = &in.in },
	};

	assert_false(store_deliver(s, ls, ARRAY_LEN(ls)));
	for (size_t i = 0; i < ARRAY_LEN(ls); i++)
		assert_int_equal(ls[i].done, i != 1 && i != 3);
	assert_true(store_deliver(s, ls, 0));
	store_close(s);
	home_end(home);
}

/* ---- exactly once ---- */

static void assert_reads(struct store *s, struct str folder, struct str base, const char *body)
{
	struct buf b = buf_on_heap(1 << 20);
	struct err e = { 0 };

	assert_true(store_read(s, folder, base, &b, &e));
	assert_true(str_eq(buf_str(&b), str_from_z(body)));
	buf_end(&b);
}

static void repeated_on(bool on_disk)
{
	int home = home_new();
	struct store *s = open_engine(on_disk, home);
	struct store_letter l = { .base = S("7.id-0-0.h") };

	assert_true(deliver(s, &l, "one\r\n"));
	assert_true(deliver(s, &l, "one\r\n"));
	l.mode = STORE_REDO;
	assert_true(deliver(s, &l, "one\r\n"));
	l.mode = STORE_REWRITE;
	assert_true(deliver(s, &l, "one\r\n"));
	l.mode = STORE_FRESH;
	assert_false(deliver(s, &l, "two\r\n"));
	assert_int_equal(l.err.sys, EEXIST);
	assert_int_equal(l.err.fault, FAULT_TEMP);
	assert_reads(s, S(""), l.base, "one\r\n");
	if (on_disk) {
		assert_int_equal(count_names(home, "Maildir/new"), 1);
		assert_int_equal(count_names(home, "Maildir/tmp"), 0);
	}
	store_close(s);
	home_end(home);
}

static int put_file(int home, const char *path, const char *text)
{
	int fd = openat(home, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && !close(fd);
}

/* After a crash: what lies there, where; what redoing gives. */
static const struct {
	const char *there, *text;
	const char *after;               /* where it lies then */
} redo[] = {
	{ NULL, NULL, "Maildir/new/7.r-0-0.h,S=4,W=5" },
	{ "Maildir/tmp/7.r-0-0.h", "on", "Maildir/new/7.r-0-0.h,S=4,W=5" },
	{ "Maildir/new/7.r-0-0.h,S=4,W=5", "one\n", "Maildir/new/7.r-0-0.h,S=4,W=5" },
	{ "Maildir/new/7.r-0-0.h,S=4,W=5", "", "Maildir/new/7.r-0-0.h,S=4,W=5" },
	{ "Maildir/new/7.r-0-0.h,S=4,W=5", "onX\n", "Maildir/new/7.r-0-0.h,S=4,W=5" },
	{ "Maildir/new/7.r-0-0.h,S=4,W=5", "one\nmore", "Maildir/new/7.r-0-0.h,S=4,W=5" },
	{ "Maildir/cur/7.r-0-0.h,S=4,W=5:2,RS", "one\n", "Maildir/cur/7.r-0-0.h,S=4,W=5:2,RS" },
	{ "Maildir/cur/7.r-0-0.h,S=4,W=5:2,RS", "o", "Maildir/cur/7.r-0-0.h,S=4,W=5:2,RS" },
	{ "Maildir/cur/7.r-0-0.h:2,", "one\n", "Maildir/cur/7.r-0-0.h:2," },
};

static void test_redo(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(redo) * 2; i++) {
		size_t row = i / 2;
		int home = home_new();
		struct store *s = open_engine(true, home);
		struct store_letter first = { .base = S("7.r-0-00.h") }, l = { .base = S("7.r-0-0.h"),
			.mode = i % 2 ? STORE_REWRITE : STORE_REDO };
		struct stat st, old = { 0 };

		assert_true(deliver(s, &first, "a neighbour\r\n"));
		if (redo[row].there) {
			assert_true(put_file(home, redo[row].there, redo[row].text));
			fstatat(home, redo[row].there, &old, 0);
		}
		assert_true(deliver(s, &l, "one\r\n"));
		assert_reads(s, S(""), l.base, "one\r\n");
		assert_int_equal(fstatat(home, redo[row].after, &st, 0), 0);
		assert_string_equal(strrchr(redo[row].after, '/') + 1, l.name);
		/* the same bytes are left alone, unless they cannot be trusted */
		if (redo[row].text && str_eq(str_from_z(redo[row].text), S("one\n")))
			assert_int_equal(st.st_ino == old.st_ino, l.mode == STORE_REDO);
		assert_int_equal(count_names(home, "Maildir/new") + count_names(home, "Maildir/cur"), 2);
		/* what a crash left there is swept later */
		assert_int_equal(count_names(home, "Maildir/tmp"),
				 !use_tmp && redo[row].there && strstr(redo[row].there, "/tmp/") ? 1 : 0);
		store_close(s);
		home_end(home);
	}
}

/* ---- big ---- */

static void big_on(bool on_disk)
{
	int home = home_new();
	struct store *s = open_engine(on_disk, home);
	char *body = malloc(BIG);
	struct buf back = buf_on_heap(BIG * 2);
	struct err e = { 0 };
	struct str parts[3];
	struct slices_source in = slices_source(parts, 3);
	struct store_letter l = { .base = S("9.big-0-0.h"), .source = &in.in };

	for (size_t i = 0; i < BIG; i++)
		body[i] = i % 61 == 59 ? '\r' : i % 61 == 60 ? '\n' : (char)('a' + i % 23);
	parts[0] = str_of(body, 60);
	parts[1] = (struct str){ 0 };
	parts[2] = str_of(body + 60, BIG - 60);
	assert_true(store_deliver(s, &l, 1));
	assert_int_equal(l.vsize, BIG);
	assert_int_equal(l.size, BIG - BIG / 61);
	l.mode = STORE_REDO;
	assert_true(store_deliver(s, &l, 1));
	assert_true(store_read(s, S(""), l.base, &back, &e));
	assert_true(str_eq(buf_str(&back), str_of(body, BIG)));
	buf_end(&back);
	free(body);
	store_close(s);
	home_end(home);
}

/* ---- sync ---- */

static void sync_on(bool on_disk)
{
	enum { N = 150 };
	static char bases[N][24];
	static struct store_letter ls[N];
	static struct store_safe safe[N + 2];
	int home = home_new();
	struct store *s = open_engine(on_disk, home);

	for (size_t i = 0; i < N; i++) {
		snprintf(bases[i], sizeof(bases[i]), "5.%03zu.h", i);
		ls[i] = (struct store_letter){ .base = str_from_z(bases[i]),
			.folder = i % 3 ? S("") : S("Sub") };
		assert_true(deliver(s, &ls[i], "x\r\n"));
		safe[i] = (struct store_safe){ .base = ls[i].base, .folder = ls[i].folder,
			.name = i % 2 ? str_from_z(ls[i].name) : S("") };
	}
	safe[N] = (struct store_safe){ .base = S("5.gone.h") };
	safe[N + 1] = (struct store_safe){ .base = S("5.gone.h"), .folder = S("Gone") };
	/* a reader has taken one into cur/ */
	if (on_disk)
		assert_int_equal(renameat(home, "Maildir/new/5.001.h,S=2,W=3", home,
					  "Maildir/cur/5.001.h,S=2,W=3:2,S"), 0);
	assert_true(store_sync(s, safe, N + 2));
	for (size_t i = 0; i < N + 2; i++)
		assert_true(safe[i].done && !safe[i].lost);
	store_close(s);
	home_end(home);
}

#define BOTH(name) \
	static void test_##name##_disk(void **state) { (void)state; name##_on(true); } \
	static void test_##name##_memory(void **state) { (void)state; name##_on(false); }
BOTH(names)
BOTH(batch)
BOTH(repeated)
BOTH(big)
BOTH(sync)

/* ---- a source that fails; orphans; a Maildir that moves ---- */

static bool broken_next(struct letter_source *in, struct str *ret, struct err *e)
{
	struct slices_source *s = (struct slices_source *)in;

	*ret = S("half a letter\r\n");
	return s->at++ < 3 || fail_sys(e, FAULT_TEMP, EIO, "read the journal");
}

static void test_broken_source(void **state)
{
	int home = home_new();
	struct store *s = open_engine(true, home);
	struct slices_source in = slices_source(NULL, 0);
	struct store_letter l = { .base = S("3.x.h"), .source = &in.in };

	(void)state;
	in.in.next = broken_next;
	assert_false(store_deliver(s, &l, 1));
	assert_int_equal(l.err.sys, EIO);
	assert_int_equal(count_names(home, "Maildir/new") + count_names(home, "Maildir/tmp"), 0);
	store_close(s);
	home_end(home);
}

static void test_sweep(void **state)
{
	int home = home_new();
	struct store *s = open_engine(true, home);
	struct store_letter l = { .base = S("3.x.h"), .folder = S("F") };
	struct err e = { 0 };
	size_t n = 9;

	(void)state;
	assert_true(store_sweep(s, time_now(), &n, &e) && n == 0);
	assert_true(deliver(s, &l, "x\r\n"));
	assert_true(put_file(home, "Maildir/.F/tmp/orphan", "x"));
	assert_true(deliver(s, &(struct store_letter){ .base = S("3.y.h") }, "x\r\n"));
	assert_true(put_file(home, "Maildir/tmp/orphan", "x"));
	assert_true(store_sweep(s, time_now() + 35 * HOUR, &n, &e) && n == 0);
	assert_true(store_sweep(s, time_now() + 37 * HOUR, &n, &e) && n == 2);
	assert_int_equal(count_names(home, "Maildir/.F/new") + count_names(home, "Maildir/new"), 2);
	store_close(s);
	home_end(home);
}

static void test_moved_away(void **state)
{
	int home = home_new();
	struct store *s = open_engine(true, home);

	(void)state;
	assert_true(deliver(s, &(struct store_letter){ .base = S("3.a.h") }, "x\r\n"));
	assert_int_equal(renameat(home, "Maildir", home, "old"), 0);
	assert_true(deliver(s, &(struct store_letter){ .base = S("3.b.h") }, "x\r\n"));
	assert_int_equal(count_names(home, "Maildir/new"), 1);
	assert_int_equal(count_names(home, "old/new"), 1);
	store_close(s);
	home_end(home);
}

/* ---- hostile homes ---- */

/* What the owner did, as commands below the home; the letter stays queued and nothing shows. */
static const struct {
	const char *what;
	const char *kind;                /* l symlink, f fifo, p plain file, d directory, m mode */
	const char *path, *target;
	mode_t mode;
	bool only_unprivileged;          /* root may pass */
	bool ok;
} hostile[] = {
	{ "G7 Maildir is a symlink", "l", "Maildir", "/tmp", 0, false, false },
	{ "G7 Maildir is a file", "p", "Maildir", NULL, 0, false, false },
	{ "G7 Maildir is a fifo", "f", "Maildir", NULL, 0, false, false },
	{ "G7 new is a symlink", "dl", "Maildir/new", "/tmp", 0, false, false },
	{ "G7 tmp is a symlink", "dl", "Maildir/tmp", "/tmp", 0, false, false },
	{ "G7 cur is a fifo", "df", "Maildir/cur", NULL, 0, false, false },
	{ "G7 tmp is a file", "dp", "Maildir/tmp", NULL, 0, false, false },
	{ "G7 the letter's tmp name is a symlink", "tl", "Maildir/tmp/8.h.h", "/etc/passwd", 0, false,
	  true },
	{ "G7 the letter's tmp name is a fifo", "tf", "Maildir/tmp/8.h.h", NULL, 0, false, true },
	{ "G7 the letter's tmp name is a directory", "td", "Maildir/tmp/8.h.h", NULL, 0, false, false },
	{ "G7 the letter's name is a symlink", "tl", "Maildir/new/8.h.h,S=2,W=3", "/etc/passwd", 0,
	  false, false },
	{ "G7 the letter's name is a fifo", "tf", "Maildir/new/8.h.h,S=2,W=3", NULL, 0, false, false },
	{ "P4 home read-only", "m", ".", NULL, 0500, true, false },
	{ "P4 Maildir without rights", "dm", "Maildir", NULL, 0, true, false },
	{ "P4 new read-only", "tm", "Maildir/new", NULL, 0500, true, false },
	{ "P4 tmp read-only", "tm", "Maildir/tmp", NULL, 0500, true, false },
};

static void hostile_make(int home, size_t row)
{
	const char *path = hostile[row].path;

	for (const char *k = hostile[row].kind; *k; k++) {
		bool last = !k[1];

		if (*k == 't') {
			mkdirat(home, "Maildir", 0700);
			mkdirat(home, "Maildir/tmp", 0700);
			mkdirat(home, "Maildir/new", 0700);
			mkdirat(home, "Maildir/cur", 0700);
		} else if (*k == 'd') {
			mkdirat(home, last ? path : "Maildir", 0700);
		} else if (*k == 'l') {
			assert_int_equal(symlinkat(hostile[row].target, home, path), 0);
		} else if (*k == 'f') {
			assert_int_equal(mkfifoat(home, path, 0600), 0);
		} else if (*k == 'p') {
			assert_true(put_file(home, path, "x"));
		} else {
			assert_int_equal(fchmodat(home, path, hostile[row].mode, 0), 0);
		}
	}
}

static void allow_again(int home, const char *dir)
{
	struct stat st;

	if (!fstatat(home, dir, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode))
		assert_int_equal(fchmodat(home, dir, 0700, 0), 0);
}

/* tmp/ is there, but what is in the way in it hinders only who uses it. */
static bool is_about_tmp(size_t row)
{
	return strstr(hostile[row].path, "/tmp/") ||
	       (strchr(hostile[row].kind, 'm') && strstr(hostile[row].path, "/tmp"));
}

static void hostile_row(size_t row)
{
	int home = home_new();
	struct store *s = open_engine(true, home);
	struct stat before, after;

	hostile_make(home, row);
	stat("/etc/passwd", &before);
	for (int mode = STORE_FRESH; mode <= STORE_REDO; mode++) {
		struct store_letter l = { .base = S("8.h.h"), .mode = (enum store_mode)mode };
		bool ok = deliver(s, &l, "x\r\n");

		if (hostile[row].only_unprivileged && geteuid() == 0)
			continue;
		if (ok != (hostile[row].ok || (!use_tmp && is_about_tmp(row))))
			fail_msg("%s: %d %s", hostile[row].what, ok, l.err.text);
		if (!ok) {
			assert_int_equal(l.err.fault, FAULT_TEMP);
			assert_true(l.err.text[0] != '\0');
		}
	}
	stat("/etc/passwd", &after);
	assert_true(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_size == after.st_size);
	store_close(s);
	allow_again(home, ".");
	allow_again(home, "Maildir");
	allow_again(home, "Maildir/new");
	allow_again(home, "Maildir/tmp");
	if (hostile[row].path[0] == 'M' && hostile[row].kind[0] == 't' && !hostile[row].ok &&
	    hostile[row].kind[1] != 'd')
		assert_int_equal(count_names(home, "Maildir/tmp"), 0);
	home_end(home);
}

static void test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
		hostile_row(i);
}

/* Run fn in a child (as nobody, if we are root); its exit code says whether it held. */
static void in_child(void (*fn)(void), bool drop)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (drop && geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) ||
					       setresuid(NOBODY, NOBODY, NOBODY)))
			_exit(3);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void all_hostile(void)
{
	test_hostile(NULL);
}

static void test_hostile_as_nobody(void **state)
{
	(void)state;
	in_child(all_hostile, true);
}

/* Another's directory is refused, also where its mode would let us in. */
static void other_owner(void)
{
	int home = home_new();
	struct store *s = open_engine(true, home);
	struct store_letter l = { .base = S("8.o.h") };

	mkdirat(home, "Maildir", 0777);
	if (fchownat(home, "Maildir", 1, 1, 0))
		_exit(77);
	if (deliver(s, &l, "x\r\n") || l.err.fault != FAULT_TEMP)
		_exit(1);
	store_close(s);
	home_end(home);
}

static void test_other_owner(void **state)
{
	(void)state;
	in_child(other_owner, false);
}

/* P2: a file system of 1 MiB. */
static void full_disk(void)
{
	int home, fd;
	struct store *s;
	char *big = malloc(2 << 20);
	struct store_letter l = { .base = S("8.full.h") };

	home = home_new();
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", home_path, "tmpfs", 0, "size=1m"))
		_exit(77);
	close(home);
	fd = open(home_path, O_RDONLY | O_DIRECTORY);
	s = open_engine(true, fd);
	memset(big, 'a', (2 << 20) - 1);
	big[(2 << 20) - 1] = '\0';
	if (deliver(s, &l, big) || l.err.sys != ENOSPC || l.err.fault != FAULT_TEMP)
		_exit(1);
	if (count_names(fd, "Maildir/tmp") || count_names(fd, "Maildir/new"))
		_exit(2);
	l.mode = STORE_REDO;
	if (!deliver(s, &l, "small\r\n") || count_names(fd, "Maildir/new") != 1)
		_exit(4);
	store_close(s);
	close(fd);
	free(big);
	umount(home_path);
	rmdir(home_path);
}

static void test_full_disk(void **state)
{
	(void)state;
	in_child(full_disk, false);
}

/* The same where files cannot be made without a name (old kernels, other file systems). */
#define BY_TMP(test)                                \
	static void test##_by_tmp(void **state)     \
	{                                           \
		use_tmp = true;                     \
		test(state);                        \
		use_tmp = false;                    \
	}
BY_TMP(test_batch_disk)
BY_TMP(test_repeated_disk)
BY_TMP(test_big_disk)
BY_TMP(test_redo)
BY_TMP(test_broken_source)
BY_TMP(test_hostile)
BY_TMP(test_hostile_as_nobody)
BY_TMP(test_full_disk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_names_disk),
		cmocka_unit_test(test_names_memory),
		cmocka_unit_test(test_batch_disk),
		cmocka_unit_test(test_batch_memory),
		cmocka_unit_test(test_repeated_disk),
		cmocka_unit_test(test_repeated_memory),
		cmocka_unit_test(test_big_disk),
		cmocka_unit_test(test_big_memory),
		cmocka_unit_test(test_sync_disk),
		cmocka_unit_test(test_sync_memory),
		cmocka_unit_test(test_redo),
		cmocka_unit_test(test_broken_source),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_moved_away),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_as_nobody),
		cmocka_unit_test(test_other_owner),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_batch_disk_by_tmp),
		cmocka_unit_test(test_repeated_disk_by_tmp),
		cmocka_unit_test(test_big_disk_by_tmp),
		cmocka_unit_test(test_redo_by_tmp),
		cmocka_unit_test(test_broken_source_by_tmp),
		cmocka_unit_test(test_hostile_by_tmp),
		cmocka_unit_test(test_hostile_as_nobody_by_tmp),
		cmocka_unit_test(test_full_disk_by_tmp),
	};

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
