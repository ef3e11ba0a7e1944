/* known.c — from where somebody has logged in lately.
 *
 * A client is an IPv4 address or an IPv6 /64; its network (an IPv4 /24, an IPv6 /48) is never banned
 * by the server: a phone comes back with another address.  In memory and in access.db. */
#include "role/user/user.h"

#include "base/log.h"
#include "user/access_store.h"

#include <stdlib.h>

enum { AT_ONCE = 500, V4_NETWORK = 15, V6_NETWORK = 6 };         /* the latter in bytes */
#define REMEMBER (30 * DAY)
#define KNOWN_FRESH HOUR                 /* written again only when it is older */

static struct map clients;               /* client → int64_t, the last time */
static struct map networks;              /* the same */

static struct str network_of(const struct net_address *a)
{
	return str_of(a->b, net_address_is_v4(a) ? V4_NETWORK : V6_NETWORK);
}

static bool is_lately(const struct map *m, struct str key)
{
	const int64_t *last = map_get(m, key);

	return last && time_now() - *last < REMEMBER;
}

bool known_has(const struct net_address *client)
{
	return is_lately(&clients, str_of(client->b, sizeof(client->b)));
}

bool known_has_network(const struct net_address *from)
{
	return is_lately(&networks, network_of(from));
}

/* When it was last there, before; 0: never. */
static int64_t set(struct map *m, struct str key, int64_t when)
{
	int64_t *last = map_get(m, key), before = last ? *last : 0;

	if (!last) {
		last = calloc(1, sizeof(*last));
		must(last, "out of memory for a client");
		map_put(m, key, last);
	}
	*last = when > before ? when : before;
	return before;
}

struct writing {
	struct access_store *store;
	struct known_client client;
	bool ok;
	struct err err;
};

/* In a thread. */
static void write_work(void *arg)
{
	struct writing *w = arg;

	w->ok = known_put(w->store, &w->client, &w->err);
}

SUSPENDS void known_note(const struct net_address *client)
{
	struct writing w = { .client = { .client = *client, .last = time_now() } };
	struct str key = str_of(client->b, sizeof(client->b));
	const int64_t *last = map_get(&clients, key);
	struct err e = { 0 };

	set(&networks, network_of(client), w.client.last);
	if (last && w.client.last - *last < KNOWN_FRESH)
		return;
	set(&clients, key, w.client.last);
	if (!access_take(&w.store, &e))
		return;
	off_loop(write_work, &w);
	access_give();
	if (!w.ok)
		log_warn("known", "why=%s next=\"it is written at the next login\"", LOGQ(str_from_z(w.err.text)));
}

/* Before the rights are given up nobody waits: the database is read at once. */
bool known_load(struct access_store *store, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct known_client *list = ARENA_ARRAY(&a, struct known_client, AT_ONCE);
	size_t n = AT_ONCE;
	int64_t last = 0;

	if (!list)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!known_forget(store, time_now() - REMEMBER, e))
		return false;
	while (n == AT_ONCE) {
		if (!known_clients(store, last, AT_ONCE, list, &n, e))
			return false;
		for (size_t i = 0; i < n; i++) {
			set(&clients, str_of(list[i].client.b, sizeof(list[i].client.b)), list[i].last);
			set(&networks, network_of(&list[i].client), list[i].last);
			last = list[i].row;
		}
	}
	return true;
}
