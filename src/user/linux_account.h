/* linux_account.h — may this entry of the system's user table receive mail?
 *
 * The role pam asks the system; what it was told is judged here. */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum { LINUX_NAME_MAX = 32, LINUX_UID_MIN = 1000, LINUX_PATH_MAX = 1024 };

#define LINUX_UID_NOBODY 65534u

struct linux_account {
	struct str name;
	uint32_t uid;
	uint32_t gid;
	struct str home;
	struct str shell;
};

/* [a-z_][a-z0-9_.-]{0,31}: the names that are asked for at all. */
bool linux_name_is_valid(struct str name);

/* Is the answer the account asked for, a person's, with a usable home?  root, nobody and
 * system users are not: their mail goes where /etc/aliases says. */
bool linux_account_check(const struct linux_account *l, struct str asked, struct err *e);
