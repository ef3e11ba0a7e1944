/* quota.h — how much an account holds, in the Maildir++ file `maildirsize`.
 *
 *	1000000S,1000C          the limits (0 and missing: none)
 *	4096 1                  what came and went: octets and letters
 *
 * Trash counts, gone/ does not.  The file is a sum that everybody appends to; it is made anew from the names of
 * all files when it is missing, over 5,120 bytes, damaged, made for other limits, or says that the
 * mailbox is full (at most once a minute).  Without limits there is none, unless another program made it. */
#pragma once

#include "store/store.h"

struct quota {
	uint64_t bytes, letters;         /* used */
	uint64_t bytes_max, letters_max; /* 0: no limit */
};

/* The limits are the configuration's; kept until told otherwise. */
void quota_limits(struct store *s, uint64_t bytes_max, uint64_t letters_max);
SUSPENDS bool quota_read(struct store *s, struct quota *ret, struct err *e);
/* Would so much more fit?  false with sys = EDQUOT: no. */
SUSPENDS bool quota_check(struct store *s, uint64_t bytes, uint64_t letters, struct err *e);
/* Is a limit reached? */
bool quota_is_full(const struct quota *q);

/* ---- for the store's own files ---- */

struct shelf;
struct quota_state;
/* So much came (or went). */
void quota_changed(struct shelf *s, int64_t bytes, int64_t letters);
/* It is not known how much: counted anew when asked for. */
void quota_unsure(struct shelf *s);
void quota_free(struct quota_state *q);
