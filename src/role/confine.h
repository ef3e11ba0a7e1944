/* confine.h — how a process gives up its rights, in the one order.
 *
 * descriptors, environment → groups, uid, capabilities → no_new_privs → Landlock
 * → threads → limits → system calls.  What cannot be had is not silently left
 * out: it is a warning in the report.  What fails although it can be had is an
 * error, and the process must not go on. */
#pragma once

#include "base/err.h"
#include "role/filter.h"
#include "role/landlock.h"
#include "role/roles.h"

#include <sys/types.h>

enum { CONFINE_WARNINGS = 4, CONFINE_KEEP_MAX = 64 };

struct confinement {
	enum role role;
	bool change_user;                /* only root can; without it the uid stays and is warned of */
	bool user_is_changed;            /* a mailbox has become its account already */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
	const struct place *places;      /* what Landlock leaves open */
	size_t n_places;
	const int *keep;                 /* descriptors from 3 on that stay; NULL: all stay */
	size_t n_keep;
	const char *empty_dir;           /* where it stands; and its root, if a kernel has no Landlock */
	size_t connections;              /* room for these on top of the row's memory */
	SUSPENDS void (*start_threads)(void); /* may be NULL */
	bool is_narrow;                  /* of the sockets its row lets it have of its own: */
	bool only_unix;                  /* … those of this machine, by path, alone */
	uint16_t only_port;              /* … else TCP to that port alone, where the kernel can tell */
	const struct filter *filter;     /* built before, by the zygote; NULL: built now */
};

struct confine_report {
	int landlock_abi;
	size_t n;
	char warnings[CONFINE_WARNINGS][120];
};

SUSPENDS bool confine(const struct confinement *c, struct confine_report *ret, struct err *e);
