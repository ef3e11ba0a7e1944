/* nfs_lies.c — a file system that behaves as NFS does, for processes that open mailboxes.
 *
 * Preloaded by test/e2e/nfs_test.py.  Only the processes of the zygote are told lies; the others have their
 * own disk.  LIES names what happens, each third time where a number makes sense:
 *   magic   fstatfs() says NFS, everywhere
 *   plain   no RENAME_NOREPLACE, no O_TMPFILE, no locks of descriptions: as NFS is at its best
 *   repeat  an answer was lost: rename, link, mkdir, unlink are done, but report an error
 *   stale   letters and directories are opened with ESTALE, now and then
 *   full    close() finds the disk full, once for each process: what no fsync() has made safe is gone */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_magic, is_plain, is_repeat, is_stale, is_full;
enum { FDS = 1024, FULL_TIMES = 1, LETTER = 300 /* octets: what is smaller is none */ };

static bool synced[FDS];

__attribute__((constructor)) static void begin(void)
{
	const char *lies = getenv("LIES");
	char line[512] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : 0;

	close(fd);
	if (!lies)
		return;
	is_magic = strstr(lies, "magic") != NULL;
	if (n <= 0 || !memmem(line, (size_t)n, "zygote", 6))
		return;
	is_plain = true;
	is_repeat = strstr(lies, "repeat") != NULL;
	is_stale = strstr(lies, "stale") != NULL;
	is_full = strstr(lies, "full") != NULL;
}

static long no(int sys)
{
	errno = sys;
	return -1;
}

/* What was done is said to have failed, each third time. */
static long retold(long done, int sys)
{
	static unsigned n;

	return done == 0 && is_repeat && ++n % 3 == 0 ? no(sys) : done;
}

int fstatfs(int fd, struct statfs *fs)
{
	int r = (int)syscall(SYS_fstatfs, fd, fs);

	if (!r && (is_magic || is_plain))
		fs->f_type = NFS_SUPER_MAGIC;
	return r;
}

int fstatfs64(int fd, struct statfs64 *fs) __attribute__((alias("fstatfs")));

int renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	if (is_plain && flags)
		return (int)no(EINVAL);
	return (int)syscall(SYS_renameat2, from, a, to, b, flags);
}

int renameat(int from, const char *a, int to, const char *b)
{
	return (int)retold(syscall(SYS_renameat2, from, a, to, b, 0), ENOENT);
}

int linkat(int from, const char *a, int to, const char *b, int flags)
{
	return (int)retold(syscall(SYS_linkat, from, a, to, b, flags), EEXIST);
}

int unlinkat(int at, const char *a, int flags)
{
	return (int)retold(syscall(SYS_unlinkat, at, a, flags), ENOENT);
}

int mkdirat(int at, const char *a, mode_t mode)
{
	return (int)retold(syscall(SYS_mkdirat, at, a, mode), EEXIST);
}

static bool goes_stale(const char *name)
{
	static unsigned n;

	return is_stale && (strchr(name, ',') || !strcmp(name, "cur") || !strcmp(name, "new")) && ++n % 13 == 0;
}

static int open_at(int at, const char *name, int how, mode_t mode)
{
	if (is_plain && (how & O_TMPFILE) == O_TMPFILE)
		return (int)no(EOPNOTSUPP);
	if (goes_stale(name))
		return (int)no(ESTALE);
	return (int)syscall(SYS_openat, at, name, how, mode);
}

#define OPEN_AT(name) \
	int name(int at, const char *path, int how, ...) \
	{ \
		va_list ap; \
		mode_t mode; \
		va_start(ap, how); \
		mode = how & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0; \
		va_end(ap); \
		return open_at(at, path, how, mode); \
	}
OPEN_AT(openat)
OPEN_AT(openat64)

/* With _FORTIFY_SOURCE. */
int __openat_2(int at, const char *path, int how)
{
	return open_at(at, path, how, 0);
}

int __openat64_2(int at, const char *path, int how)
{
	return open_at(at, path, how, 0);
}

/* Locks of a whole file and of a description are those of this host, or none.  Ranges are served. */
#define FCNTL(name) \
	int name(int fd, int what, ...) \
	{ \
		va_list ap; \
		long arg; \
		va_start(ap, what); \
		arg = va_arg(ap, long); \
		va_end(ap); \
		if (is_plain && (what == F_OFD_SETLK || what == F_OFD_GETLK)) \
			return (int)no(ENOLCK); \
		return (int)syscall(SYS_fcntl, fd, what, arg); \
	}
FCNTL(fcntl)
FCNTL(fcntl64)

int fsync(int fd)
{
	if (fd >= 0 && fd < FDS)
		synced[fd] = true;
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	if (fd >= 0 && fd < FDS)
		synced[fd] = true;
	return (int)syscall(SYS_fdatasync, fd);
}

/* What was written did not fit, and that is said only now. */
int close(int fd)
{
	static unsigned times;
	struct stat st;
	bool is_over = is_full && times < FULL_TIMES && fd >= 0 && fd < FDS && !synced[fd] && !fstat(fd, &st) &&
		       S_ISREG(st.st_mode) && st.st_size >= LETTER &&
		       (syscall(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) == O_WRONLY;

	if (fd >= 0 && fd < FDS)
		synced[fd] = false;
	if (is_over && ++times)
		(void)!ftruncate(fd, 0);
	syscall(SYS_close, fd);
	return is_over ? (int)no(ENOSPC) : 0;
}
