/* cache.c — what can be found out again; see cache.h.
 *
 * A box is kept as it lies in memory: a header, the letters, their names, what was expunged.  Every
 * length is checked when it is read, for the file may have been damaged. */
#include "store/cache.h"

#include "base/arena.h"
#include "store/box_file.h"
#include "store/cache_db.h"
#include "store/flag_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CACHE_ID = 0x57584331,           /* "WXC1" */
	CACHE_VERSION = 3,
	BUSY_MS = 2000,
};

#define FILE_NAME "cache.db"
/* A directory that changed less than this before it was read may change again within the same tick
 * of its clock. */
#define SETTLED (2 * SECOND)

static const char *const sql[STATEMENTS] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_BOX_GET] = "SELECT id, state FROM box WHERE guid = ?1",
	[ST_BOX_PUT] = "INSERT INTO box (guid, state) VALUES (?1, ?2) ON CONFLICT (guid) DO UPDATE SET state = ?2",
	[ST_BOX_MAKE] = "INSERT OR IGNORE INTO box (guid, state) VALUES (?1, x'')",
	[ST_BOX_ID] = "SELECT id FROM box WHERE guid = ?1",
	[ST_PACK_GET] = "SELECT bytes FROM pack WHERE id = ?1",
	[ST_PACK_PUT] = "INSERT OR REPLACE INTO pack (id, bytes) VALUES (?1, ?2)",
	[ST_PACK_DROP] = "DELETE FROM pack WHERE id = ?1",
	[ST_PACKS_DROP] = "DELETE FROM pack WHERE id BETWEEN ?1 AND ?2",
	[ST_BOX_DROP] = "DELETE FROM box WHERE id = ?1",
};

/* The log is taken over at 8 MiB: each time costs syncs.  The file is not mapped: another program may cut
 * it off under us, and what is read then is an error and not a signal. */
