/* filter.h — a role's list of system calls as a program for the kernel.
 *
 * Building one with libseccomp takes up to a millisecond; the zygote builds the
 * mailbox's once and each forked mailbox only installs it. */
#pragma once

#include "base/err.h"
#include "role/roles.h"

struct sock_filter;

struct filter {
	struct sock_filter *code;
	unsigned short n;
};

/* calls: enum call_group */
bool filter_build(unsigned calls, struct filter *ret, struct err *e);
/* For this process and all its threads; no_new_privs must be set. */
bool filter_install(const struct filter *f, struct err *e);
void filter_end(struct filter *f);

/* How many calls on neither list were answered ENOSYS so far. */
uint64_t filter_strange_calls(void);
