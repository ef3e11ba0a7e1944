/* replay.h — how often one and the same signature came.
 *
 * A letter that was signed once can be sent to anybody, by anybody, under its signer's good name (RFC 6376 §8.6).  A
 * bounded table of signatures and of the recipients that each was brought to; whose last letter is longest ago gives
 * way, so that one which comes all the time stays. */
#pragma once

#include "base/time.h"

#include <stddef.h>

enum { REPLAY_SLOTS = 4096 };

struct replay {
	struct replay_slot {
		uint64_t key, n;         /* last 0: free */
		int64_t first, last;     /* time_now() */
	} slot[REPLAY_SLOTS];
};

/* To how many recipients it came in the time `per` that began with its first letter.  key: a hash of the signature. */
uint64_t replay_count(const struct replay *r, uint64_t key, int64_t per, int64_t now);
/* It came to n more; 0: it came, and was put off. */
void replay_add(struct replay *r, uint64_t key, uint64_t n, int64_t per, int64_t now);
