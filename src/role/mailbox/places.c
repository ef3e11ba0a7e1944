/* places.c — sets of letters while a search goes on; see places.h. */
#include "role/mailbox/places.h"

#include <stdlib.h>
#include <string.h>

void places_end(struct places *p)
{
	free(p->p);
}

bool places_copy(const struct places *from, struct places *ret, struct err *e)
{
	ret->p = reallocarray(NULL, from->n + 1, sizeof(*ret->p));
	ret->n = from->n;
	if (ret->p && from->n)
		memcpy(ret->p, from->p, from->n * sizeof(*ret->p));
	return ret->p || fail(e, FAULT_TEMP, "out of memory");
}

void places_without(struct places *from, const struct places *less)
{
	size_t n = 0;

	for (size_t i = 0, k = 0; i < from->n; i++) {
		if (k < less->n && less->p[k] == from->p[i])
			k++;
		else
			from->p[n++] = from->p[i];
	}
	from->n = n;
}

void places_merge(struct places *to, const struct places *more)
{
	size_t i = to->n, k = more->n, n = to->n + more->n;

	to->n = n;
	while (k)
		to->p[--n] = i && to->p[i - 1] > more->p[k - 1] ? to->p[--i] : more->p[--k];
}
