/* dkim_say.h — words of the dialogue about DKIM keys.
 *
 * A key's life:  NEW (made, waits to be seen in the DNS) → IN_USE (signs) → RETIRED (signs no more; stays published
 * for DKIM_KEEP, since letters signed with it are on their way) → REMOVABLE (the week is over: take the record
 * out of the DNS) → GONE (it is out).  A domain's first pair and a key taken over are IN_USE at once; whether
 * they were ever seen in the DNS says ipc_dkim_key.seen. */
#pragma once

#include "base/time.h"

#define DKIM_KEEP (7 * DAY)

enum dkim_state { DKIM_NEW, DKIM_IN_USE, DKIM_RETIRED, DKIM_REMOVABLE, DKIM_GONE, DKIM_STATES };

/* The word for people: "new", "in-use", "retired", "removable", "gone". */
static inline const char *dkim_state_word(unsigned state)
{
	static const char *const words[] = { "new", "in-use", "retired", "removable", "gone" };

	return state < DKIM_STATES ? words[state] : "unknown";
}

enum dkim_key_flags {
	DKIM_IS_TAKEN_OVER = 1 << 0,     /* its file is the administrator's: `dkim keys` */
	DKIM_IS_TESTING = 1 << 1,        /* t=y */
	DKIM_IS_STRICT = 1 << 2,         /* t=s */
	DKIM_IS_WEAK = 1 << 3,           /* RSA of fewer than 2048 bits */
	DKIM_IS_UNREADABLE = 1 << 4,     /* it cannot sign: `trouble` says why */
};

/* What somebody may say about a key: keys_dkim_mark. */
enum dkim_mark {
	DKIM_SEEN,       /* its record is in the DNS; a NEW one is IN_USE from now on, the one before it RETIRED */
	DKIM_RETIRE,     /* it signs no more, whatever follows */
	DKIM_REMOVED,    /* its record is out of the DNS: RETIRED or REMOVABLE becomes GONE */
	DKIM_MARKS
};
