/* account_dir.c — names that are safe as one part of a path; see account_dir.h. */
#include "user/account_dir.h"

#include "base/buf.h"

static bool is_safe(int c)
{
	return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '.' || c == '_' || c == '+' ||
	       c == '@' || c == '-';
}

bool account_dir_name(struct str name, struct arena *a, struct str *ret, struct err *e)
{
	char mem[ACCOUNT_DIR_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	if (name.n == 0)
		return fail(e, FAULT_PERM, "an empty name has no directory");
	for (size_t i = 0; i < name.n; i++) {
		int c = ascii_lower(str_at(name, i));

		if (is_safe(c) && !(c == '.' && i == 0))
			buf_add_char(&b, (char)c);
		else
			buf_addf(&b, "%%%02X", (unsigned)c);
	}
	if (b.full)
		return fail(e, FAULT_PERM, "the name is too long for a directory");
	*ret = arena_str(a, buf_str(&b));
	return ret->n ? true : fail(e, FAULT_TEMP, "out of memory");
}
