/* entry_store.h — blocks and exceptions that were given by command, and how often each entry matched.
 *
 * SQLite at DIR/entries.db.  An entry is ended by a later one; nothing is deleted or changed but the counts, of
 * which those of a file's lines stand here too.  The verbs may wait for the disk: in a role they run in a
 * thread, one at a time. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { ENTRY_DB_VERSION = 1 };

#define ENTRY_DB_ID 0x5758454e           /* "WXEN" */

struct entry_store;

struct entry_store *entry_store_open(const char *dir, struct err *e);
void entry_store_close(struct entry_store *s);

struct entry_row {
	int64_t id;              /* given by the store */
	int64_t ends;            /* the id of the one that this ends; 0: it is one itself */
	int64_t kind;            /* enum entry_kind */
	struct str what;
	int64_t added;           /* microseconds UTC */
	struct str by, reason;
	int64_t expires;         /* 0: never */
};
/* Durable when it returns true. */
bool entry_store_add(struct entry_store *s, const struct entry_row *r, int64_t *ret_id, struct err *e);
/* Rows with an id above `after`, by id. */
bool entry_store_rows(struct entry_store *s, int64_t after, size_t max, struct arena *a, struct entry_row *ret,
		      size_t *ret_n, struct err *e);

struct entry_count {
	struct str key;
	uint64_t hits;
	int64_t last;
};
/* In one commit. */
bool entry_store_count(struct entry_store *s, const struct entry_count *list, size_t n, struct err *e);
/* Those whose key comes behind `after`, in the order of their bytes. */
bool entry_store_counts(struct entry_store *s, struct str after, size_t max, struct arena *a, struct entry_count *ret,
			size_t *ret_n, struct err *e);
