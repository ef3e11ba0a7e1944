/* places.h — some letters of a list of UIDs: their places in it, ascending, on the heap. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct places {
	uint32_t *p;
	size_t n;
};

void places_end(struct places *p);
bool places_copy(const struct places *from, struct places *ret, struct err *e);
/* `less` lies within `from`, which loses it. */
void places_without(struct places *from, const struct places *less);
/* Disjoint ones; *to has room for both. */
void places_merge(struct places *to, const struct places *more);
