/* cache.h — what can be found out again: Maildir/waxwing/cache.db.
 *
 * One row per folder (by GUID): its letters as they were in memory, when new/, cur/ and the uidlist
 * had these times; MODSEQs and expunged UIDs.  Of letters what is kept, a row per pack (pack.h).  A missing,
 * damaged or older file is made anew; nothing fails because of it.  All of it blocks and
 * runs in a thread, with the shelf held if nothing else is said. */
#pragma once

#include "base/str.h"

struct arena;
struct box;
struct cache;
struct puts;
struct shelf;

void cache_open(struct shelf *s, struct cache **ret);
void cache_close(struct cache *c);
/* The file is closed until it is needed. */
bool cache_is_open(struct cache *c);
void cache_rest(struct cache *c);

/* The box as it was, if its uidlist was not touched since (else it stays empty); look_new and look_cur say
 * which directories were. */
bool cache_load(struct box *b);
/* Into letters that were read from the directories: MODSEQs, dates, sizes, what was expunged. */
void cache_merge(struct box *b);
/* Write the box; false: it could not be. */
bool cache_save(struct box *b);
/* Write them. */
void cache_keep(struct box *b, const struct puts *p);

/* The folder is gone: nothing of it stays. */
void cache_forget(struct box *b);

/* What is read of letters: needs no shelf. */
struct cache_ask {
	struct cache *c;
	char guid[33];                   /* of the box */
	uint32_t validity;
	unsigned kind;
	const uint32_t *uids;            /* ascending */
	size_t n;
};
/* ret[i] for uids[i] where it is empty; bytes in the arena. */
void cache_kept(const struct cache_ask *q, struct arena *a, struct str *ret);
