/* uidfile.c — the uidlist of one folder on disk; see uidfile.h. */
#include "store/uidfile.h"

#include "base/fd.h"
#include "base/hooks.h"
#include "base/time.h"
#include "store/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	STALE_SECONDS = 120,
	LOCK_TRIES = 400,                /* of 10 ms: no longer than a client waits */
	OURS = 0400,
};

#define LOCK "dovecot-uidlist.lock"
#define NAME "dovecot-uidlist"
#define NEW_FILE "waxwing.tmp"

bool stamp_eq(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime == b->mtime;
}

static struct stamp stamp_from(const struct stat *st)
{
	return (struct stamp){ st->st_dev, st->st_ino, st->st_size,
			       st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec };
}

struct stamp stamp_at(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) ? (struct stamp){ 0 } : stamp_from(&st);
}

struct stamp stamp_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? (struct stamp){ 0 } : stamp_from(&st);
}

/* Nobody holds it any more: a process of ours died. */
static bool is_left(int dir)
{
	AUTO(fd_end) int fd = openat(dir, LOCK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct flock who = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return fd >= 0 && !fcntl(fd, F_OFD_GETLK, &who) && who.l_type == F_UNLCK;
}

/* A lock nobody has touched for long belongs to a process that died.  Between its making and its locking ours
 * is younger than a second. */
static void lock_break_stale(int dir)
{
	int64_t age;
	struct stat st;

	if (fstatat(dir, LOCK, &st, AT_SYMLINK_NOFOLLOW))
		return;
	age = time_now() / SECOND - st.st_mtim.tv_sec;
	if (age > STALE_SECONDS || ((st.st_mode & 0777) == OURS && (age > 1 || age < -1) && is_left(dir)))
		(void)unlinkat(dir, LOCK, 0);
}

bool uidlist_lock(int dir, struct uidlist_lock *ret, struct err *e)
{
	enum { HOW = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };
	AUTO(fd_end) int fd = -1;

	for (int i = 0; i < LOCK_TRIES; i++) {
		fd = openat(dir, LOCK, HOW, OURS);
		if (fd >= 0) {
			struct flock held = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

			(void)fcntl(fd, F_OFD_SETLK, &held);
			*ret = (struct uidlist_lock){ dir, fd_take(&fd) };
			return true;
		}
		if (errno != EEXIST)
			return fail_sys(e, FAULT_TEMP, errno, "make " LOCK);
		lock_break_stale(dir);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return fail_sys(e, FAULT_TEMP, EAGAIN, LOCK " is held by another program");
}

void uidlist_unlock(struct uidlist_lock *l)
{
	if (l->dir < 0)
		return;
	(void)unlinkat(l->dir, LOCK, 0);
	fd_end(&l->fd);
	l->dir = -1;
}

static bool open_ours(int dir, const char *name, int how, int *ret, struct err *e)
{
	AUTO(fd_end) int fd = openat(dir, name, how | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open %s", name);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return fail(e, FAULT_TEMP, "%s is not a file", name);
	*ret = fd_take(&fd);
	return true;
}

void text_end(char **text)
{
	free(*text);
	*text = NULL;
}

bool uidfile_read(int dir, char **ret, size_t *ret_n, struct stamp *ret_stamp, struct err *e)
{
	AUTO(fd_end) int fd = -1;

	*ret = NULL;
	*ret_n = 0;
	*ret_stamp = (struct stamp){ 0 };
	if (!open_ours(dir, NAME, O_RDONLY, &fd, e))
		return e->sys == ENOENT;
	*ret_stamp = stamp_of(fd);
	return fd_slurp(fd, UIDLIST_BYTES_MAX, ret, ret_n, e) || fail_in(e, NAME);
}

bool uidfile_append(int dir, struct str lines, bool later, struct stamp *stamp, struct err *e)
{
	AUTO(fd_end) int fd = -1;
	struct stamp now;

	if (!open_ours(dir, NAME, O_WRONLY | O_APPEND, &fd, e))
		return e->sys == ENOENT ? fail_sys(e, FAULT_TEMP, ESTALE, NAME) : false;
	now = stamp_of(fd);
	if (!stamp_eq(&now, stamp))
		return fail_sys(e, FAULT_TEMP, ESTALE, NAME);
	if (FAULT_IN(box_uids, e) || !fd_write_all(fd, lines, e)) {
		/* part of a line would spoil the next one */
		if (ftruncate(fd, stamp->size))
			*stamp = (struct stamp){ 0 };
		else
			*stamp = stamp_of(fd);
		return fail_in(e, NAME);
	}
	*stamp = stamp_of(fd);
	if (later ? durable_written(fd, e) : fd_sync(fd, e))
		return true;
	*stamp = (struct stamp){ 0 };
	return fail_in(e, NAME);
}

/* Written and synced under the temporary name. */
static bool write_new(int dir, struct str text, struct stamp *ret, struct err *e)
{
	AUTO(fd_end) int fd = -1;

	if (!open_ours(dir, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC, &fd, e) ||
	    !fd_write_all(fd, text, e) || !fd_sync(fd, e))
		return fail_in(e, NEW_FILE);
	*ret = stamp_of(fd);
	return true;
}

/* NFS may say of a rename that was done that it failed. */
static bool is_renamed(int dir, const char *name, const struct stamp *s)
{
	int sys = errno;
	bool done = stamp_at(dir, name).ino == s->ino;

	errno = sys;
	return done && s->ino;
}

static bool replace(int dir, const char *name, struct str text, struct stamp *ret, struct err *e)
{
	if (!write_new(dir, text, ret, e))
		return false;
	if (FAULT_POINT(box_replace) || (renameat(dir, NEW_FILE, dir, name) && !is_renamed(dir, name, ret)))
		return fail_sys(e, FAULT_TEMP, errno, "rename to %s", name);
	return fd_sync(dir, e);
}

bool uidfile_write(int dir, struct str text, struct stamp *ret, struct err *e)
{
	return replace(dir, NAME, text, ret, e);
}

bool file_replace(int dir, const char *name, struct str text, struct err *e)
{
	struct stamp ignored;

	return replace(dir, name, text, &ignored, e);
}

/* ---- UIDVALIDITY ---- */

#define COUNTER "dovecot-uidvalidity"

static uint32_t counter_read(int root)
{
	AUTO(fd_end) int fd = -1;
	char text[9] = "";
	struct err ignored;
	uint32_t v = 0;

	if (!open_ours(root, COUNTER, O_RDONLY, &fd, &ignored) || read(fd, text, 8) != 8)
		return 0;
	for (int i = 0; i < 8; i++) {
		int hex = ascii_hex((unsigned char)text[i]);

		if (hex < 0)
			return 0;
		v = v << 4 | (uint32_t)hex;
	}
	return v;
}

/* Dovecot keeps the number twice: in the file, and in the name of an empty one beside it, which it
 * renames to count.  A crash between the two leaves the larger one in the name or the file; both
 * are less than what we give next time, for the clock has gone on. */
uint32_t uidvalidity_next(int root, uint32_t known)
{
	uint32_t was = counter_read(root), now = (uint32_t)(time_now() / SECOND);
	uint32_t last = was > known ? was : known, next = last >= now ? last + 1 : now;
	char old_name[32], new_name[32], text[9];
	AUTO(fd_end) int fd = -1;
	struct err ignored;

	snprintf(old_name, sizeof(old_name), COUNTER ".%08x", was);
	snprintf(new_name, sizeof(new_name), COUNTER ".%08x", next);
	snprintf(text, sizeof(text), "%08x", next);
	if (renameat(root, old_name, root, new_name))
		(void)open_ours(root, new_name, O_WRONLY | O_CREAT, &fd, &ignored);
	(void)file_replace(root, COUNTER, str_from_z(text), &ignored);
	return next ? next : 1;
}
