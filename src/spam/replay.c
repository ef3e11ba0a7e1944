/* replay.c — see replay.h. */
#include "spam/replay.h"

#include <stdbool.h>

enum { PROBES = 8 };

/* Its own, else the one that gives way to it. */
static size_t slot_of(const struct replay *r, uint64_t key)
{
	size_t oldest = key % REPLAY_SLOTS;

	for (unsigned i = 0; i < PROBES; i++) {
		size_t at = (key + i) % REPLAY_SLOTS;

		if (r->slot[at].key == key && r->slot[at].last)
			return at;
		if (r->slot[at].last < r->slot[oldest].last)
			oldest = at;
	}
	return oldest;
}

static bool is_current(const struct replay_slot *s, uint64_t key, int64_t per, int64_t now)
{
	return s->last && s->key == key && now >= s->first && now - s->first < per;
}

uint64_t replay_count(const struct replay *r, uint64_t key, int64_t per, int64_t now)
{
	const struct replay_slot *s = &r->slot[slot_of(r, key)];

	return is_current(s, key, per, now) ? s->n : 0;
}

void replay_add(struct replay *r, uint64_t key, uint64_t n, int64_t per, int64_t now)
{
	struct replay_slot *s = &r->slot[slot_of(r, key)];

	if (!is_current(s, key, per, now))
		*s = (struct replay_slot){ .key = key, .first = now };
	s->n += n;
	s->last = now;
}
