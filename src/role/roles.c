/* roles.c — the role table as data; see roles.def. */
#include "role/roles.h"

#include "base/attr.h"
#include "base/err.h"

#define STDIO CALLS_STDIO
#define NET CALLS_NET
#define ACCEPT CALLS_ACCEPT
#define MEMORY CALLS_MEMORY
#define FILES CALLS_FILES
#define DATABASE CALLS_DATABASE
#define SYNC CALLS_SYNC
#define FORK CALLS_FORK
#define IDS CALLS_IDS
#define CONFINE CALLS_CONFINE
#define CONNECT CALLS_CONNECT
#define LOOSE CALLS_LOOSE
#define UDP CALLS_UDP
#define KEEP LIMIT_KEEP
#define CALL_TO(NAME) (1u << ROLE_##NAME)

static const struct role_row rows[] = {
#define ROLE(NAME, lower, user, copies, calls, files, caps, nproc, nofile, as_mib, may_call) \
	[ROLE_##NAME] = { S(#lower), USER_##user, COPIES_##copies, calls, files, caps, nproc, \
		nofile, as_mib, may_call },
#include "role/roles.def"
#undef ROLE
};

static const char *const user_names[] = {
#define ROLE(NAME, lower, ...) [ROLE_##NAME] = "_waxwing-" #lower,
#include "role/roles.def"
#undef ROLE
};

const struct role_row *role_row(enum role r)
{
	must((size_t)r < ARRAY_LEN(rows), "a role stands in the table");
	return &rows[r];
}

bool role_may_call(enum role from, enum role to)
{
	return (size_t)from < ARRAY_LEN(rows) && (size_t)to < ARRAY_LEN(rows) &&
	       (rows[from].may_call & (1u << to));
}

const char *role_user_name(enum role r)
{
	return role_row(r)->user == USER_OWN ? user_names[r] : "";
}
