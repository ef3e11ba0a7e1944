/* landlock.h — which files a process can still reach. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum place_right {
	PLACE_READ,
	PLACE_WRITE,     /* also make, rename and remove files and directories below it */
};

/* A place that stays open: a directory (all below it) or a file. */
struct place {
	int fd;                  /* O_PATH is enough; stays the caller's */
	enum place_right right;
};

/* 0: this kernel has none. */
int landlock_abi(void);
/* From now on, for this thread and what it starts: files only at these places (unless
 * `any_file`), no TCP of its own (unless `any_tcp`; to tcp_port, if it is not 0), no signals to and no abstract sockets of outsiders, as far as
 * the kernel knows these. */
bool landlock_apply(bool any_file, bool any_tcp, uint16_t tcp_port, const struct place *places, size_t n, struct err *e);
