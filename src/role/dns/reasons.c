/* reasons.c — see reasons.h. */
#include "role/dns/reasons.h"

#include "base/map.h"

#include <string.h>

static struct reason {
	uint64_t key;            /* 0: free */
	size_t n;
	char text[REASON_MAX];
} kept[REASONS_KEPT];

static uint64_t key_of(struct str name, uint16_t type)
{
	return (hash_keyed(name) ^ type) | 1;
}

void reason_keep(struct str name, uint16_t type, struct str why)
{
	uint64_t key = key_of(name, type);
	struct reason *r = &kept[key / 2 % REASONS_KEPT];

	why = str_head(why, REASON_MAX);
	r->key = key;
	r->n = why.n;
	if (why.n)
		memcpy(r->text, why.p, why.n);
}

struct str reason_of(struct str name, uint16_t type)
{
	uint64_t key = key_of(name, type);
	const struct reason *r = &kept[key / 2 % REASONS_KEPT];

	return r->key == key ? str_of(r->text, r->n) : (struct str){ 0 };
}
