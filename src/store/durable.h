/* durable.h — many files made durable by one commit of the file system.
 *
 * fsync() of a hundred files costs a hundred flushes of the disk.  On ext4 it is enough that a file's
 * bytes have been written and waited for: by then its size and its blocks are part of the
 * running transaction, and the fsync() of a directory in the same file system, which must follow, commits
 * that one and flushes the disk once, for all.  Everywhere else each file is synced by itself. */
#pragma once

#include "base/err.h"

/* In a thread.  True: durable once a directory that was changed since is synced. */
bool durable_written(int fd, struct err *e);
