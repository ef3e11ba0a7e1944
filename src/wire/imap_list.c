/* imap_list.c — patterns of LIST; see imap_list.h.
 *
 * The set of places in the name that the pattern may have come to, moved on octet by octet of the
 * pattern.  Wildcards beside each other count once, and a pattern that has more other octets than the
 * name is over early: no pattern costs more than twice the name's length, squared. */
#include "wire/imap_list.h"

/* A wildcard: every place reaches those behind it, "%" up to the next separator. */
static void spread(bool *at, struct str name, bool is_star, char separator)
{
	bool reached = false;

	for (size_t i = 0; i <= name.n; i++) {
		reached |= at[i];
		at[i] = reached;
		if (!is_star && str_at(name, i) == (unsigned char)separator)
			reached = false;
	}
}

/* One octet: every place moves on by one, or is lost. */
static bool move(bool *at, struct str name, int c, bool nocase)
{
	bool any = false;

	for (size_t i = name.n + 1; i-- > 0;) {
		int d = i ? str_at(name, i - 1) : -1;

		at[i] = i && at[i - 1] && (c == d || (nocase && ascii_lower(c) == ascii_lower(d)));
		any |= at[i];
	}
	return any;
}

bool imap_list_fits(struct str pattern, struct str name, char separator, bool nocase)
{
	bool at[LIST_NAME_MAX + 1] = { true };
	int done = 0;                    /* the wildcard just spread; "*" covers "%" */

	if (name.n > LIST_NAME_MAX)
		return false;
	for (size_t i = 0; i < pattern.n; i++) {
		int c = str_at(pattern, i);

		if (c != '*' && c != '%') {
			done = 0;
			if (!move(at, name, c, nocase))
				return false;
		} else if (done != '*' && done != c) {
			done = c;
			spread(at, name, c == '*', separator);
		}
	}
	return at[name.n];
}
