/* ids.h — letter ids, which `queue` gives.
 *
 * At a quiet time each MAIL asks for its own.  While letters come quickly, ids
 * are asked for by the dozen and kept for at most 20 ms, which spares each letter
 * a question; an id's time is then so much older than its MAIL. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct link;

/* FAULT_PERM: the queue takes no letters now. */
SUSPENDS bool ids_take(struct arena *a, uint64_t *ret, struct err *e);
/* What a dead queue gave holds no more. */
void ids_unlinked(const struct link *l);
