/* secret.c — who may own a secret. */
#include "conf/secret.h"

bool conf_secret_path(struct str word, struct str *ret)
{
	if (!str_starts(word, S("secret:")) || word.n == 7)
		return false;
	*ret = str_from(word, 7);
	return true;
}

bool conf_secret_check(const struct stat *st, uid_t server, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return fail(e, FAULT_PERM, "a secret must be a regular file");
	if (st->st_mode & 07177)
		return fail(e, FAULT_PERM, "a secret must have mode 0600, this one has %04o",
			    (unsigned)st->st_mode & 07777);
	if (st->st_uid != 0 && st->st_uid != server)
		return fail(
			e, FAULT_PERM,
			"a secret must belong to root or the server, this one belongs to uid %u",
			(unsigned)st->st_uid);
	return true;
}
