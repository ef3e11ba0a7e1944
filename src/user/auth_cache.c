/* auth_cache.c — passwords that were right a while ago; see auth_cache.h. */
#include "user/auth_cache.h"

#include "base/heap.h"
#include "base/map.h"
#include "base/rnd.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

enum { KEY_BYTES = 32, MAC_BYTES = 32 };

struct entry {
	uint8_t mac[MAC_BYTES];
	uint64_t account;        /* hash_keyed of its name: a collision only forgets too much */
	struct heap_node until;
};

struct auth_cache {
	uint8_t key[KEY_BYTES];
	struct map entries;      /* mac → struct entry */
	struct heap ends;
};

struct auth_cache *auth_cache_open(void)
{
	struct auth_cache *c = calloc(1, sizeof(*c));

	if (c)
		rnd_bytes(c->key, sizeof(c->key));
	return c;
}

static bool mac_one(const struct auth_cache *c, struct str s, uint8_t ret[MAC_BYTES])
{
	unsigned n = MAC_BYTES;

	return HMAC(EVP_sha256(), c->key, sizeof(c->key), (const uint8_t *)(s.n ? s.p : ""), s.n, ret, &n);
}

/* HMAC(HMAC(backend) HMAC(account) HMAC(password)): no two keys give the same text. */
static bool mac_of(const struct auth_cache *c, const struct auth_cache_key *k, uint8_t ret[MAC_BYTES])
{
	uint8_t parts[3 * MAC_BYTES];
	bool ok = mac_one(c, k->backend, parts) && mac_one(c, k->account, parts + MAC_BYTES) &&
		  mac_one(c, k->password, parts + 2 * (size_t)MAC_BYTES) && mac_one(c, str_of(parts, sizeof(parts)), ret);

	explicit_bzero(parts, sizeof(parts));
	return ok;
}

static void drop(struct auth_cache *c, struct entry *x)
{
	heap_remove(&c->ends, &x->until);
	map_remove(&c->entries, str_of(x->mac, sizeof(x->mac)));
	explicit_bzero(x, sizeof(*x));
	free(x);
}

bool auth_cache_has(struct auth_cache *c, const struct auth_cache_key *k, int64_t now)
{
	uint8_t mac[MAC_BYTES];
	struct entry *x;

	if (!c->entries.n || !mac_of(c, k, mac))
		return false;
	x = map_get(&c->entries, str_of(mac, sizeof(mac)));
	if (x && x->until.key <= now) {
		drop(c, x);
		x = NULL;
	}
	return x;
}

void auth_cache_put(struct auth_cache *c, const struct auth_cache_key *k, int64_t until, size_t max)
{
	uint8_t mac[MAC_BYTES];
	struct entry *x;

	if (max == 0 || !mac_of(c, k, mac))
		return;
	x = map_get(&c->entries, str_of(mac, sizeof(mac)));
	if (x)
		drop(c, x);
	while (c->entries.n >= max)
		drop(c, HEAP_OWNER(heap_first(&c->ends), struct entry, until));
	x = calloc(1, sizeof(*x));
	if (!x)
		return;
	memcpy(x->mac, mac, sizeof(mac));
	x->account = hash_keyed(k->account);
	map_put(&c->entries, str_of(x->mac, sizeof(x->mac)), x);
	heap_add(&c->ends, &x->until, until);
}

void auth_cache_forget(struct auth_cache *c, struct str account)
{
	uint64_t hash = hash_keyed(account);
	struct str key;
	void *value;

	for (size_t i = 0; map_next(&c->entries, &i, &key, &value);) {
		struct entry *x = value;

		if (x->account == hash)
			drop(c, x);
	}
}

void auth_cache_clear(struct auth_cache *c)
{
	while (c->entries.n)
		drop(c, HEAP_OWNER(heap_first(&c->ends), struct entry, until));
}

size_t auth_cache_size(const struct auth_cache *c)
{
	return c->entries.n;
}

void auth_cache_close(struct auth_cache *c)
{
	if (!c)
		return;
	auth_cache_clear(c);
	map_end(&c->entries);
	heap_end(&c->ends);
	explicit_bzero(c, sizeof(*c));
	free(c);
}
