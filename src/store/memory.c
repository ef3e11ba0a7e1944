/* memory.c — a store without a disk: the second engine behind store.h, for
 * tests.  What was delivered but not synced is as safe as the rest.
 *
 * It has no folders and boxes (box.h, folder.h): these promise what a disk keeps over a crash and what other
 * programs see in a Maildir, and are tested on one; in memory there would be nothing left of them to test.
 * shelf_of() says so to who asks. */
#include "store/engine.h"

#include "base/buf.h"
#include "wire/lf.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { LETTER_MAX = 256 << 20 };

struct kept {
	struct kept *next;
	char folder[STORE_FOLDER_MAX + 1];
	char base[STORE_BASE_MAX + 1];
	struct buf bytes;        /* as they would lie on disk */
};

struct memory {
	struct store store;
	pthread_mutex_t lock;
	struct kept *first;
};

static struct kept *kept_find(struct memory *m, struct str folder, struct str base)
{
	for (struct kept *k = m->first; k; k = k->next)
		if (str_eq(str_from_z(k->folder), folder) && str_eq(str_from_z(k->base), base))
			return k;
	return NULL;
}

static struct kept *kept_add(struct memory *m, struct str folder, struct str base)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	memcpy(k->base, base.p, base.n);
	if (folder.n)
		memcpy(k->folder, folder.p, folder.n);
	k->next = m->first;
	m->first = k;
	return k;
}

static bool convert(struct letter_source *in, struct lf *lf, struct buf *ret, struct err *e)
{
	struct str piece;
	char *to;
	size_t n;

	in->rewind(in);
	do {
		if (!in->next(in, &piece, e))
			return false;
		n = ret->n;
		to = buf_room(ret, piece.n + 2);
		if (!to)
			return fail_sys(e, FAULT_TEMP, ENOSPC, "keep a letter");
		ret->n = n + (piece.n ? lf_feed(lf, piece, to) : lf_finish(lf, to));
	} while (piece.n);
	return true;
}

static bool deliver_one(struct memory *m, struct store_letter *l, struct err *e)
{
	struct kept *k = kept_find(m, l->folder, l->base);
	AUTO(buf_end) struct buf b = buf_on_heap(LETTER_MAX);
	struct lf lf = { 0 };

	if (!convert(l->source, &lf, &b, e))
		return false;
	l->size = lf.size;
	l->vsize = lf.vsize;
	if (!store_name_print(l, l->name, sizeof(l->name)))
		return fail(e, FAULT_PERM, "the name is too long");
	l->at = l->flags.n ? LETTER_IN_CUR : LETTER_IN_NEW;
	if (k && l->mode == STORE_FRESH && !str_eq(buf_str(&k->bytes), buf_str(&b)))
		return fail_sys(e, FAULT_TEMP, EEXIST, STR_FMT, STR_ARG(l->base));
	if (!k)
		k = kept_add(m, l->folder, l->base);
	if (!k)
		return fail(e, FAULT_TEMP, "out of memory");
	buf_end(&k->bytes);
	k->bytes = b;
	b = (struct buf){ 0 };
	return true;
}

static void memory_deliver(struct store *s, struct store_letter *letters, size_t n)
{
	struct memory *m = (struct memory *)s;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < n; i++)
		letters[i].done = deliver_one(m, &letters[i], &letters[i].err);
	pthread_mutex_unlock(&m->lock);
}

static void memory_sync(struct store *s, struct store_safe *names, size_t n)
{
	(void)s;
	for (size_t i = 0; i < n; i++)
		names[i].done = true;
}

static bool memory_read(struct store *s, struct str folder, struct str base, struct buf *ret,
			struct err *e)
{
	struct memory *m = (struct memory *)s;
	struct kept *k;

	pthread_mutex_lock(&m->lock);
	k = kept_find(m, folder, base);
	if (k)
		lf_restore(buf_str(&k->bytes), ret);
	pthread_mutex_unlock(&m->lock);
	if (!k)
		return fail_sys(e, FAULT_TEMP, ENOENT, STR_FMT, STR_ARG(base));
	return !ret->full || fail(e, FAULT_TEMP, "the letter is too big to be read whole");
}

static bool memory_sweep(struct store *s, int64_t now, size_t *ret_removed, struct err *e)
{
	(void)s;
	(void)now;
	(void)e;
	*ret_removed = 0;
	return true;
}

static void memory_close(struct store *s)
{
	struct memory *m = (struct memory *)s;

	while (m->first) {
		struct kept *k = m->first;

		m->first = k->next;
		buf_end(&k->bytes);
		free(k);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static const struct store_engine memory_engine = {
	memory_deliver, memory_sync, memory_read, memory_sweep, memory_close, NULL,
};

struct store *memory_open(void)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->store.engine = &memory_engine;
	pthread_mutex_init(&m->lock, NULL);
	return &m->store;
}
