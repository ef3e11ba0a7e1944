/* cache_kept.c — what the cache keeps of letters, in packs (pack.h).
 *
 * A row is a pack, squeezed (store/squeeze.h).  A pack is sealed with its kind and its folder's UIDVALIDITY: what was kept of other letters is
 * never taken for that of these. */
#include "store/cache_db.h"

#include "base/arena.h"
#include "store/box_file.h"
#include "store/pack.h"
#include "store/squeeze.h"

#include <fcntl.h>
#include <stdlib.h>

enum {
	GAP_MAX = 4 * PACK_LETTERS,      /* UIDs between two letters that are read in one go */
	BOX_ID_MAX = INT32_MAX,
};

static uint64_t seal_of(uint32_t validity, unsigned kind)
{
	return (uint64_t)kind << 32 | validity;
}

static int64_t row_of(int64_t box, unsigned kind, uint32_t number)
{
	return box << 32 | (int64_t)kind << 28 | number;
}

static struct str blob(sqlite3_stmt *st, int column)
{
	const void *p = sqlite3_column_blob(st, column);

	return str_of(p ? p : "", p ? (size_t)sqlite3_column_bytes(st, column) : 0);
}

/* ---- write ---- */

struct keeping {
	struct cache *c;
	const struct box *b;
	const struct puts *puts;
	int64_t box;
	struct put **order;              /* by pack, else as they came */
	struct buf was, room, small;     /* a pack that is read; that is written; squeezed */
};