static const char settings[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 0;"
	"PRAGMA wal_autocheckpoint = 2048; PRAGMA journal_size_limit = 1048576;";
static const char schema[] =
	"BEGIN;"
	"CREATE TABLE box (id INTEGER PRIMARY KEY, guid TEXT NOT NULL UNIQUE, state BLOB NOT NULL) STRICT;"
	/* id: box << 32 | kind << 28 | number of the pack */
	"CREATE TABLE pack (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
	"PRAGMA application_id = 1465402161;"
	"PRAGMA user_version = 3;"
	"COMMIT;";
_Static_assert(CACHE_ID == 1465402161 && CACHE_VERSION == 3, "the schema text says the same");

void store_prepare(void)
{
	sqlite3_initialize();
}

static void db_close(struct cache *c)
{
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(c->st[i]);
	memset(c->st, 0, sizeof(c->st));
	sqlite3_close(c->db);
	c->db = NULL;
	cache_reader_close(c);
}

static int64_t pragma_get(sqlite3 *db, const char *text)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(db, text, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static bool db_is_ours(sqlite3 *db)
{
	int64_t id = pragma_get(db, "PRAGMA application_id");

	if (id == 0 && pragma_get(db, "SELECT count(*) FROM sqlite_schema") == 0)
		return sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK;
	return id == CACHE_ID && pragma_get(db, "PRAGMA user_version") == CACHE_VERSION;
}

/* SQLite wants a path; the directory may be another by now, which is then its own cache. */
static bool db_path(int ours, char to[static CACHE_PATH_BYTES])
{
	char link[40];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", ours);
	n = readlink(link, to, CACHE_PATH_BYTES - sizeof(FILE_NAME) - 1);
	if (n <= 0 || n >= CACHE_PATH_BYTES - (ssize_t)sizeof(FILE_NAME) - 1)
		return false;
	memcpy(to + n, "/" FILE_NAME, sizeof("/" FILE_NAME));
	return true;
}

static bool db_try(struct cache *c, const char *path)
{
	enum { HOW = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX };

	if (sqlite3_open_v2(path, &c->db, HOW, NULL) != SQLITE_OK)
		return false;
	sqlite3_busy_timeout(c->db, BUSY_MS);
	if (sqlite3_exec(c->db, settings, NULL, NULL, NULL) != SQLITE_OK || !db_is_ours(c->db))
		return false;
	for (size_t i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(c->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &c->st[i], NULL) !=
		    SQLITE_OK)
			return false;
	return true;
}

static void db_remove(int ours)
{
	(void)unlinkat(ours, FILE_NAME, 0);
	(void)unlinkat(ours, FILE_NAME "-wal", 0);
	(void)unlinkat(ours, FILE_NAME "-shm", 0);
}

/* A file that cannot be used is removed, once. */
static void db_open(struct cache *c)
{
	char path[CACHE_PATH_BYTES];
	struct err ignored;
	int ours;

	c->is_broken = false;
	if (!shelf_ours(c->shelf, &ours, &ignored) || !db_path(ours, path))
		return;
	if (!db_try(c, path)) {
		db_close(c);
		db_remove(ours);
		if (!db_try(c, path))
			db_close(c);
	}
	if (c->db) {
		c->file = stamp_at(ours, FILE_NAME);
		cache_reader_aim(c, path, c->file);
	}
}

void cache_open(struct shelf *s, struct cache **ret)
{
	struct cache *c = *ret ? NULL : calloc(1, sizeof(*c));

	if (!c)
		return;
	*ret = c;
	c->shelf = s;
	pthread_mutex_init(&c->reader.lock, NULL);
	db_open(c);
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	db_close(c);
	pthread_mutex_destroy(&c->reader.lock);
	free(c);
}

bool cache_is_open(struct cache *c)
{
	return c && (c->db || cache_reader_is_open(c));
}

void cache_rest(struct cache *c)
{
	db_close(c);
}

struct cache *cache_usable(const struct box *b)
{
	struct cache *c = b->shelf->cache;
	struct stamp now;
	struct err ignored;
	int ours;

	if (!c)
		return NULL;
	if (shelf_ours(b->shelf, &ours, &ignored)) {
		bool is_damaged = c->is_broken || cache_reader_found_damage(c);

		now = stamp_at(ours, FILE_NAME);
		if (c->db && (is_damaged || now.ino != c->file.ino || now.dev != c->file.dev))
			db_close(c);
		if (is_damaged)
			db_remove(ours);
	}
	if (!c->db)
		db_open(c);
	return c->db ? c : NULL;
}

int cache_step(struct cache *c, enum cache_statement which)
{
	int rc = sqlite3_step(c->st[which]);

	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_IOERR)
		c->is_broken = true;
	return rc;
}

void cache_done(struct cache *c, enum cache_statement which)
{
	sqlite3_reset(c->st[which]);
	sqlite3_clear_bindings(c->st[which]);
}

bool cache_run(struct cache *c, enum cache_statement which)
{
	bool ok = cache_step(c, which) == SQLITE_DONE;

	cache_done(c, which);
	return ok;
}

/* ---- a box as bytes ---- */

struct state_head {
	uint32_t version, letter_size;   /* of this layout */
	uint32_t validity, next;
	uint64_t modseq, expunged_from, epoch;
	uint64_t n, names_n, n_expunged, n_new;
	struct stamp uidlist, new, cur;
	int64_t looked;
	uint32_t rest_n, is_whole;       /* of header_rest; names had followed all flags */
	char guid[40];
};

struct state {
	struct state_head h;
	const struct letter *letters;
	const char *names, *rest;
	const struct expunged *expunged;
};

enum { STATE_VERSION = 2 };

static struct str part(const void *p, size_t n)
{
	return str_of(n ? p : "", n);
}

/* Names of letters that went are left out. */
static bool state_print(struct box *b, struct buf *to)
{
	struct str rest = str_from_z(b->header_rest);
	struct state_head h = {
		.version = STATE_VERSION, .letter_size = sizeof(struct letter), .validity = b->validity,
		.next = b->next, .modseq = b->modseq, .epoch = flag_log_epoch(b->shelf->flag_log), .expunged_from = b->expunged_from, .n = b->n,
		.n_expunged = b->n_expunged, .n_new = b->n_new, .uidlist = b->at_uidlist,
		.new = b->at_new, .cur = b->at_cur, .looked = b->looked, .rest_n = (uint32_t)rest.n,
		.is_whole = !b->n_dirty && !b->look_new && !b->look_cur,
	};
	size_t at = 0;

	for (size_t i = 0; i < b->n; i++)
		h.names_n += b->letters[i].name_n;
	memcpy(h.guid, b->guid, sizeof(b->guid));
	buf_add(to, part(&h, sizeof(h)));
	for (size_t i = 0; i < b->n; i++) {
		struct letter l = b->letters[i];

		l.name = (uint32_t)at;
		l.is_dirty = 0;
		l.flags = l.disk_flags;
		l.keywords = l.disk_keywords;
		at += l.name_n;
		buf_add(to, part(&l, sizeof(l)));
	}
	buf_add(to, part(b->expunged, b->n_expunged * sizeof(*b->expunged)));
	for (size_t i = 0; i < b->n; i++)
		buf_add(to, str_of(b->names + b->letters[i].name, b->letters[i].name_n));
	buf_add(to, rest);
	return !to->full;
}

static bool letters_valid(const struct state *s)
{
	uint32_t last = 0;

	for (size_t i = 0; i < s->h.n; i++) {
		const struct letter *l = &s->letters[i];

		if (l->uid <= last || l->uid >= s->h.next || !l->name_n || l->name_n > STORE_NAME_MAX ||
		    l->name > s->h.names_n || l->name_n > s->h.names_n - l->name ||
		    l->state & STATE_ABSENT)
			return false;
		last = l->uid;
	}
	return !memchr(s->names, '/', s->h.names_n) && !memchr(s->names, '\0', s->h.names_n);
}

/* The letters are 8-aligned: SQLite's blobs are not, so the caller gives a copy that is. */
static bool state_parse(struct str in, struct state *s)
{
	enum { MOST = 1 << 28 };
	struct state_head *h = &s->h;
	size_t letters, expunged;

	if (in.n < sizeof(*h))
		return false;
	memcpy(h, in.p, sizeof(*h));
	if (h->version != STATE_VERSION || h->letter_size != sizeof(struct letter) || h->n > MOST ||
	    h->names_n > UINT32_MAX || h->n_expunged > EXPUNGED_MAX || h->n_new > h->n || h->guid[32])
		return false;
	letters = h->n * sizeof(struct letter);
	expunged = h->n_expunged * sizeof(struct expunged);
	if (in.n != sizeof(*h) + letters + expunged + h->names_n + h->rest_n)
		return false;
	s->letters = (const void *)(in.p + sizeof(*h));
	s->expunged = (const void *)(in.p + sizeof(*h) + letters);
	s->names = in.p + sizeof(*h) + letters + expunged;
	s->rest = s->names + h->names_n;
	return letters_valid(s);
}

/* The state of the box with this GUID; *copy owns what *s points to. */
static bool state_get(struct cache *c, const char *guid, void **copy, struct state *s)
{
	sqlite3_stmt *st = c->st[ST_BOX_GET];
	bool ok = false;

	*copy = NULL;
	sqlite3_bind_text(st, 1, guid, -1, SQLITE_STATIC);
	if (cache_step(c, ST_BOX_GET) == SQLITE_ROW) {
		size_t n = (size_t)sqlite3_column_bytes(st, 1);

		*copy = n ? malloc(n) : NULL;
		if (*copy) {
			memcpy(*copy, sqlite3_column_blob(st, 1), n);
			ok = state_parse(str_of(*copy, n), s);
		}
	}
	cache_done(c, ST_BOX_GET);
	return ok;
}

/* ---- load ---- */

static bool copy_of(const void *from, size_t n, size_t size, void **ret)
{
	*ret = malloc(n * size + 1);
	if (*ret && n)
		memcpy(*ret, from, n * size);
	return *ret != NULL;
}

static bool take_expunged(struct box *b, const struct state *s)
{
	free(b->expunged);
	b->expunged = NULL;
	b->n_expunged = b->cap_expunged = 0;
	if (!copy_of(s->expunged, s->h.n_expunged, sizeof(*b->expunged), (void **)&b->expunged))
		return false;
	b->n_expunged = b->cap_expunged = s->h.n_expunged;
	b->expunged_from = s->h.expunged_from;
	return true;
}

static bool take_all(struct box *b, const struct state *s)
{
	if (!take_expunged(b, s) ||
	    !copy_of(s->letters, s->h.n, sizeof(*b->letters), (void **)&b->letters) ||
	    !copy_of(s->names, s->h.names_n, 1, (void **)&b->names))
		return false;
	b->n = b->cap = s->h.n;
	b->names_n = b->names_cap = s->h.names_n;
	b->n_new = s->h.n_new;
	b->validity = s->h.validity;
	if (b->validity > b->shelf->validity)
		b->shelf->validity = b->validity;
	b->next = s->h.next;
	b->modseq = s->h.modseq;
	b->epoch = s->h.epoch;
	b->at_uidlist = s->h.uidlist;
	b->at_new = s->h.new;
	b->at_cur = s->h.cur;
	b->looked = s->h.looked;
	memcpy(b->guid, s->h.guid, sizeof(b->guid));
	b->header_rest = s->h.rest_n ? strndup(s->rest, s->h.rest_n) : NULL;
	return true;
}

/* A directory that was touched since, or so shortly before that its time may not tell, is read. */
static void mark_touched(struct box *b, const struct state *s)
{
	struct stamp new = stamp_of(b->dir.new), cur = stamp_of(b->dir.cur);

	b->look_new = !s->h.is_whole || !stamp_eq(&new, &s->h.new) || new.mtime / 1000 + SETTLED >= s->h.looked;
	b->look_cur = !s->h.is_whole || !stamp_eq(&cur, &s->h.cur) || cur.mtime / 1000 + SETTLED >= s->h.looked;
}

/* The GUID stands in the first line of the uidlist. */
static bool guid_read(struct box *b)
{
	AUTO(fd_end) int fd = openat(b->top, "dovecot-uidlist", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct uidlist_header h;
	char line[512];
	struct str in = { line, 0 };
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line));

	in.n = n > 0 ? (size_t)n : 0;
	if (!uidlist_header_parse(&in, &h) || !h.guid.n)
		return false;
	memcpy(b->guid, h.guid.p, 32);
	b->guid[32] = '\0';
	return true;
}

