/* patience.c — see patience.h. */
#include "spam/patience.h"

enum { PROBES = 8 };

bool patience_has(struct patience *p, uint64_t key, int64_t now)
{
	struct patience_slot *at = NULL;

	key += key == 0;
	for (unsigned i = 0; i < PROBES; i++) {
		struct patience_slot *s = &p->slot[(key + i) % PATIENCE_SLOTS];

		if (s->key == key) {
			at = s;
			break;
		}
		if (!at || s->last < at->last) /* free ones are oldest */
			at = s;
	}
	if (at->key != key || now - at->last > PATIENCE_FORGETS || now < at->first)
		*at = (struct patience_slot){ .key = key, .first = now };
	at->last = now;
	return now - at->first <= PATIENCE_MAX;
}

bool patience_is_over(const struct patience *p, uint64_t key, int64_t now)
{
	key += key == 0;
	for (unsigned i = 0; i < PROBES; i++) {
		const struct patience_slot *s = &p->slot[(key + i) % PATIENCE_SLOTS];

		if (s->key == key)
			return now >= s->first && now - s->last <= PATIENCE_FORGETS && now - s->first > PATIENCE_MAX;
	}
	return false;
}
