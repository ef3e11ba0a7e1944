/* fd.c — descriptors; see fd.h. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };

void fd_end(int *fd)
{
	int was = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = was;
}

bool fd_write_all(int fd, struct str s, struct err *e)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail_sys(e, FAULT_TEMP, n ? errno : ENOSPC, "write");
		s = str_from(s, (size_t)n);
	}
	return true;
}

bool fd_pwrite_all(int fd, struct str s, int64_t at, struct err *e)
{
	while (s.n) {
		ssize_t n = pwrite(fd, s.p, s.n, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail_sys(e, FAULT_TEMP, n ? errno : ENOSPC, "write");
		at += n;
		s = str_from(s, (size_t)n);
	}
	return true;
}

bool fd_pread_all(int fd, void *to, size_t n, int64_t at, struct err *e)
{
	char *p = to;

	while (n) {
		ssize_t got = pread(fd, p, n, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_sys(e, FAULT_TEMP, errno, "read");
		if (got == 0)
			return fail(e, FAULT_TEMP, "read: the file ends too early");
		p += got;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

bool fd_slurp(int fd, size_t max, char **ret, size_t *ret_n, struct err *e)
{
	size_t n = 0, cap = 0;
	char *p = NULL;

	for (;;) {
		ssize_t got;

		if (n == cap) {
			char *more;

			cap = cap ? cap * 2 : 4096;
			more = realloc(p, cap);
			if (!more) {
				free(p);
				return fail(e, FAULT_TEMP, "read: out of memory");
			}
			p = more;
		}
		got = read(fd, p + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int sys = errno;

			free(p);
			return fail_sys(e, FAULT_TEMP, sys, "read");
		}
		if (got == 0)
			break;
		n += (size_t)got;
		if (n > max) {
			free(p);
			return fail(e, FAULT_PERM, "read: more than %zu bytes", max);
		}
	}
	*ret = p;
	*ret_n = n;
	return true;
}

bool fd_memory(const char *name, int *ret, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "memfd_create");
	*ret = fd;
	return true;
}

bool fd_seal(int fd, struct err *e)
{
	if (fcntl(fd, F_ADD_SEALS, SEALS))
		return fail_sys(e, FAULT_TEMP, errno, "seal a memfd");
	return true;
}

bool fd_sealed(const char *name, struct str s, int *ret, struct err *e)
{
	AUTO(fd_end) int fd = -1;

	if (!fd_memory(name, &fd, e) || !fd_write_all(fd, s, e) || !fd_seal(fd, e))
		return false;
	*ret = fd_take(&fd);
	return true;
}

bool fd_check_sealed(int fd, int64_t *ret_size, struct err *e)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return fail(e, FAULT_PEER, "the descriptor is not a sealed memfd");
	if (fstat(fd, &st))
		return fail_sys(e, FAULT_TEMP, errno, "fstat");
	*ret_size = st.st_size;
	return true;
}

bool fd_set_nonblocking(int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return fail_sys(e, FAULT_TEMP, errno, "make a descriptor non-blocking");
	return true;
}

bool fd_sync(int fd, struct err *e)
{
	if (fsync(fd))
		return fail_sys(e, FAULT_TEMP, errno, "fsync");
	return true;
}

bool fd_sync_dir_at(int dirfd, const char *path, struct err *e)
{
	AUTO(fd_end) int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open directory %s", path);
	return fd_sync(fd, e) || fail_in(e, "directory %s", path);
}
