/* durable.c — many files made durable by one commit; see durable.h. */
#include "store/durable.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

bool durable_written(int fd, struct err *e)
{
	enum { WHOLE = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER };
	struct statfs fs;

	if (fstatfs(fd, &fs) || fs.f_type != EXT4_SUPER_MAGIC)
		return fd_sync(fd, e);
	return !sync_file_range(fd, 0, 0, WHOLE) || fail_sys(e, FAULT_TEMP, errno, "write");
}
