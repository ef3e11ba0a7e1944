/* bans.c — who may not connect, and who is known to have logged in.
 *
 * Both are in memory and in access.db.  A ban is an entry that a later entry ends; what has
 * expired is left out of memory.  Automatic bans of one client within REMEMBER grow.  Changes of
 * the database go one after the other, in a thread. */
#include "role/user/user.h"

#include "base/log.h"
#include "user/access_store.h"

#include <stdlib.h>

enum { AT_ONCE = 500, LIST_MAX = 200, LIST_BYTES = 40000, REASON_MAX = 200, DOUBLINGS_MAX = 20 };
#define REMEMBER (30 * DAY)
#define KNOWN_FRESH HOUR                 /* written again only when it is older */
#define FLUSH_EVERY MINUTE

struct ban {
	int64_t id;
	struct network net;
	char *what, *by, *reason;
	int64_t added, expires;
	uint64_t hits, written;
	int64_t last_hit;
};

/* How often a client was banned by the server within REMEMBER. */
struct history {
	unsigned n;
	int64_t last;
};

static struct access_store *store;
static bool is_busy;
static struct wait idle;
static struct ban **bans;                /* in force, by id */
static size_t n_bans, cap_bans;
static struct map history;               /* client → struct history */
static struct map known;                 /* client → int64_t, the last time */

/* -- the store ------------------------------------------------------------- */

SUSPENDS bool access_take(struct access_store **ret, struct err *e)
{
	while (is_busy)
		if (!wait_on(&idle, "access.db", e))
			return false;
	is_busy = true;
	*ret = store;
	return true;
}

void access_give(void)
{
	is_busy = false;
	wait_wake(&idle);
}

struct writing {
	enum { WRITE_BAN, WRITE_KNOWN, WRITE_HITS } what;
	struct ban_entry ban;
	struct known_client client;
	bool ok;
	struct err err;
};

/* In a thread. */
static void write_work(void *arg)
{
	struct writing *w = arg;

	switch (w->what) {
	case WRITE_BAN:
		w->ok = ban_add(store, &w->ban, &w->ban.id, &w->err);
		break;
	case WRITE_KNOWN:
		w->ok = known_put(store, &w->client, &w->err);
		break;
	case WRITE_HITS:
		w->ok = ban_set_hits(store, w->ban.id, w->ban.hits, w->ban.last_hit, &w->err);
		break;
	}
}

SUSPENDS static bool store_write(struct writing *w, struct err *e)
{
	struct access_store *s;

	if (!access_take(&s, e))
		return false;
	off_loop(write_work, w);
	access_give();
	if (!w->ok)
		*e = w->err;
	return w->ok;
}

/* -- bans in force --------------------------------------------------------- */

static void ban_close(struct ban *b)
{
	free(b->what);
	free(b->by);
	free(b->reason);
	free(b);
}

static char *copy(struct str s)
{
	char *z = strndup(s.n ? s.p : "", s.n);

	must(z, "out of memory for a ban");
	return z;
}

static struct ban *ban_keep(const struct ban_entry *x, const struct network *net)
{
	struct ban *b = calloc(1, sizeof(*b));

	if (n_bans == cap_bans) {
		cap_bans = cap_bans ? 2 * cap_bans : 64;
		bans = reallocarray(bans, cap_bans, sizeof(struct ban *));
	}
	must(b && bans, "out of memory for a ban");
	*b = (struct ban){ .id = x->id, .net = *net, .what = copy(x->what), .by = copy(x->by),
			   .reason = copy(x->reason), .added = x->added, .expires = x->expires, .hits = x->hits,
			   .written = x->hits, .last_hit = x->last_hit };
	bans[n_bans++] = b;
	return b;
}

static void ban_drop(size_t i)
{
	ban_close(bans[i]);
	memmove(&bans[i], &bans[i + 1], (n_bans - i - 1) * sizeof(struct ban *));
	n_bans--;
}

static void drop_expired(int64_t now)
{
	for (size_t i = n_bans; i-- > 0;)
		if (bans[i]->expires && bans[i]->expires <= now)
			ban_drop(i);
}

static void history_add(const struct net_address *client, int64_t when)
{
	struct str key = str_of(client->b, sizeof(client->b));
	struct history *h = map_get(&history, key);

	if (!h) {
		h = calloc(1, sizeof(*h));
		must(h, "out of memory for a ban");
		map_put(&history, key, h);
	}
	h->n = when - h->last > REMEMBER ? 1 : h->n + 1;
	h->last = when;
}

