/* cache.h — what can be found out again: Maildir/waxwing/cache.db.
 *
 * One row per folder (by GUID): its letters as they were in memory, when new/, cur/ and the uidlist
 * had these times; MODSEQs and expunged UIDs.  One row per letter: its summary.  A missing,
 * damaged or older file is made anew; nothing fails because of it.  All of it blocks and
 * runs in a thread with the shelf held. */
#pragma once

#include "base/str.h"

struct arena;
struct box;
struct cache;
struct put_summary;
struct shelf;

void cache_open(struct shelf *s, struct cache **ret);
void cache_close(struct cache *c);
/* The file is closed until it is needed. */
bool cache_is_open(const struct cache *c);
void cache_rest(struct cache *c);

/* The box as it was, if its uidlist was not touched since (else it stays empty); look_new and look_cur say
 * which directories were. */
bool cache_load(struct box *b);
/* Into letters that were read from the directories: MODSEQs, dates, sizes, what was expunged. */
void cache_merge(struct box *b);
/* Write the box; false: it could not be. */
bool cache_save(struct box *b);
/* Newest first. */
void cache_put_summaries(struct box *b, const struct put_summary *p);
/* ret[i] for uids[i], ascending; bytes in the arena. */
void cache_summaries(struct box *b, uint32_t version, const uint32_t *uids, size_t n,
		     struct arena *a, struct str *ret);