bool cache_load(struct box *b)
{
	struct cache *c = cache_usable(b);
	struct stamp uidlist = stamp_at(b->top, "dovecot-uidlist");
	struct state s;
	void *copy = NULL;
	bool ok;

	if (!c || !guid_read(b))
		return false;
	ok = state_get(c, b->guid, &copy, &s) && stamp_eq(&uidlist, &s.h.uidlist) && take_all(b, &s);
	if (ok)
		mark_touched(b, &s);
	free(copy);
	return ok;
}

/* All the same age: older than anything that will happen. */
static void begin_anew(struct box *b)
{
	uint64_t modseq = box_modseq_next(b);

	for (size_t i = 0; i < b->n; i++)
		b->letters[i].modseq = modseq;
	b->expunged_from = modseq;
}

/* One letter that the cache knew too. */
static void merge_letter(struct letter *l, const struct letter *was, uint64_t *modseq, struct box *b)
{
	uint8_t new = was->known & (uint8_t)~l->known;

	l->modseq = was->modseq;
	if (l->flags != was->flags || l->keywords != was->keywords) {
		*modseq = *modseq ? *modseq : box_modseq_next(b);
		l->modseq = *modseq;
	}
	l->date = new & KNOWN_DATE ? was->date : l->date;
	l->saved = new & KNOWN_SAVED ? was->saved : l->saved;
	l->size = new & KNOWN_SIZE ? was->size : l->size;
	l->vsize = new & KNOWN_VSIZE ? was->vsize : l->vsize;
	l->known |= new;
}

