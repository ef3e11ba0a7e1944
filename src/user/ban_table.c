/* ban_table.c — see ban_table.h. */
#include "user/ban_table.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

struct banned_before {
	unsigned n;
	struct net_address client;
	struct heap_node until;  /* when the last one is over */
};

static struct str key_of(const struct net_address *client)
{
	return str_of(client->b, sizeof(client->b));
}

/* -- one ban --------------------------------------------------------------- */

static void ban_close(struct ban *b)
{
	free((char *)(uintptr_t)b->entry.what.p);
	free(b);
}

/* Its words lie behind each other. */
static struct ban *ban_open(const struct ban_entry *x, const struct network *net)
{
	struct ban *b = calloc(1, sizeof(*b));
	size_t n = x->what.n + x->by.n + x->reason.n + 1;
	char *words = malloc(n);
	struct buf to = buf_over(words, words ? n : 0);

	if (!b || !words) {
		free(b);
		free(words);
		return NULL;
	}
	buf_add(&to, x->what);
	buf_add(&to, x->by);
	buf_add(&to, x->reason);
	*b = (struct ban){ .entry = *x, .net = *net };
	b->entry.what = str_of(words, x->what.n);
	b->entry.by = str_of(words + x->what.n, x->by.n);
	b->entry.reason = str_of(words + x->what.n + x->by.n, x->reason.n);
	return b;
}

/* -- the table ------------------------------------------------------------- */

/* Where the first with an id above `after` stands. */
static size_t place_above(const struct ban_table *t, int64_t after)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->list[middle]->entry.id > after)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct ban *ban_table_next(const struct ban_table *t, int64_t after)
{
	size_t at = place_above(t, after);

	return at < t->n ? t->list[at] : NULL;
}

static bool grow(struct ban ***list, size_t n, size_t *cap)
{
	struct ban **more;

	if (n < *cap)
		return true;
	more = reallocarray(*list, *cap ? 2 * *cap : 64, sizeof(struct ban *));
	if (!more)
		return false;
	*list = more;
	*cap = *cap ? 2 * *cap : 64;
	return true;
}

/* Out of all but the list. */
static void detach(struct ban_table *t, struct ban *b)
{
	if (b->is_automatic) {
		heap_remove(&t->ends, &b->end);
		map_remove(&t->clients, key_of(&b->net.address));
		return;
	}
	for (size_t i = 0; i < t->n_networks; i++)
		if (t->networks[i] == b) {
			t->networks[i] = t->networks[--t->n_networks];
			return;
		}
}

void ban_table_remove(struct ban_table *t, struct ban *b)
{
	size_t at = place_above(t, b->entry.id - 1);

	must(at < t->n && t->list[at] == b, "a ban stands in the list");
	memmove(&t->list[at], &t->list[at + 1], (t->n - at - 1) * sizeof(struct ban *));
	t->n--;
	detach(t, b);
	ban_close(b);
}

void ban_table_expire(struct ban_table *t, int64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct ban *b = t->list[i];

		if (b->entry.expires && b->entry.expires <= now) {
			detach(t, b);
			ban_close(b);
		} else {
			t->list[kept++] = b;
		}
	}
	t->n = kept;
}

/* May one more of the server's come in?  One that ends sooner makes way. */
static bool make_way(struct ban_table *t, int64_t expires, struct err *e)
{
	struct ban *first;

	if (t->clients.n < BANS_MAX)
		return true;
	first = HEAP_OWNER(heap_first(&t->ends), struct ban, end);
	if (first->entry.expires >= expires)
		return fail(e, FAULT_TEMP, "%d clients are banned, and all for longer", BANS_MAX);
	ban_table_remove(t, first);
	return true;
}

