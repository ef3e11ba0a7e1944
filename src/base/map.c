/* map.c — keyed hash maps; see map.h. */
#include "base/map.h"

#include "base/err.h"
#include "base/rnd.h"

#include <stdlib.h>

struct map_slot {
	char *key;       /* NULL: never used; TOMBSTONE: removed */
	size_t key_n;
	uint64_t hash;
	void *value;
};

static char tombstone;

static uint64_t rotl(uint64_t v, int by)
{
	return (v << by) | (v >> (64 - by));
}

/* Four words in registers: kept apart, the calls cost more than the rounds. */
static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
	v[0] += v[1]; v[1] = rotl(v[1], 13); v[1] ^= v[0]; v[0] = rotl(v[0], 32);
	v[2] += v[3]; v[3] = rotl(v[3], 16); v[3] ^= v[2];
	v[0] += v[3]; v[3] = rotl(v[3], 21); v[3] ^= v[0];
	v[2] += v[1]; v[1] = rotl(v[1], 17); v[1] ^= v[2]; v[2] = rotl(v[2], 32);
}

uint64_t siphash13(const uint64_t key[2], struct str in)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
			  key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
	uint64_t word, last = (uint64_t)in.n << 56;

	while (in.n >= 8) {
		memcpy(&word, in.p, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
		in = str_from(in, 8);
	}
	for (size_t i = 0; i < in.n; i++)
		last |= (uint64_t)str_at(in, i) << (8 * i);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_keyed(struct str bytes)
{
	static uint64_t key[2];

	if (!(key[0] | key[1]))
		rnd_bytes(key, sizeof(key));
	return siphash13(key, bytes);
}

/* The slot that holds the key, or NULL. */
static struct map_slot *find(const struct map *m, struct str key, uint64_t hash)
{
	if (m->cap == 0)
		return NULL;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slots[i];

		if (!s->key)
			return NULL;
		if (s->key != &tombstone && s->hash == hash && str_eq(str_of(s->key, s->key_n), key))
			return s;
	}
}

static struct map_slot *free_slot(struct map_slot *slots, size_t cap, uint64_t hash)
{
	size_t i = hash & (cap - 1);

	while (slots[i].key && slots[i].key != &tombstone)
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static void grow(struct map *m)
{
	size_t cap = m->cap ? m->cap : 8;
	struct map_slot *slots;

	while (cap < (m->n + 1) * 2)
		cap *= 2;
	slots = calloc(cap, sizeof(*slots));
	must(slots, "out of memory for a map");
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].key && m->slots[i].key != &tombstone)
			*free_slot(slots, cap, m->slots[i].hash) = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	m->dead = 0;
}

void *map_get(const struct map *m, struct str key)
{
	struct map_slot *s = m->cap ? find(m, key, hash_keyed(key)) : NULL;

	return s ? s->value : NULL;
}

void *map_put(struct map *m, struct str key, void *value)
{
	uint64_t hash = hash_keyed(key);
	struct map_slot *s = find(m, key, hash);
	void *was;

	must(value, "a map holds no NULL");
	if (s) {
		was = s->value;
		s->value = value;
		return was;
	}
	if ((m->n + m->dead + 1) * 4 > m->cap * 3)
		grow(m);
	s = free_slot(m->slots, m->cap, hash);
	if (s->key == &tombstone)
		m->dead--;
	*s = (struct map_slot){ .key = malloc(key.n + 1), .key_n = key.n, .hash = hash, .value = value };
	must(s->key, "out of memory for a map key");
	if (key.n)
		memcpy(s->key, key.p, key.n);
	m->n++;
	return NULL;
}

void *map_remove(struct map *m, struct str key)
{
	struct map_slot *s = m->cap ? find(m, key, hash_keyed(key)) : NULL;
	void *was = s ? s->value : NULL;

	if (s) {
		free(s->key);
		*s = (struct map_slot){ .key = &tombstone };
		m->n--;
		m->dead++;
	}
	return was;
}

bool map_next(const struct map *m, size_t *i, struct str *key, void **value)
{
	while (*i < m->cap) {
		struct map_slot *s = &m->slots[(*i)++];

		if (s->key && s->key != &tombstone) {
			*key = str_of(s->key, s->key_n);
			*value = s->value;
			return true;
		}
	}
	return false;
}

void map_end(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].key != &tombstone)
			free(m->slots[i].key);
	free(m->slots);
	*m = (struct map){ 0 };
}
