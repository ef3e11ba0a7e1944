/* quota.h — how much an account holds, in the Maildir++ file `maildirsize`.
 *
 * Trash counts, gone/ does not.  The file is a sum that everybody appends to; it is made
 * anew from the file names when it is over 5,120 bytes, says "over quota", or
 * disagrees with the limits. */
#pragma once

#include "store/store.h"

struct quota {
	uint64_t bytes, letters;         /* used */
	uint64_t bytes_max, letters_max; /* 0: no limit */
};

/* The limits are the configuration's; kept for the life of the store. */
void quota_limits(struct store *s, uint64_t bytes_max, uint64_t letters_max);
SUSPENDS bool quota_read(struct store *s, struct quota *ret, struct err *e);
/* Would so much more fit?  false with sys = EDQUOT: no. */
SUSPENDS bool quota_check(struct store *s, uint64_t bytes, uint64_t letters, struct err *e);

/* ---- for the store's own files ---- */

struct shelf;
struct quota_state;
/* So much came (or went). */
void quota_changed(struct shelf *s, int64_t bytes, int64_t letters);
void quota_free(struct quota_state *q);
