/* patience.h — for how long somebody is put off.
 *
 * What strangers publish must not make us answer 4xx for ever: a sender and client that were put
 * off for a day for something that could not be asked are no longer.  A bounded table: who came
 * last outlives who came first. */
#pragma once

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>

enum { PATIENCE_SLOTS = 4096 };
#define PATIENCE_MAX (24 * HOUR)
#define PATIENCE_FORGETS (3 * DAY) /* since it was last put off */

struct patience {
	struct patience_slot {
		uint64_t key;        /* 0: free */
		int64_t first, last; /* time_now() */
	} slot[PATIENCE_SLOTS];
};

/* Put off once more: false if it was for too long already.  key: a hash of who it is and what for.
 */
bool patience_has(struct patience *p, uint64_t key, int64_t now);
/* Was it for too long already?  Nothing changes. */
bool patience_is_over(const struct patience *p, uint64_t key, int64_t now);
