/* box_guard.c — letters whose delivery the journal may do again.
 *
 * Until the journal says `safe`, a restart looks for a delivered letter under its base name in its folder and
 * delivers it anew if it is not there.  So it is made safe before a session moves, copies, renames or
 * expunges it.  Which letters that are is known to the journal alone, for they may have been delivered by a
 * process before this one: it is asked, some hundred names at once. */
#include "store/box_file.h"

#include <stdlib.h>

enum { BASES_AT_ONCE = 200 };

void store_guard(struct store *s, store_guard_fn *guard, void *arg)
{
	struct err ignored;
	struct shelf *shelf = shelf_of(s, &ignored);

	if (!shelf)
		return;
	shelf->guard = guard;
	shelf->guard_arg = arg;
}

/* Names in the box may move while the guard waits: they are copied. */
struct bases {
	size_t n;
	struct str base[BASES_AT_ONCE];
	char text[BASES_AT_ONCE][STORE_BASE_MAX];
};

static void bases_add(struct bases *k, struct str stem)
{
	struct str base = str_head(stem, str_find(stem, ','));

	if (!base.n || base.n > STORE_BASE_MAX)
		return;          /* a delivery's is not so long */
	memcpy(k->text[k->n], base.p, base.n);
	k->base[k->n] = str_of(k->text[k->n], base.n);
	k->n++;
}

SUSPENDS static bool bases_ask(struct box *b, struct bases *k, struct err *e)
{
	size_t n = k->n;

	k->n = 0;
	return !n || b->shelf->guard(b->shelf->guard_arg, str_from_z(b->folder), k->base, n, e) ||
	       fail_in(e, "make letters safe");
}

/* The shelf is held: no letter comes or goes meanwhile. */
SUSPENDS bool box_guard(struct box *b, const uint32_t *uids, size_t n, struct err *e)
{
	struct bases *k;
	bool ok = true;

	if (!b->shelf->guard)
		return true;
	k = malloc(sizeof(*k));
	if (!k)
		return fail(e, FAULT_TEMP, "out of memory");
	k->n = 0;
	for (size_t i = 0; ok && i < (uids ? n : b->n); i++) {
		const struct letter *l = uids ? box_find(b, uids[i]) : &b->letters[i];

		if (l)
			bases_add(k, letter_stem(b, l));
		if (k->n == BASES_AT_ONCE)
			ok = bases_ask(b, k, e);
	}
	ok = ok && bases_ask(b, k, e);
	free(k);
	return ok;
}
