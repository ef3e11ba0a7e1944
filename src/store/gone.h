/* gone.h — what was expunged or deleted, until it is really removed.
 *
 * Letters rest in Maildir/waxwing/gone/, outside the quota; Maildir/waxwing/history has a line for
 * each: when, who, what, from which folder and UID, under which name it lies there. */
#pragma once

#include "store/store.h"

struct arena;

struct gone_row {
	int64_t when;                    /* microseconds UTC */
	struct str who, folder, name;    /* name of the file in gone/ */
	uint32_t uid;
	uint64_t size;
};

SUSPENDS bool gone_list(struct store *s, struct arena *a, struct gone_row **ret, size_t *ret_n,
			struct err *e);
/* Back into the folder it came from (made if missing) or `folder` if not empty, with a new UID and without its
 * keywords, which belong to the folder it was in. */
SUSPENDS bool gone_restore(struct store *s, struct str name, struct str folder, struct str who,
			   struct err *e);
/* Remove what has been there longer than `keep` microseconds. */
SUSPENDS bool gone_empty(struct store *s, int64_t now, int64_t keep, size_t *ret_removed,
			 struct err *e);
