/* box_kept.c — what the cache keeps of a box's letters: read, gathered, written. */
#include "store/box_file.h"

#include "base/arena.h"
#include "store/cache.h"

#include <stdlib.h>

enum {
	PUTS_SOON = 4 << 20,             /* octets: then they are written beside … */
	PUTS_NOW = 16 << 20,             /* … or by who brings more … */
	PUTS_MOST = 64 << 20,            /* … and else not taken */
};

void puts_end(struct puts *p)
{
	free(p->p);
	buf_end(&p->bytes);
	*p = (struct puts){ 0 };
}

static void put_add(struct box *b, unsigned kind, uint32_t uid, struct str bytes)
{
	struct puts *p = &b->puts;
	bool was_much = box_keeps_much(b);

	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		struct put *more = reallocarray(p->p, cap, sizeof(*more));

		if (!more)
			return;
		p->p = more;
		p->cap = cap;
	}
	if (!p->bytes.limit)
		p->bytes = buf_on_heap(PUTS_MOST);
	p->p[p->n] = (struct put){ uid, kind, p->bytes.n, bytes.n };
	buf_add(&p->bytes, bytes);
	if (!p->bytes.full)
		p->n++;
	p->bytes.full = false;
	if (!was_much && box_keeps_much(b))
		shelf_wake(b->shelf);
}

bool box_keeps_much(const struct box *b)
{
	return b->puts.bytes.n >= PUTS_SOON;
}

void box_keep(struct box *b, unsigned kind, uint32_t uid, struct str bytes)
{
	must(kind < BOX_KINDS_MAX, "a kind has its number");
	if (bytes.n && box_find(b, uid))
		put_add(b, kind, uid, bytes);
}

void box_keep_nothing(struct box *b, uint32_t uid)
{
	put_add(b, 0, uid, S(""));
}

/* ---- write ---- */

static void write_run(void *arg)
{
	struct box *b = arg;

	cache_keep(b, &b->writing);
}

/* Those that come meanwhile are for the next time. */
SUSPENDS void box_keep_write(struct box *b)
{
	if (!b->puts.n)
		return;
	b->writing = b->puts;
	b->puts = (struct puts){ 0 };
	off_loop(write_run, b);
	puts_end(&b->writing);
}

SUSPENDS bool box_keep_settle(struct box *b, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };

	if (b->puts.bytes.n < PUTS_NOW)
		return true;
	if (!shelf_hold(&held, b->shelf, e))
		return false;
	if (!b->is_gone)
		box_keep_write(b);
	return true;
}

/* ---- read ---- */

struct kept_job {
	struct cache_ask ask;
	struct arena *a;
	struct str *ret;
};

static void kept_run(void *arg)
{
	struct kept_job *j = arg;

	cache_kept(&j->ask, j->a, j->ret);
}

/* Place of a UID among those asked for, or n. */
static size_t asked_at(const struct cache_ask *q, uint32_t uid)
{
	size_t from = 0, n = q->n;

	while (n) {
		size_t half = n / 2;

		if (q->uids[from + half] == uid)
			return from + half;
		if (q->uids[from + half] < uid) {
			from += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return q->n;
}

/* The newest counts. */
static void take_waiting(struct kept_job *j, const struct puts *p)
{
	const struct cache_ask *q = &j->ask;

	for (size_t i = p->n; i-- > 0;) {
		const struct put *put = &p->p[i];
		size_t at = q->n;

		if (put->n && put->kind == q->kind && put->uid >= q->uids[0] && put->uid <= q->uids[q->n - 1])
			at = asked_at(q, put->uid);
		if (at < q->n && !j->ret[at].n)
			j->ret[at] = arena_str(j->a, str_sub(buf_str(&p->bytes), put->at, put->n));
	}
}

static bool is_complete(const struct str *ret, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!ret[i].n)
			return false;
	return true;
}

SUSPENDS bool box_kept(struct box *b, unsigned kind, const uint32_t *uids, size_t n, struct arena *a,
		       struct str *ret, struct err *e)
{
	struct kept_job j = { .ask = { .c = b->shelf->cache, .validity = b->validity, .kind = kind, .uids = uids,
				       .n = n },
			      .a = a, .ret = ret };

	if (!n)
		return true;
	memcpy(j.ask.guid, b->guid, sizeof(j.ask.guid));
	take_waiting(&j, &b->puts);
	take_waiting(&j, &b->writing);
	if (j.ask.c && !is_complete(ret, n))
		off_loop(kept_run, &j);
	return (!a->full || fail(e, FAULT_TEMP, "no memory for what is kept of letters")) && fiber_check(e);
}