static int by_pack(const void *a, const void *b)
{
	const struct put *x = *(struct put *const *)a, *y = *(struct put *const *)b;
	uint32_t p = pack_of(x->uid), q = pack_of(y->uid);

	if (p != q)
		return p < q ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Packs belong to a row of the box: one without letters will do until it is saved.  0: there is none. */
static int64_t box_row(struct cache *c, const struct box *b)
{
	int64_t id = 0;

	sqlite3_bind_text(c->st[ST_BOX_MAKE], 1, b->guid, -1, SQLITE_STATIC);
	cache_run(c, ST_BOX_MAKE);
	sqlite3_bind_text(c->st[ST_BOX_ID], 1, b->guid, -1, SQLITE_STATIC);
	if (cache_step(c, ST_BOX_ID) == SQLITE_ROW)
		id = sqlite3_column_int64(c->st[ST_BOX_ID], 0);
	cache_done(c, ST_BOX_ID);
	return id > 0 && id <= BOX_ID_MAX ? id : 0;
}

/* Its packs and its row. */
void cache_forget(struct box *b)
{
	struct cache *c = cache_usable(b);
	int64_t id;

	if (!c)
		return;
	cache_run(c, ST_BEGIN);
	id = box_row(c, b);
	sqlite3_bind_int64(c->st[ST_PACKS_DROP], 1, id << 32);
	sqlite3_bind_int64(c->st[ST_PACKS_DROP], 2, ((id + 1) << 32) - 1);
	if (id)
		cache_run(c, ST_PACKS_DROP);
	sqlite3_bind_int64(c->st[ST_BOX_DROP], 1, id);
	cache_run(c, ST_BOX_DROP);
	cache_run(c, ST_COMMIT);
}

static void pack_write(struct keeping *k, const struct pack *p, int64_t row)
{
	struct cache *c = k->c;

	buf_clear(&k->room);
	buf_clear(&k->small);
	pack_print(p, &k->room);
	squeeze(buf_str(&k->room), &k->small);
	if (k->room.full || k->small.full)
		return;
	if (!p->n) {
		sqlite3_bind_int64(c->st[ST_PACK_DROP], 1, row);
		cache_run(c, ST_PACK_DROP);
		return;
	}
	sqlite3_bind_int64(c->st[ST_PACK_PUT], 1, row);
	sqlite3_bind_blob64(c->st[ST_PACK_PUT], 2, k->small.p, k->small.n, SQLITE_STATIC);
	cache_run(c, ST_PACK_PUT);
}

/* Puts [from, to) are of one pack; those of this kind come to what is there. */
static void pack_change(struct keeping *k, unsigned kind, size_t from, size_t to)
{
	uint32_t number = pack_of(k->order[from]->uid);
	int64_t row = row_of(k->box, kind, number);
	struct pack p = { .seal = seal_of(k->b->validity, kind), .number = number };
	bool was_there, changed = false;

	sqlite3_bind_int64(k->c->st[ST_PACK_GET], 1, row);
	was_there = cache_step(k->c, ST_PACK_GET) == SQLITE_ROW;
	buf_clear(&k->was);
	if (was_there && unsqueeze(blob(k->c->st[ST_PACK_GET], 0), PACK_BYTES_MAX, &k->was))
		(void)pack_parse(buf_str(&k->was), p.seal, number, &p);
	cache_done(k->c, ST_PACK_GET);
	for (size_t i = from; i < to; i++) {
		const struct put *put = k->order[i];

		if (put->n && put->kind != kind)
			continue;
		pack_put(&p, put->uid, str_sub(buf_str(&k->puts->bytes), put->at, put->n));
		changed = true;
	}
	if (changed && (was_there || p.n))
		pack_write(k, &p, row);
}

static void keep_all(struct keeping *k)
{
	size_t n = k->puts->n;

	for (size_t i = 0; i < n; i++)
		k->order[i] = &k->puts->p[i];
	qsort(k->order, n, sizeof(struct put *), by_pack);
	for (size_t from = 0, to; from < n; from = to) {
		unsigned kinds = 0;

		for (to = from; to < n && pack_of(k->order[to]->uid) == pack_of(k->order[from]->uid); to++)
			kinds |= k->order[to]->n ? 1u << k->order[to]->kind : ~0u;
		for (unsigned kind = 0; kind < BOX_KINDS_MAX; kind++)
			if (kinds >> kind & 1)
				pack_change(k, kind, from, to);
	}
}

void cache_keep(struct box *b, const struct puts *p)
{
	struct keeping k = { .c = p->n ? cache_usable(b) : NULL, .b = b, .puts = p,
			     .was = buf_on_heap(PACK_BYTES_MAX + 1), .room = buf_on_heap(PACK_BYTES_MAX),
			     .small = buf_on_heap(2 * PACK_BYTES_MAX) };

	if (!k.c)
		return;
	k.order = reallocarray(NULL, p->n, sizeof(struct put *));
	cache_run(k.c, ST_BEGIN);
	k.box = box_row(k.c, b);
	if (k.order && k.box)
		keep_all(&k);
	cache_run(k.c, ST_COMMIT);
	free(k.order);
	buf_end(&k.was);
	buf_end(&k.room);
	buf_end(&k.small);
}

/* ---- read ---- */

static void reader_shut(struct cache_reader *r)
{
	sqlite3_finalize(r->box_id);
	sqlite3_finalize(r->packs);
	sqlite3_close(r->db);
	r->box_id = r->packs = NULL;
	r->db = NULL;
}

void cache_reader_close(struct cache *c)
{
	pthread_mutex_lock(&c->reader.lock);
	reader_shut(&c->reader);
	pthread_mutex_unlock(&c->reader.lock);
}

void cache_reader_aim(struct cache *c, const char *path, struct stamp file)
{
	size_t n = strlen(path);

	pthread_mutex_lock(&c->reader.lock);
	reader_shut(&c->reader);
	must(n < sizeof(c->reader.path), "the path was made in a room of this size");
	memcpy(c->reader.path, path, n + 1);
	c->reader.file = file;
	c->reader.found_damage = false;
	pthread_mutex_unlock(&c->reader.lock);
}

/* Asked on the loop too: one that is busy is open. */
bool cache_reader_is_open(struct cache *c)
{
	bool is_open;

	if (pthread_mutex_trylock(&c->reader.lock))
		return true;
	is_open = c->reader.db;
	pthread_mutex_unlock(&c->reader.lock);
	return is_open;
}

bool cache_reader_found_damage(struct cache *c)
{
	bool found;

	pthread_mutex_lock(&c->reader.lock);
	found = c->reader.found_damage;
	pthread_mutex_unlock(&c->reader.lock);
	return found;
}

static bool reader_open(struct cache_reader *r)
{
	static const char packs[] = "SELECT id, bytes FROM pack WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
	static const char box_id[] = "SELECT id FROM box WHERE guid = ?1";
	enum { HOW = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX };

	return sqlite3_open_v2(r->path, &r->db, HOW, NULL) == SQLITE_OK &&
	       sqlite3_exec(r->db, "PRAGMA mmap_size = 0; PRAGMA query_only = ON", NULL, NULL, NULL) ==
		       SQLITE_OK &&
	       sqlite3_prepare_v3(r->db, box_id, -1, SQLITE_PREPARE_PERSISTENT, &r->box_id, NULL) == SQLITE_OK &&
	       sqlite3_prepare_v3(r->db, packs, -1, SQLITE_PREPARE_PERSISTENT, &r->packs, NULL) == SQLITE_OK;
}

/* Is the file that the writer made open? */
static bool reader_usable(struct cache_reader *r)
{
	struct stamp now = r->path[0] ? stamp_at(AT_FDCWD, r->path) : (struct stamp){ 0 };
	bool is_it = now.ino && now.ino == r->file.ino && now.dev == r->file.dev;

	if (!is_it || r->found_damage)
		reader_shut(r);
	else if (!r->db && !reader_open(r))
		reader_shut(r);
	return r->db;
}

static void note(struct cache_reader *r, int rc)
{
	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_IOERR)
		r->found_damage = true;
}

