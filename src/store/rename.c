/* rename.c — see rename.h. */
#include "store/rename.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int link_fresh(int from, const char *name, int to, const char *fresh)
{
	struct stat was, now;
	int sys;

	if (!linkat(from, name, to, fresh, 0))
		return 0;
	sys = errno;
	if (!fstatat(from, name, &was, AT_SYMLINK_NOFOLLOW) && !fstatat(to, fresh, &now, AT_SYMLINK_NOFOLLOW) &&
	    is_same(&was, &now))
		return 0;
	errno = sys;
	return -1;
}

/* Killed in between, the file has both names: nothing is lost. */
static int by_link(int from, const char *name, int to, const char *fresh)
{
	int sys;

	if (link_fresh(from, name, to, fresh))
		return -1;
	if (!unlinkat(from, name, 0) || errno == ENOENT)
		return 0;
	sys = errno;
	(void)unlinkat(to, fresh, 0);
	errno = sys;
	return -1;
}

static int by_look(int from, const char *name, int to, const char *fresh)
{
	struct stat was, now;
	int sys;

	if (fstatat(from, name, &was, AT_SYMLINK_NOFOLLOW))
		return -1;
	if (!fstatat(to, fresh, &now, AT_SYMLINK_NOFOLLOW)) {
		errno = EEXIST;
		return -1;
	}
	if (errno != ENOENT)
		return -1;
	if (!renameat(from, name, to, fresh))
		return 0;
	sys = errno;
	if (!fstatat(to, fresh, &now, AT_SYMLINK_NOFOLLOW) && is_same(&was, &now))
		return 0;
	errno = sys;
	return -1;
}

int rename_fresh(int from, const char *name, int to, const char *fresh)
{
	if (!renameat2(from, name, to, fresh, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL)
		return -1;
	if (!by_link(from, name, to, fresh))
		return 0;
	if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK)
		return -1;
	return by_look(from, name, to, fresh);
}
