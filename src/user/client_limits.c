/* client_limits.c — connections, letters and errors per client; see client_limits.h. */
#include "user/client_limits.h"

#include "base/heap.h"
#include "base/map.h"
#include "base/time.h"

#include <stdlib.h>

enum { ENTRIES_DEFAULT = 65536, TOKEN = 1000000 };

/* Tokens in millionths; a bucket never seen is full. */
struct bucket {
	int64_t tokens;
	int64_t at;
	bool is_begun;
};

struct client {
	struct net_address address;
	unsigned connections;
	struct bucket connects, letters, errors;
	struct heap_node idle;   /* by the time since when it has no connection */
};

struct client_limits {
	struct client_limits_conf conf;
	struct network *friends;
	struct map clients;      /* 16 bytes → struct client */
	struct heap idle;
	size_t connections;
};

static const char *const texts[] = {
	[CLIENT_OK] = "",
	[CLIENT_TOO_MANY] = "too many connections from your address",
	[CLIENT_TOO_FAST] = "too many new connections from your address, try again later",
	[CLIENT_LETTERS] = "too many letters from your address, try again later",
	[CLIENT_ERRORS] = "too many errors from your address, try again later",
	[CLIENT_SERVER_FULL] = "too many connections, try again later",
	[CLIENT_TABLE_FULL] = "too many connections, try again later",
};

static struct client_verdict verdict(enum client_why why)
{
	return (struct client_verdict){ .allow = why == CLIENT_OK, .why = why, .text = texts[why] };
}

static struct str key_of(const struct net_address *client)
{
	return str_of(client->b, sizeof(client->b));
}

/* Fill the bucket for the time that passed. */
static void bucket_fill(struct bucket *b, unsigned rate, int64_t per, int64_t now)
{
	int64_t full = (int64_t)rate * TOKEN, passed;

	if (!b->is_begun) {
		*b = (struct bucket){ .tokens = full, .at = now, .is_begun = true };
		return;
	}
	passed = now > b->at ? now - b->at : 0;
	if (passed >= per)
		b->tokens = full;
	else
		b->tokens += (int64_t)((double)full * (double)passed / (double)per);
	if (b->tokens > full)
		b->tokens = full;
	b->at = now;
}

/* Take n tokens if there is one; the bucket may go below zero by what n exceeds it. */
static bool bucket_take(struct bucket *b, unsigned rate, int64_t per, unsigned n, int64_t now)
{
	int64_t floor = -(int64_t)rate * TOKEN;

	if (rate == 0 || per <= 0)
		return true;
	bucket_fill(b, rate, per, now);
	if (b->tokens < TOKEN && n > 0)
		return false;
	b->tokens -= (int64_t)n * TOKEN;
	if (b->tokens < floor)
		b->tokens = floor;
	return true;
}

static bool is_friend(const struct client_limits *l, const struct net_address *from)
{
	return network_list_has(l->conf.friends, l->conf.n_friends, from);
}

static void forget(struct client_limits *l, struct client *c)
{
	heap_remove(&l->idle, &c->idle);
	map_remove(&l->clients, key_of(&c->address));
	free(c);
}

static size_t entries_max(const struct client_limits *l)
{
	return l->conf.entries_max ? l->conf.entries_max : ENTRIES_DEFAULT;
}