static int64_t reader_box(struct cache_reader *r, const char *guid)
{
	int64_t id = 0;
	int rc;

	sqlite3_bind_text(r->box_id, 1, guid, -1, SQLITE_STATIC);
	rc = sqlite3_step(r->box_id);
	if (rc == SQLITE_ROW)
		id = sqlite3_column_int64(r->box_id, 0);
	note(r, rc);
	sqlite3_reset(r->box_id);
	sqlite3_clear_bindings(r->box_id);
	return id > 0 && id <= BOX_ID_MAX ? id : 0;
}

/* Those of uids[*at] … that lie in this pack. */
static void take_pack(const struct cache_ask *q, struct str bytes, uint32_t number, struct buf *room, size_t *at,
		      struct arena *a, struct str *ret)
{
	struct pack p;

	while (*at < q->n && pack_of(q->uids[*at]) < number)
		(*at)++;
	buf_clear(room);
	if (*at == q->n || pack_of(q->uids[*at]) != number || !unsqueeze(bytes, PACK_BYTES_MAX, room) ||
	    !pack_parse(buf_str(room), seal_of(q->validity, q->kind), number, &p))
		return;
	for (size_t i = 0; i < p.n && *at < q->n; i++) {
		while (*at < q->n && q->uids[*at] < p.uids[i])
			(*at)++;
		if (*at < q->n && q->uids[*at] == p.uids[i] && !ret[*at].n)
			ret[*at] = arena_str(a, p.bytes[i]);
	}
}

/* uids[from, to) lie close together. */
static void take_run(struct cache_reader *r, const struct cache_ask *q, int64_t box, size_t from, size_t to,
		     struct buf *room, struct arena *a, struct str *ret)
{
	size_t at = from;
	int rc;

	sqlite3_bind_int64(r->packs, 1, row_of(box, q->kind, pack_of(q->uids[from])));
	sqlite3_bind_int64(r->packs, 2, row_of(box, q->kind, pack_of(q->uids[to - 1])));
	while ((rc = sqlite3_step(r->packs)) == SQLITE_ROW) {
		uint32_t number = (uint32_t)sqlite3_column_int64(r->packs, 0) & ((1u << 28) - 1);

		take_pack(q, blob(r->packs, 1), number, room, &at, a, ret);
	}
	note(r, rc);
	sqlite3_reset(r->packs);
}

static void take_all(struct cache_reader *r, const struct cache_ask *q, struct arena *a, struct str *ret)
{
	AUTO(buf_end) struct buf room = buf_on_heap(PACK_BYTES_MAX + 1);
	int64_t box = reader_box(r, q->guid);

	for (size_t from = 0, to; box && from < q->n; from = to) {
		for (to = from + 1; to < q->n && q->uids[to] - q->uids[to - 1] <= GAP_MAX; to++)
			;
		take_run(r, q, box, from, to, &room, a, ret);
	}
}

void cache_kept(const struct cache_ask *q, struct arena *a, struct str *ret)
{
	struct cache_reader *r = &q->c->reader;

	pthread_mutex_lock(&r->lock);
	if (reader_usable(r))
		take_all(r, q, a, ret);
	pthread_mutex_unlock(&r->lock);
}
