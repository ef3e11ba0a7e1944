/* box_world.h — what the tests of folders and boxes share: a home of their own, a store in it, and short
 * words for what they do there.  Only tests include it. */
#pragma once

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

static inline void open_store(void)
{

	assert_true(maildir_open(home, S("Maildir"), &store, &e));
}

static inline int setup(void **state)
{
	(void)state;
	snprintf(home_path, sizeof(home_path), "/tmp/box-test-XXXXXX");
	assert_non_null(mkdtemp(home_path));
	home = open(home_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(home >= 0);
	open_store();
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline int teardown(void **state)
{
	(void)state;
	store_close(store);
	close(home);
	nftw(home_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* The process ends without a word, and another begins. */
static inline void restart(void)
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

static inline struct box *box_at(const char *folder)
{
	struct box *b = NULL;

	OK(box_open(store, str_from_z(folder), &b, &e));
	return b;
}

static inline uint32_t put(const char *folder, const char *body, uint8_t flags, struct str keyword)
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

/* The flag log without its lines. */
static inline int truncate_flags(void)
{
	AUTO(fd_end) int fd = openat(home, "Maildir/waxwing/flags", O_WRONLY);

	return ftruncate(fd, 16 + 22);
}

static inline size_t names_in(const char *dir, const char *with)
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

static inline void name_of(const char *dir, const char *with, char to[static 300])
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

static inline void file_at(const char *path, const char *text)
{
	int fd = openat(home, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline void look(struct box *b)
{
	OK(box_sync(b, false, NULL, &e));
}

static inline void store_flags(struct box *b, enum flags_how how, uint8_t flags, uint32_t first, uint32_t last)
{
	struct flags_change c = { .how = how, .flags = flags };
	uint32_t uids[64];
	size_t n = 0;

	while (first <= last)
		uids[n++] = first++;
	OK(box_store(b, uids, n, &c, &me, NULL, NULL, &e));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
