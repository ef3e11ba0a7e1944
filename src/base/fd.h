/* fd.h — descriptors: owned by a scope, written whole, synced. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

/* AUTO(fd_end) int fd = open(…); closes it when the block is left. */
void fd_end(int *fd);
/* The descriptor leaves the scope that owned it. */
static inline int fd_take(int *fd)
{
	int was = *fd;

	*fd = -1;
	return was;
}

/* Blocking, whole or failed; EINTR and short counts are handled. */
bool fd_write_all(int fd, struct str s, struct err *e);
bool fd_pwrite_all(int fd, struct str s, int64_t at, struct err *e);
/* Exactly n bytes from offset `at`; an early end is an error. */
bool fd_pread_all(int fd, void *to, size_t n, int64_t at, struct err *e);
/* Until the end of file, at most `max` bytes (more is an error); *ret is malloc()ed. */
bool fd_slurp(int fd, size_t max, char **ret, size_t *ret_n, struct err *e);

/* A memfd with these bytes, sealed against every change; its offset is not used. */
bool fd_sealed(const char *name, struct str s, int *ret, struct err *e);
/* An empty, growing memfd that may be sealed. */
bool fd_memory(const char *name, int *ret, struct err *e);
bool fd_seal(int fd, struct err *e);
/* Is it a memfd sealed against writing, growing, shrinking and further seals?  Gives its size. */
bool fd_check_sealed(int fd, int64_t *ret_size, struct err *e);

bool fd_set_nonblocking(int fd, struct err *e);
/* fsync with the error said; the same for the directory at `path` below dirfd. */
bool fd_sync(int fd, struct err *e);
bool fd_sync_dir_at(int dirfd, const char *path, struct err *e);
