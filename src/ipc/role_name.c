/* role_name.c — see role_name.h. */
#include "ipc/role_name.h"

static const char *const names[] = {
#define X(id, name) [ROLE_##id] = name,
	ROLE_NAMES(X)
#undef X
};

const char *role_name(enum role r)
{
	return r < ROLE_COUNT ? names[r] : "nobody";
}

enum role role_by_name(struct str name)
{
	enum role r = 0;

	while (r < ROLE_COUNT && !str_eq(name, str_from_z(names[r])))
		r++;
	return r;
}
