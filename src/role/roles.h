/* roles.h — the role table (roles.def) as data. */
#pragma once

#include "ipc/role_name.h"

/* Groups of system calls; what they hold stands in seccomp.def. */
enum call_group {
	CALLS_STDIO = 1 << 0,
	CALLS_NET = 1 << 1,      /* sockets that were handed to us */
	CALLS_ACCEPT = 1 << 2,
	CALLS_MEMORY = 1 << 3,   /* memfds */
	CALLS_FILES = 1 << 4,
	CALLS_DATABASE = 1 << 5, /* what SQLite needs besides */
	CALLS_SYNC = 1 << 6,
	CALLS_FORK = 1 << 7,
	CALLS_IDS = 1 << 8,
	CALLS_CONFINE = 1 << 9,
	CALLS_LOOSE = 1 << 10,   /* all but the deny list */
	CALLS_CONNECT = 1 << 11, /* sockets of its own: TCP to anywhere */
	CALLS_UDP = 1 << 12,     /* and UDP */
	CALLS_UNIX = 1 << 13,    /* stream sockets of this machine, by path */
};

enum role_user { USER_OWN, USER_ROOT, USER_ACCOUNT };
enum role_copies { COPIES_ONE, COPIES_PER_CORE, COPIES_PER_ACCOUNT };
enum role_files { FILES_NONE, FILES_SPOOL, FILES_DB, FILES_HOME, FILES_ANY };
enum role_caps { CAPS_NONE, CAPS_IDS, CAPS_ALL };
enum { LIMIT_KEEP = -1 };

struct role_row {
	struct str name;
	enum role_user user;
	enum role_copies copies;
	unsigned calls;                  /* enum call_group */
	enum role_files files;
	enum role_caps caps;
	int nproc, nofile;               /* LIMIT_KEEP: as it is */
	unsigned as_mib;                 /* 0: no limit */
	unsigned may_call;               /* 1 << enum role */
};

/* Tools have no row. */
const struct role_row *role_row(enum role r);
bool role_may_call(enum role from, enum role to);
/* "_waxwing-NAME", in static memory; "" for those without a system user of their own. */
const char *role_user_name(enum role r);
