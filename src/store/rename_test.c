/* rename_test.c — names given where the file system lacks something or does not tell the truth.
 *
 * The calls of the C library are ours here: each row says what they do. */
#include "store/rename.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of one call: an error in its place, or after it was done. */
struct lie {
	int instead, after;
};

static struct lie rename2_lie, link_lie, unlink_lie, rename_lie;
static char top[] = "/tmp/wx-rename-XXXXXX";
static int dir = -1;

static int tell(const struct lie *l, long done)
{
	if (done == 0 && l->after) {
		errno = l->after;
		return -1;
	}
	return (int)done;
}

int renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	if (rename2_lie.instead) {
		errno = rename2_lie.instead;
		return -1;
	}
	return (int)syscall(SYS_renameat2, from, a, to, b, flags);
}

int renameat(int from, const char *a, int to, const char *b)
{
	if (rename_lie.instead) {
		errno = rename_lie.instead;
		return -1;
	}
	return tell(&rename_lie, syscall(SYS_renameat2, from, a, to, b, 0));
}

int linkat(int from, const char *a, int to, const char *b, int flags)
{
	if (link_lie.instead) {
		errno = link_lie.instead;
		return -1;
	}
	return tell(&link_lie, syscall(SYS_linkat, from, a, to, b, flags));
}

int unlinkat(int at, const char *a, int flags)
{
	if (unlink_lie.instead) {
		errno = unlink_lie.instead;
		return -1;
	}
	return tell(&unlink_lie, syscall(SYS_unlinkat, at, a, flags));
}

static bool is_there(const char *name)
{
	return !faccessat(dir, name, F_OK, 0);
}

static void make(const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void clear(const char *name)
{
	(void)syscall(SYS_unlinkat, dir, name, 0);
	(void)syscall(SYS_unlinkat, dir, name, AT_REMOVEDIR);
}

static const struct row {
	const char *what;
	bool is_dir, is_taken;
	struct lie rename2, link, unlink, rename;
	int want;                        /* errno, 0: done */
} rows[] = {
	{ "a local disk", .want = 0 },
	{ "taken", .is_taken = true, .want = EEXIST },
	{ "another error", .rename2 = { EIO }, .want = EIO },
	{ "NFS", .rename2 = { EINVAL }, .want = 0 },
	{ "NFS, taken", .is_taken = true, .rename2 = { EINVAL }, .want = EEXIST },
	{ "linked, but it says no", .rename2 = { EINVAL }, .link = { 0, EEXIST }, .want = 0 },
	{ "linked, but it says EIO", .rename2 = { EINVAL }, .link = { 0, EIO }, .want = 0 },
	{ "not linked", .rename2 = { EINVAL }, .link = { EIO }, .want = EIO },
	{ "removed, but it says no", .rename2 = { EINVAL }, .unlink = { 0, ENOENT }, .want = 0 },
	{ "a directory", .is_dir = true, .rename2 = { EINVAL }, .want = 0 },
	{ "a directory, taken", .is_dir = true, .is_taken = true, .rename2 = { EINVAL }, .want = EEXIST },
	{ "renamed, but it says ENOENT", .is_dir = true, .rename2 = { EINVAL }, .rename = { 0, ENOENT }, .want = 0 },
	{ "renamed, but it says EIO", .is_dir = true, .rename2 = { EINVAL }, .rename = { 0, EIO }, .want = 0 },
	{ "not renamed", .is_dir = true, .rename2 = { EINVAL }, .rename = { ESTALE }, .want = ESTALE },
	{ "no links here", .rename2 = { EINVAL }, .link = { EPERM }, .want = 0 },
	{ "no links here, taken", .is_taken = true, .rename2 = { EINVAL }, .link = { EOPNOTSUPP }, .want = EEXIST },
};

static void lies_end(void)
{
	rename2_lie = link_lie = unlink_lie = rename_lie = (struct lie){ 0 };
}

static void test_rename(void **state)
{
	(void)state;
	for (const struct row *r = rows; r < rows + sizeof(rows) / sizeof(*rows); r++) {
		int got;

		print_message("# %s\n", r->what);
		if (r->is_dir)
			assert_false(mkdirat(dir, "a", 0700));
		else
			make("a");
		if (r->is_taken)
			make("b");
		rename2_lie = r->rename2;
		link_lie = r->link;
		unlink_lie = r->unlink;
		rename_lie = r->rename;
		errno = 0;
		got = rename_fresh(dir, "a", dir, "b") ? errno : 0;
		lies_end();
		assert_int_equal(got, r->want);
		assert_int_equal(is_there("a"), r->want != 0);
		assert_int_equal(is_there("b"), r->want == 0 || r->is_taken);
		clear("a");
		clear("b");
	}
}

/* The old name cannot be removed: as if nothing had been. */
static void test_unremovable(void **state)
{
	(void)state;
	make("a");
	rename2_lie.instead = EINVAL;
	unlink_lie.instead = EACCES;
	assert_int_equal(rename_fresh(dir, "a", dir, "b"), -1);
	assert_int_equal(errno, EACCES);
	lies_end();
	assert_true(is_there("a"));
	clear("a");
	clear("b");
}

static void test_link(void **state)
{
	(void)state;
	make("a");
	link_lie.after = EEXIST;
	assert_int_equal(link_fresh(dir, "a", dir, "b"), 0);
	assert_int_equal(link_fresh(dir, "a", dir, "b"), 0);     /* the request once more */
	lies_end();
	make("c");
	assert_int_equal(link_fresh(dir, "a", dir, "c"), -1);
	assert_int_equal(errno, EEXIST);
	clear("a");
	clear("b");
	clear("c");
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(top))
		return -1;
	dir = open(top, O_RDONLY | O_DIRECTORY);
	return dir < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(dir);
	return rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rename), cmocka_unit_test(test_unremovable), cmocka_unit_test(test_link),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