static bool same_name(const struct box *b, const struct letter *l, const struct state *s,
		      const struct letter *was)
{
	struct str name = str_of(s->names + was->name, was->name_n);

	return str_eq(letter_stem(b, l), str_head(name, str_find(name, ':')));
}

static void merge_all(struct box *b, const struct state *s)
{
	uint64_t modseq = 0;
	size_t k = 0;

	b->modseq = s->h.modseq > b->modseq ? s->h.modseq : b->modseq;
	for (size_t i = 0; i <= b->n; i++) {
		uint32_t uid = i < b->n ? b->letters[i].uid : UINT32_MAX;

		for (; k < s->h.n && s->letters[k].uid < uid; k++) {
			modseq = modseq ? modseq : box_modseq_next(b);
			box_expunged_add(b, s->letters[k].uid, s->letters[k].uid, modseq);
			box_keep_nothing(b, s->letters[k].uid);
		}
		if (i == b->n)
			break;
		if (k < s->h.n && s->letters[k].uid == uid && same_name(b, &b->letters[i], s, &s->letters[k])) {
			merge_letter(&b->letters[i], &s->letters[k++], &modseq, b);
			continue;
		}
		modseq = modseq ? modseq : box_modseq_next(b);
		b->letters[i].modseq = modseq;
		box_keep_nothing(b, uid);
	}
}

void cache_merge(struct box *b)
{
	struct cache *c = cache_usable(b);
	struct state s;
	void *copy = NULL;

	b->is_stale = true;
	if (c && state_get(c, b->guid, &copy, &s) && s.h.validity == b->validity && take_expunged(b, &s))
		merge_all(b, &s);
	else
		begin_anew(b);
	free(copy);
}

/* ---- save ---- */

bool cache_save(struct box *b)
{
	enum { STATE_BYTES_MAX = 1 << 30 };
	AUTO(buf_end) struct buf bytes = buf_on_heap(STATE_BYTES_MAX);
	struct cache *c = cache_usable(b);
	sqlite3_stmt *st;

	if (!c || !state_print(b, &bytes))
		return false;
	st = c->st[ST_BOX_PUT];
	sqlite3_bind_text(st, 1, b->guid, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(st, 2, bytes.p, bytes.n, SQLITE_STATIC);
	return cache_run(c, ST_BOX_PUT);
}