bool bans_refuse(const struct net_address *from, struct str *ret_why, struct arena *a)
{
	char mem[40];
	struct buf until = buf_over(mem, sizeof(mem));
	int64_t now = time_now();

	for (size_t i = 0; i < n_bans; i++) {
		struct ban *b = bans[i];

		if (!network_has(&b->net, from) || (b->expires && b->expires <= now))
			continue;
		b->hits++;
		b->last_hit = now;
		if (b->expires)
			time_add_rfc3339(&until, b->expires);
		*ret_why = arena_printf(a, "your address is banned%s" STR_FMT ": %s", until.n ? " until " : "",
					STR_ARG(buf_str(&until)), b->reason);
		return true;
	}
	return false;
}

/* -- banning --------------------------------------------------------------- */

static void print_client(const struct net_address *client, struct buf *to)
{
	net_address_print(client, to);
	if (!net_address_is_v4(client))
		buf_add(to, S("/64"));
}

/* The first ban of a client has the configured length, each further one twice as much. */
static int64_t length_of(const struct net_address *client, int64_t now)
{
	const struct conf_login *c = &conf_now()->login;
	const struct history *h = map_get(&history, str_of(client->b, sizeof(client->b)));
	unsigned n = h && now - h->last <= REMEMBER ? h->n : 0;
	int64_t length = c->ban;

	for (unsigned i = 0; i < n && i < DOUBLINGS_MAX && length < c->ban_most; i++)
		length *= 2;
	return length < c->ban_most ? length : c->ban_most;
}

SUSPENDS void bans_punish(const struct net_address *client, struct str peer, struct str reason)
{
	char mem[64];
	struct buf what = buf_over(mem, sizeof(mem));
	struct writing w = { .what = WRITE_BAN };
	int64_t now = time_now();
	struct network net;
	struct ban *b;
	struct err e = { 0 };

	print_client(client, &what);
	if (!network_parse(buf_str(&what), &net, &e))
		return;
	w.ban = (struct ban_entry){ .what = buf_str(&what), .added = now, .by = S("server"), .reason = reason,
				    .expires = now + length_of(client, now) };
	history_add(client, now);
	/* in force at once: the disk may take its time */
	b = ban_keep(&w.ban, &net);
	why_client_banned(w.ban.what, peer, w.ban.expires - now, reason);
	if (!store_write(&w, &e)) {
		log_error("ban", "why=%s next=\"it holds until the next restart\"", LOGQ(str_from_z(e.text)));
		return;
	}
	for (size_t i = 0; i < n_bans; i++)
		if (bans[i] == b)
			b->id = w.ban.id;
}

static bool check_network(struct str what, struct network *ret, struct err *e)
{
	struct net_address loopback[2];

	if (!network_parse(what, ret, e))
		return false;
	if (net_address_parse(S("127.0.0.1"), &loopback[0]) && net_address_parse(S("::1"), &loopback[1]) &&
	    (network_has(ret, &loopback[0]) || network_has(ret, &loopback[1]) ||
	     net_address_is_loopback(&ret->address)))
		return fail(e, FAULT_PERM, "this machine's own addresses are never banned");
	return true;
}

SUSPENDS static bool serve_add(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_ban_add *q = question;
	struct user_ban_add_answer *r = answer;
	struct writing w = { .what = WRITE_BAN };
	int64_t now = time_now();
	struct network net;

	(void)l, (void)a;
	if (!check_network(q->what, &net, e))
		return false;
	if (q->seconds > 3650 * (uint64_t)(DAY / SECOND))
		return fail(e, FAULT_PERM, "at most ten years, or without an end");
	w.ban = (struct ban_entry){ .what = q->what, .added = now, .by = q->by, .reason = str_head(q->reason, REASON_MAX),
				    .expires = q->seconds ? now + (int64_t)q->seconds * SECOND : 0 };
	if (!store_write(&w, e))
		return false;
	ban_keep(&w.ban, &net);
	r->id = (uint64_t)w.ban.id;
	log_info("ban", "what=" STR_FMT " by=%s why=%s", STR_ARG(q->what), LOGQ(q->by), LOGQ(q->reason));
	return true;
}

static bool is_meant(const struct ban *b, struct str what)
{
	uint64_t id;

	return str_eq(str_from_z(b->what), what) || (str_u64(what, &id) && b->id == (int64_t)id);
}

SUSPENDS static bool serve_remove(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_ban_remove *q = question;
	struct user_ban_remove_answer *r = answer;

	(void)l, (void)a;
	drop_expired(time_now());
	for (size_t i = n_bans; i-- > 0;) {
		struct writing w = { .what = WRITE_BAN };
		int64_t id;

		if (i >= n_bans || !is_meant(bans[i], q->what))
			continue;
		id = bans[i]->id;
		w.ban = (struct ban_entry){ .what = q->what, .added = time_now(), .by = q->by, .ends = id };
		if (!store_write(&w, e))
			return false;
		for (size_t k = 0; k < n_bans; k++)
			if (bans[k]->id == id) {
				ban_drop(k);
				break;
			}
		r->n++;
	}
	if (!r->n)
		return fail(e, FAULT_PERM, "%s is not banned; waxwing ban list shows who is", LOGQ(str_head(q->what, 100)));
	log_info("ban", "what=%s by=%s what=ended", LOGQ(q->what), LOGQ(q->by));
	return true;
}

