/* pool.c — conversations that may carry another letter; see pool.h. */
#include "role/relay/pool.h"

#include "base/map.h"
#include "fiber/fiber.h"
#include "role/runtime.h"

#include <stdlib.h>
#include <sys/socket.h>

enum { HOSTS_MAX = 20000 };

struct pool_host {
	unsigned n;              /* conversations */
	unsigned waiting;
	int64_t no_tls_until;    /* time_mono() */
	struct wait room;
};

static struct map hosts;         /* "192.0.2.1:25" → struct pool_host */
static struct pooled *idle_first, *idle_last;    /* who waits longest stands first */
static size_t n_idle;
static bool is_tending;

/* Those of which there is nothing to know. */
static void forget_hosts(void)
{
	struct str key;
	void *value;

	for (size_t i = 0; map_next(&hosts, &i, &key, &value);) {
		struct pool_host *h = value;

		if (!h->n && !h->waiting && h->no_tls_until < time_mono()) {
			map_remove(&hosts, key);
			free(h);
		}
	}
}

static struct pool_host *host_of(struct str address)
{
	struct pool_host *h = map_get(&hosts, address);

	if (h)
		return h;
	if (hosts.n >= HOSTS_MAX)
		forget_hosts();
	h = calloc(1, sizeof(*h));
	if (h)
		map_put(&hosts, address, h);
	return h;
}

static void unlink_idle(struct pooled *p)
{
	*(p->prev ? &p->prev->next : &idle_first) = p->next;
	*(p->next ? &p->next->prev : &idle_last) = p->prev;
	p->prev = p->next = NULL;
	n_idle--;
}

static void drop(struct pooled *p)
{
	peer_end(&p->s);
	p->host->n--;
	wait_wake(&p->host->room);
	free(p);
}

/* Who has hung up, or says something although nobody asked, carries no letter. */
static bool is_quiet(const struct pooled *p)
{
	char c;

	return conn_pending(&p->s.c).n == 0 && recv(p->s.c.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

struct pooled *pool_take(struct str key)
{
	for (struct pooled *p = idle_last, *before; p; p = before) {
		before = p->prev;
		if (!str_eq(str_of(p->key, p->key_n), key))
			continue;
		unlink_idle(p);
		p->s.r = malloc(sizeof(*p->s.r));
		if (p->s.r && is_quiet(p))
			return p;
		drop(p);
	}
	return NULL;
}

SUSPENDS struct pooled *pool_new(struct str address, struct str key, struct err *e)
{
	struct pool_host *h = host_of(address);
	struct pooled *p = calloc(1, sizeof(*p));
	bool ok = h && p && key.n <= sizeof(p->key);

	if (!ok)
		fail(e, FAULT_TEMP, "no memory for a conversation");
	if (ok) {
		h->waiting++;
		WITHIN(POOL_WAIT)
			while (ok && h->n >= POOL_HOST_MAX)
				ok = wait_on(&h->room, "room at a server", e);
		h->waiting--;
	}
	if (!ok) {
		free(p);
		return NULL;
	}
	h->n++;
	*p = (struct pooled){ .host = h, .since = time_mono(), .key_n = key.n, .s.c.fd = -1 };
	memcpy(p->key, key.p, key.n);
	return p;
}

SUSPENDS static void say_goodbye(void *arg)
{
	struct pooled *p = arg;

	peer_quit(&p->s);
	drop(p);
}

/* In a fiber of its own, for some take their time. */
static void part(struct pooled *p)
{
	if (p->s.is_broken || !fiber_start(&self.fibers, "quit", say_goodbye, p))
		drop(p);
}

static bool is_due(const struct pooled *p)
{
	return time_mono() - p->idle_since >= POOL_IDLE;
}

SUSPENDS static void tend(void *unused)
{
	struct err e;

	(void)unused;
	while (idle_first && fiber_sleep(SECOND, &e))
		while (idle_first && is_due(idle_first)) {
			struct pooled *p = idle_first;

			unlink_idle(p);
			part(p);
		}
	is_tending = false;
}

SUSPENDS void pool_give(struct pooled *p)
{
	if (p->s.is_broken || p->s.letters >= POOL_LETTERS_MAX || time_mono() - p->since >= POOL_AGE || self.is_stopping ||
	    n_idle >= POOL_IDLE_MAX || p->host->waiting) {
		part(p);
		return;
	}
	free(p->s.r);                    /* large, and of no use while it waits */
	p->s.r = NULL;
	p->idle_since = time_mono();
	p->prev = idle_last;
	*(idle_last ? &idle_last->next : &idle_first) = p;
	idle_last = p;
	n_idle++;
	if (!is_tending)
		is_tending = fiber_start(&self.fibers, "idle", tend, NULL);
}

bool pool_avoids_tls(struct str address)
{
	struct pool_host *h = map_get(&hosts, address);

	return h && h->no_tls_until > time_mono();
}

void pool_avoid_tls(struct str address)
{
	struct pool_host *h = host_of(address);

	if (h)
		h->no_tls_until = time_mono() + POOL_NO_TLS;
}

SUSPENDS void pool_close(void)
{
	while (idle_first) {
		struct pooled *p = idle_first;

		unlink_idle(p);
		part(p);
	}
}