static bool attach(struct ban_table *t, struct ban *b, struct err *e)
{
	struct ban *old;

	if (!b->is_automatic) {
		if (t->n_networks >= BANS_BY_HAND_MAX)
			return fail(e, FAULT_PERM, "%d networks are banned by hand, and there is no place for more",
				    BANS_BY_HAND_MAX);
		if (!grow(&t->networks, t->n_networks, &t->cap_networks))
			return fail(e, FAULT_TEMP, "out of memory for a ban");
		t->networks[t->n_networks++] = b;
		return true;
	}
	old = map_get(&t->clients, key_of(&b->net.address));
	if (old)
		ban_table_remove(t, old);
	if (!make_way(t, b->entry.expires, e))
		return false;
	map_put(&t->clients, key_of(&b->net.address), b);
	heap_add(&t->ends, &b->end, b->entry.expires);
	return true;
}

struct ban *ban_table_add(struct ban_table *t, const struct ban_entry *x, bool is_automatic, struct err *e)
{
	struct network net;
	struct ban *b;

	if (!network_parse(x->what, &net, e))
		return NULL;
	must(!t->n || t->list[t->n - 1]->entry.id < x->id, "the ids of bans grow");
	b = grow(&t->list, t->n, &t->cap) ? ban_open(x, &net) : NULL;
	if (!b) {
		fail(e, FAULT_TEMP, "out of memory for a ban");
		return NULL;
	}
	b->is_automatic = is_automatic;
	if (!attach(t, b, e)) {
		ban_close(b);
		return NULL;
	}
	t->list[t->n++] = b;
	return b;
}

static bool is_in_force(const struct ban *b, const struct net_address *from, int64_t now)
{
	return b && network_has(&b->net, from) && (!b->entry.expires || b->entry.expires > now);
}

struct ban *ban_table_find(const struct ban_table *t, const struct net_address *from, int64_t now)
{
	struct net_address client = net_address_client(from);
	struct ban *b = map_get(&t->clients, key_of(&client));

	if (is_in_force(b, from, now))
		return b;
	for (size_t i = 0; i < t->n_networks; i++)
		if (is_in_force(t->networks[i], from, now))
			return t->networks[i];
	return NULL;
}

/* -- how often before ------------------------------------------------------ */

static void forget(struct ban_table *t, struct banned_before *x)
{
	heap_remove(&t->by_end, &x->until);
	map_remove(&t->before, key_of(&x->client));
	free(x);
}

unsigned ban_table_before(const struct ban_table *t, const struct net_address *client, int64_t forget_after, int64_t now)
{
	const struct banned_before *x = map_get(&t->before, key_of(client));

	return x && now - x->until.key < forget_after ? x->n : 0;
}

void ban_table_note(struct ban_table *t, const struct net_address *client, int64_t forget_after, int64_t now, int64_t until)
{
	unsigned n = ban_table_before(t, client, forget_after, now);
	struct banned_before *x = map_get(&t->before, key_of(client));

	if (!x) {
		if (t->before.n >= BANNED_BEFORE_MAX)
			forget(t, HEAP_OWNER(heap_first(&t->by_end), struct banned_before, until));
		x = calloc(1, sizeof(*x));
		if (!x)
			return;
		x->client = *client;
		map_put(&t->before, key_of(client), x);
	}
	x->n = n + 1;
	heap_remove(&t->by_end, &x->until);
	heap_add(&t->by_end, &x->until, until);
}

void ban_table_pardon(struct ban_table *t, const struct net_address *client)
{
	struct banned_before *x = map_get(&t->before, key_of(client));

	if (x)
		forget(t, x);
}

void ban_table_end(struct ban_table *t)
{
	struct str key;
	void *value;

	heap_end(&t->ends);              /* the nodes lie in what is freed below */
	heap_end(&t->by_end);
	for (size_t i = 0; i < t->n; i++)
		ban_close(t->list[i]);
	for (size_t i = 0; map_next(&t->before, &i, &key, &value);)
		free(value);
	map_end(&t->clients);
	map_end(&t->before);
	free(t->list);
	free(t->networks);
	*t = (struct ban_table){ 0 };
}