/* The client's entry, made if need be; NULL if the table is full of busy ones. */
static struct client *client_of(struct client_limits *l, const struct net_address *from,
				int64_t now)
{
	struct net_address address = net_address_client(from);
	struct client *c = map_get(&l->clients, key_of(&address));
	struct heap_node *first;

	if (c)
		return c;
	if (l->clients.n >= entries_max(l)) {
		first = heap_first(&l->idle);
		if (!first)
			return NULL;
		forget(l, HEAP_OWNER(first, struct client, idle));
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->address = address;
	map_put(&l->clients, key_of(&c->address), c);
	heap_add(&l->idle, &c->idle, now);
	return c;
}

static bool server_is_full(const struct client_limits *l, bool is_submission)
{
	size_t all = l->conf.connections_all;
	size_t kept = is_submission ? 0 : l->conf.submission_reserve;

	return all && l->connections + kept >= all;
}

static enum client_why check_client(struct client_limits *l, struct client *c, int64_t now)
{
	const struct client_limits_conf *conf = &l->conf;

	if (conf->connections && c->connections >= conf->connections)
		return CLIENT_TOO_MANY;
	if (conf->errors && conf->errors_per > 0) {
		bucket_fill(&c->errors, conf->errors, conf->errors_per, now);
		if (c->errors.tokens < TOKEN)
			return CLIENT_ERRORS;
	}
	if (!bucket_take(&c->connects, conf->connection_rate, conf->connection_per, 1, now))
		return CLIENT_TOO_FAST;
	return CLIENT_OK;
}

struct client_verdict client_connect(struct client_limits *l, const struct net_address *from,
				     bool is_submission, int64_t now)
{
	enum client_why why = CLIENT_OK;
	struct client *c;

	if (server_is_full(l, is_submission))
		return verdict(CLIENT_SERVER_FULL);
	c = client_of(l, from, now);
	if (!c)
		return verdict(CLIENT_TABLE_FULL);
	if (!is_friend(l, from))
		why = check_client(l, c, now);
	if (why != CLIENT_OK)
		return verdict(why);
	heap_remove(&l->idle, &c->idle);
	c->connections++;
	l->connections++;
	return verdict(CLIENT_OK);
}

void client_disconnect(struct client_limits *l, const struct net_address *from, int64_t now)
{
	struct net_address address = net_address_client(from);
	struct client *c = map_get(&l->clients, key_of(&address));

	if (!c || c->connections == 0)
		return;
	l->connections--;
	if (--c->connections == 0)
		heap_add(&l->idle, &c->idle, now);
}

struct client_verdict client_letter(struct client_limits *l, const struct net_address *from,
				    int64_t now)
{
	struct client *c;

	if (is_friend(l, from))
		return verdict(CLIENT_OK);
	c = client_of(l, from, now);
	if (!c)
		return verdict(CLIENT_TABLE_FULL);
	if (!bucket_take(&c->letters, l->conf.letter_rate, l->conf.letter_per, 1, now))
		return verdict(CLIENT_LETTERS);
	return verdict(CLIENT_OK);
}

void client_error(struct client_limits *l, const struct net_address *from, unsigned n, int64_t now)
{
	struct client *c = is_friend(l, from) ? NULL : client_of(l, from, now);

	if (c)
		bucket_take(&c->errors, l->conf.errors, l->conf.errors_per, n, now);
}

size_t client_limits_connections(const struct client_limits *l)
{
	return l->connections;
}

size_t client_limits_entries(const struct client_limits *l)
{
	return l->clients.n;
}

bool client_limits_change(struct client_limits *l, const struct client_limits_conf *conf,
			  struct err *e)
{
	struct network *friends = calloc(conf->n_friends + 1, sizeof(*friends));

	if (!friends)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < conf->n_friends; i++)
		friends[i] = conf->friends[i];
	free(l->friends);
	l->friends = friends;
	l->conf = *conf;
	l->conf.friends = friends;
	return true;
}

struct client_limits *client_limits_open(const struct client_limits_conf *conf, struct err *e)
{
	struct client_limits *l = calloc(1, sizeof(*l));

	if (!l) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	if (!client_limits_change(l, conf, e)) {
		free(l);
		return NULL;
	}
	return l;
}

void client_limits_close(struct client_limits *l)
{
	struct str key;
	void *value;

	if (!l)
		return;
	heap_end(&l->idle);              /* its nodes lie in the clients */
	for (size_t i = 0; map_next(&l->clients, &i, &key, &value);)
		free(value);
	map_end(&l->clients);
	free(l->friends);
	free(l);
}