static bool serve_list(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_ban_list *q = question;
	struct user_ban_list_answer *r = answer;
	size_t bytes = 0;

	(void)l;
	drop_expired(time_now());
	r->bans.p = ARENA_ARRAY(a, struct ipc_ban, LIST_MAX);
	if (!r->bans.p)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < n_bans && r->bans.n < LIST_MAX && bytes < LIST_BYTES; i++) {
		const struct ban *b = bans[i];

		if ((uint64_t)b->id <= q->after)
			continue;
		r->bans.p[r->bans.n++] = (struct ipc_ban){
			.id = (uint64_t)b->id, .what = str_from_z(b->what), .added = b->added,
			.by = str_from_z(b->by), .reason = str_from_z(b->reason), .expires = b->expires,
			.hits = b->hits, .last_hit = b->last_hit };
		bytes += strlen(b->what) + strlen(b->by) + strlen(b->reason) + sizeof(struct ipc_ban);
	}
	return true;
}

/* -- who has logged in ----------------------------------------------------- */

bool known_has(const struct net_address *client)
{
	const int64_t *last = map_get(&known, str_of(client->b, sizeof(client->b)));

	return last && time_now() - *last < REMEMBER;
}

static bool known_set(const struct net_address *client, int64_t when)
{
	int64_t *last = map_get(&known, str_of(client->b, sizeof(client->b)));
	bool is_fresh = last && when - *last < KNOWN_FRESH;

	if (!last) {
		last = calloc(1, sizeof(*last));
		must(last, "out of memory for a client");
		map_put(&known, str_of(client->b, sizeof(client->b)), last);
	}
	if (!is_fresh)
		*last = when;
	return !is_fresh;
}

SUSPENDS void known_note(const struct net_address *client)
{
	struct writing w = { .what = WRITE_KNOWN, .client = { .client = *client, .last = time_now() } };
	struct err e = { 0 };

	if (known_set(client, w.client.last) && !store_write(&w, &e))
		log_warn("known", "why=%s next=\"it is written at the next login\"", LOGQ(str_from_z(e.text)));
}

/* -- life ------------------------------------------------------------------ */

SUSPENDS static void flush_hits(void)
{
	struct err e;

	for (size_t i = 0; i < n_bans; i++) {
		struct ban *b = bans[i];
		struct writing w = { .what = WRITE_HITS, .ban = { .id = b->id, .hits = b->hits, .last_hit = b->last_hit } };

		if (b->hits == b->written || !b->id)
			continue;
		b->written = b->hits;
		if (!store_write(&w, &e))
			return;
	}
}

SUSPENDS void bans_tend(void *unused)
{
	struct err e;

	(void)unused;
	while (fiber_sleep(FLUSH_EVERY, &e)) {
		drop_expired(time_now());
		flush_hits();
	}
}

static void load_entry(const struct ban_entry *x, int64_t now)
{
	struct net_address client;
	struct network net;
	struct err e;

	for (size_t k = 0; x->ends && k < n_bans; k++)
		if (bans[k]->id == x->ends) {
			ban_drop(k);
			break;
		}
	if (x->ends || !network_parse(x->what, &net, &e))
		return;
	client = net_address_client(&net.address);
	if (str_eq(x->by, S("server")) && now - x->added < REMEMBER)
		history_add(&client, x->added);
	if (!x->expires || x->expires > now)
		ban_keep(x, &net);
}

/* Before the rights are given up nobody waits: the database is read at once. */
static bool load_bans(struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct ban_entry *list = ARENA_ARRAY(&a, struct ban_entry, AT_ONCE);
	struct arena_mark mark = arena_mark(&a);
	int64_t last = 0, now = time_now();
	size_t n = AT_ONCE;

	for (; list && n == AT_ONCE; arena_rewind(&a, mark)) {
		if (!ban_entries(store, last, AT_ONCE, &a, list, &n, e))
			return false;
		for (size_t i = 0; i < n; i++) {
			load_entry(&list[i], now);
			last = list[i].id;
		}
	}
	return list || fail(e, FAULT_TEMP, "out of memory");
}

static bool load_known(struct err *e)
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
			known_set(&list[i].client, list[i].last);
			last = list[i].row;
		}
	}
	return true;
}

bool bans_open(uint8_t ret_secret[ACCESS_SECRET], struct err *e)
{
	ipc_serve(IPC_user_ban_add, serve_add);
	ipc_serve(IPC_user_ban_remove, serve_remove);
	ipc_serve(IPC_user_ban_list, serve_list);
	store = access_store_open("db/user", e);
	return store && access_secret(store, ret_secret, e) && load_bans(e) && load_known(e);
}
