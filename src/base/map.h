/* map.h — from byte strings to pointers, safe against chosen keys.
 *
 * Open addressing over SipHash-1-3 with a key drawn once per process.  The map
 * copies its keys and does not own its values.  Zero is a good empty map. */
#pragma once

#include "base/str.h"

struct map_slot;

struct map {
	struct map_slot *slots;
	size_t cap;      /* a power of two, or 0 */
	size_t n;        /* keys present */
	size_t dead;     /* slots whose key was removed */
};

/* The value, or NULL. */
void *map_get(const struct map *m, struct str key);
/* Replaces what was there and returns it, else NULL.  value is not NULL. */
void *map_put(struct map *m, struct str key, void *value);
/* Returns what was there, or NULL. */
void *map_remove(struct map *m, struct str key);
/* Walk: for (size_t i = 0; map_next(m, &i, &key, &value);) — the map must not change meanwhile,
 * except that the pair just given may be removed. */
bool map_next(const struct map *m, size_t *i, struct str *key, void **value);
void map_end(struct map *m);

/* SipHash-1-3 (Aumasson and Bernstein) under the process's own key. */
uint64_t hash_keyed(struct str bytes);
uint64_t siphash13(const uint64_t key[2], struct str bytes);
