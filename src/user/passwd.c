/* passwd.c — see passwd.h. */
#include "user/passwd.h"

/* name ":" password ":" uid ":" … */
static bool line_parse(struct str line, struct str *ret_name, uint32_t *ret_uid)
{
	struct str rest, name = str_cut(line, ':', &rest);
	uint64_t uid;

	(void)str_cut(rest, ':', &rest);
	if (!name.n || name.n > PASSWD_NAME_MAX || str_at(name, 0) == '+' || str_at(name, 0) == '-' ||
	    !str_u64(str_cut(rest, ':', &rest), &uid) || uid >= UINT32_MAX)
		return false;
	*ret_name = name;
	*ret_uid = (uint32_t)uid;
	return true;
}

bool passwd_next(struct str *text, struct str *ret_name, uint32_t *ret_uid)
{
	while (text->n)
		if (line_parse(str_cut(*text, '\n', text), ret_name, ret_uid))
			return true;
	return false;
}
