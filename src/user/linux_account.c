/* linux_account.c — rules for the system's users; see linux_account.h. */
#include "user/linux_account.h"

bool linux_name_is_valid(struct str name)
{
	int first = str_at(name, 0);

	if (name.n == 0 || name.n > LINUX_NAME_MAX ||
	    !((first >= 'a' && first <= 'z') || first == '_'))
		return false;
	for (size_t i = 1; i < name.n; i++) {
		int c = str_at(name, i);

		if (!((c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '_' || c == '.' ||
		      c == '-'))
			return false;
	}
	return true;
}

/* Absolute, not "/", without "..", NUL or control bytes. */
static bool is_home(struct str home)
{
	struct str rest = home;

	if (str_at(home, 0) != '/' || home.n < 2 || home.n > LINUX_PATH_MAX)
		return false;
	for (size_t i = 0; i < home.n; i++)
		if (str_at(home, i) < ' ' || str_at(home, i) == 127)
			return false;
	while (rest.n)
		if (str_eq(str_cut(rest, '/', &rest), S("..")))
			return false;
	return !str_eq(home, S("/nonexistent")) && str_find_str(home, S("//")) == home.n;
}

bool linux_account_check(const struct linux_account *l, struct str asked, struct err *e)
{
	if (!linux_name_is_valid(l->name) || !str_eq(l->name, asked))
		return fail(e, FAULT_PERM, "the system answered with another name");
	if (l->uid == 0)
		return fail(e, FAULT_PERM, "mail of root goes to the contact");
	if (l->uid < LINUX_UID_MIN || l->uid == LINUX_UID_NOBODY || l->uid == UINT32_MAX)
		return fail(e, FAULT_PERM, "user " STR_FMT " belongs to the system (uid %u)",
			    STR_ARG(l->name), l->uid);
	if (l->gid == 0 || l->gid == UINT32_MAX)
		return fail(e, FAULT_PERM, "the group of " STR_FMT " is %u", STR_ARG(l->name),
			    l->gid);
	if (!is_home(l->home))
		return fail(e, FAULT_PERM, "user " STR_FMT " has no usable home", STR_ARG(l->name));
	return true;
}
