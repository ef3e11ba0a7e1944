/* conduct.c — misbehaviour per client; see conduct.h. */
#include "user/conduct.h"

#include "base/buf.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/time.h"

#include <stdlib.h>

#define UNIT INT64_C(1000000)            /* a level's one */

struct level {
	int64_t height;          /* in millionths */
	int64_t since;           /* when it was last zero */
	unsigned n;              /* since then */
};

struct client {
	struct net_address address;
	struct heap_node last;   /* by when it last misbehaved: all levels sink since then */
	struct level levels[CONDUCT_KINDS];
};

struct conduct {
	struct map clients;      /* 16 bytes → struct client */
	struct heap by_last;
	size_t max;
};

struct conduct *conduct_open(size_t entries_max)
{
	struct conduct *c = calloc(1, sizeof(*c));

	if (c)
		c->max = entries_max;
	return c;
}

static struct str key_of(const struct net_address *client)
{
	return str_of(client->b, sizeof(client->b));
}

static void forget(struct conduct *c, struct client *x)
{
	heap_remove(&c->by_last, &x->last);
	map_remove(&c->clients, key_of(&x->address));
	free(x);
}

static struct client *client_of(struct conduct *c, const struct net_address *address, int64_t now)
{
	struct client *x = map_get(&c->clients, key_of(address));

	if (x)
		return x;
	while (c->clients.n >= c->max && heap_first(&c->by_last))
		forget(c, HEAP_OWNER(heap_first(&c->by_last), struct client, last));
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->address = *address;
	map_put(&c->clients, key_of(address), x);
	heap_add(&c->by_last, &x->last, now);
	return x;
}

static void level_sink(struct level *l, const struct conduct_rule *rule, int64_t passed, int64_t now)
{
	double down = (double)rule->n * (double)UNIT * (double)passed / (double)rule->per;

	if (l->height > 0 && down < (double)l->height) {
		l->height -= (int64_t)down;
		return;
	}
	*l = (struct level){ .since = now };
}

/* Has it reached its limit? */
static bool level_rise(struct level *l, const struct conduct_rule *rule, unsigned n)
{
	n = n < CONDUCT_ONCE_MAX ? n : CONDUCT_ONCE_MAX;
	l->height += (int64_t)n * UNIT;
	l->n = l->n < UINT32_MAX - n ? l->n + n : UINT32_MAX;
	return n && l->height > ((int64_t)rule->n - 1) * UNIT;
}

bool conduct_note(struct conduct *c, const struct net_address *client, const struct conduct_rule rules[CONDUCT_KINDS],
		  const unsigned n[CONDUCT_KINDS], int64_t now, struct conduct_evidence *ret)
{
	struct client *x = client_of(c, client, now);
	int64_t passed = x && now > x->last.key ? now - x->last.key : 0;
	bool is_over = false;

	if (!x)
		return false;
	for (int k = 0; k < CONDUCT_KINDS; k++) {
		if (!rules[k].n || rules[k].per <= 0)
			continue;
		level_sink(&x->levels[k], &rules[k], passed, now);
		if (!level_rise(&x->levels[k], &rules[k], n[k]) || is_over)
			continue;
		is_over = true;
		*ret = (struct conduct_evidence){ (enum conduct_kind)k, x->levels[k].n, now - x->levels[k].since };
	}
	heap_remove(&c->by_last, &x->last);
	heap_add(&c->by_last, &x->last, now);
	if (is_over)
		forget(c, x);
	return is_over;
}

size_t conduct_entries(const struct conduct *c)
{
	return c->clients.n;
}

void conduct_close(struct conduct *c)
{
	struct str key;
	void *value;

	if (!c)
		return;
	heap_end(&c->by_last);           /* its nodes lie in the clients */
	for (size_t i = 0; map_next(&c->clients, &i, &key, &value);)
		free(value);
	map_end(&c->clients);
	free(c);
}

void conduct_print(const struct conduct_evidence *x, struct buf *b)
{
	static const char *const what[CONDUCT_KINDS] = {
		[CONDUCT_NO_HOST_NAME] = "letters refused for want of a host name",
		[CONDUCT_UNKNOWN_RECIPIENTS] = "unknown recipients",
		[CONDUCT_ERRORS] = "wrong commands",
	};
	int64_t minutes = (x->within + MINUTE - 1) / MINUTE;

	buf_addf(b, "%u %s within %lld minute%s", x->n, what[x->kind], (long long)(minutes ? minutes : 1),
		 minutes > 1 ? "s" : "");
}
