/* cache_db.h — the cache's database, for the files that use it.
 *
 * One connection writes, with the shelf held.  Another reads what is kept of letters, with its own lock, so that
 * a session need not wait for what is being written. */
#pragma once

#include "store/cache.h"
#include "store/uidfile.h"

#include <pthread.h>
#include <sqlite3.h>

enum { CACHE_PATH_BYTES = 1024 };

enum cache_statement {
	ST_BEGIN,
	ST_COMMIT,
	ST_BOX_GET,
	ST_BOX_PUT,
	ST_BOX_MAKE,
	ST_BOX_ID,
	ST_PACK_GET,
	ST_PACK_PUT,
	ST_PACK_DROP,
	ST_PACKS_DROP,
	ST_BOX_DROP,
	STATEMENTS,
};

struct cache_reader {
	pthread_mutex_t lock;            /* of all that follows */
	char path[CACHE_PATH_BYTES];     /* which file to read; empty: none */
	struct stamp file;
	sqlite3 *db;                     /* NULL: not open */
	sqlite3_stmt *box_id, *packs;
	bool found_damage;               /* the writer makes it anew */
};

struct cache {
	struct shelf *shelf;
	sqlite3 *db;
	sqlite3_stmt *st[STATEMENTS];
	struct stamp file;               /* dev and ino: is it still there? */
	bool is_broken;                  /* to be made anew */
	struct cache_reader reader;
};

/* The cache of the box's shelf; NULL if there is none.  One that was deleted is made anew. */
struct cache *cache_usable(const struct box *b);

int cache_step(struct cache *c, enum cache_statement which);
void cache_done(struct cache *c, enum cache_statement which);
/* Both, for a statement that gives no rows; false: it failed. */
bool cache_run(struct cache *c, enum cache_statement which);

/* ---- cache_kept.c ---- */

/* The file to be read from now on. */
void cache_reader_aim(struct cache *c, const char *path, struct stamp file);
/* It is opened again when needed. */
void cache_reader_close(struct cache *c);
bool cache_reader_is_open(struct cache *c);
bool cache_reader_found_damage(struct cache *c);
