/* login_limits.c — failed logins per client and account; see login_limits.h. */
#include "user/login_limits.h"

#include "base/heap.h"
#include "base/map.h"
#include "base/time.h"

#include <stdlib.h>

enum {
	ENTRIES_DEFAULT = 65536,
	CLIENT_FREE = 3,         /* failures of a client that cost it nothing */
	ACCOUNT_FREE = 10,
};
#define CLIENT_WAIT_MOST (15 * SECOND)
#define ACCOUNT_WAIT (2 * SECOND)        /* between two tries of strangers as one account */
#define FORGET_AFTER HOUR

/* What is remembered of a client or of a name. */
struct failing {
	unsigned n;              /* failures; fewer with time */
	int64_t since;           /* when n began to be counted */
	int64_t next;            /* not looked at before */
	struct heap_node last;   /* by the time of the last failure */
	size_t key_n;
	char key[];
};

struct table {
	struct map entries;
	struct heap by_last;
};

/* What is tried from this machine itself (a webmail) and what from elsewhere slow only their own kind. */
struct login_limits {
	struct table clients, names, local_names;
};

struct login_limits *login_limits_open(void)
{
	return calloc(1, sizeof(struct login_limits));
}

static void forget(struct table *t, struct failing *f)
{
	heap_remove(&t->by_last, &f->last);
	map_remove(&t->entries, str_of(f->key, f->key_n));
	free(f);
}

static struct failing *failing_get(struct table *t, struct str key, int64_t now)
{
	struct failing *f = map_get(&t->entries, key);

	if (f && now - f->last.key >= FORGET_AFTER) {
		forget(t, f);
		f = NULL;
	}
	return f;
}

static struct failing *failing_add(struct table *t, struct str key, size_t max, int64_t now)
{
	struct failing *f = failing_get(t, key, now);

	if (f) {
		heap_remove(&t->by_last, &f->last);
	} else {
		while (t->entries.n >= max)
			forget(t, HEAP_OWNER(heap_first(&t->by_last), struct failing, last));
		f = calloc(1, sizeof(*f) + key.n);
		if (!f)
			return NULL;
		if (key.n)
			memcpy(f->key, key.p, key.n);
		f->key_n = key.n;
		f->since = now;
		map_put(&t->entries, key, f);
	}
	f->n++;
	heap_add(&t->by_last, &f->last, now);
	return f;
}

static struct table *names_of(struct login_limits *l, const struct login_try *t)
{
	return t->is_local ? &l->local_names : &l->names;
}

static struct str client_key(const struct login_try *t)
{
	return str_of(t->client.b, sizeof(t->client.b));
}

int64_t login_limits_wait(struct login_limits *l, const struct login_try *t, int64_t now)
{
	struct failing *client = t->is_local ? NULL : failing_get(&l->clients, client_key(t), now);
	struct failing *name = t->is_known ? NULL : failing_get(names_of(l, t), t->name, now);

	if (client && client->next > now)
		return client->next - now;
	if (!name || name->n < ACCOUNT_FREE)
		return 0;
	if (name->next > now)
		return name->next - now;
	name->next = now + ACCOUNT_WAIT;
	return 0;
}

/* 1, 2, 4, 8, 15, 15 … seconds, behind those that are free. */
static int64_t client_wait(unsigned failures)
{
	unsigned over = failures < CLIENT_FREE ? 0 : failures - CLIENT_FREE;
	int64_t wait = over > 4 ? CLIENT_WAIT_MOST : SECOND << over;

	return failures < CLIENT_FREE ? 0 : wait < CLIENT_WAIT_MOST ? wait : CLIENT_WAIT_MOST;
}

bool login_limits_failed(struct login_limits *l, const struct login_limits_conf *conf, const struct login_try *t,
			 int64_t now)
{
	size_t max = conf->entries_max ? conf->entries_max : ENTRIES_DEFAULT;
	struct failing *client;

	failing_add(names_of(l, t), t->name, max, now);
	if (t->is_local)
		return false;
	client = failing_add(&l->clients, client_key(t), max, now);
	if (!client)
		return false;
	if (now - client->since > conf->ban_per && conf->ban_after) {
		client->since = now;
		client->n = client->n > CLIENT_FREE ? CLIENT_FREE : client->n;
	}
	client->next = now + client_wait(client->n);
	if (t->is_known || !conf->ban_after || client->n < conf->ban_after)
		return false;
	client->n = 0;
	client->since = now;
	return true;
}

void login_limits_succeeded(struct login_limits *l, const struct login_try *t)
{
	struct table *table = t->is_local ? &l->local_names : &l->clients;
	struct failing *f = map_get(&table->entries, t->is_local ? t->name : client_key(t));

	if (f)
		forget(table, f);
}

size_t login_limits_entries(const struct login_limits *l)
{
	return l->clients.entries.n + l->names.entries.n + l->local_names.entries.n;
}

static void table_end(struct table *t)
{
	struct str key;
	void *value;

	heap_end(&t->by_last);
	for (size_t i = 0; map_next(&t->entries, &i, &key, &value);)
		free(value);
	map_end(&t->entries);
}

void login_limits_close(struct login_limits *l)
{
	if (!l)
		return;
	table_end(&l->clients);
	table_end(&l->names);
	table_end(&l->local_names);
	free(l);
}
