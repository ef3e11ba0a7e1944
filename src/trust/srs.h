/* srs.h — the sender of a letter that is passed on (Sender Rewriting Scheme, Shevek 2004).
 *
 * The next server checks SPF of the envelope's sender against us, so the sender must be an
 * address of ours that leads back to the real one:
 *
 *   bob@a.example            passed on by b.example →  SRS0=HASH=TT=a.example=bob@b.example
 *   SRS0=…@b.example         passed on by c.example →  SRS1=HASH=b.example==…@c.example
 *   SRS1=HASH=b.example==…@c  passed on by d.example →  SRS1=HASH=b.example==…@d.example
 *
 * HASH is the beginning of an HMAC-SHA-256 in base 32, over all that stands behind it, without
 * regard to letter case; TT is the day, in base 32, modulo 1024.  Whoever cannot make the hash
 * cannot have us send to an address of his choice; after SRS_DAYS it is no longer believed. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

enum { SRS_DAYS = 21, SRS_HASH = 8, SRS_SECRET = 32, SRS_LOCAL_MAX = 512 };

enum srs_result {
	SRS_OK,
	SRS_NOT,         /* the local part is no such thing */
	SRS_FORGED,      /* the hash is not ours */
	SRS_OLD,
};

/* The local part, at a domain of ours, that stands for local@domain.  Empty: it is too long. */
struct str srs_make(const uint8_t secret[SRS_SECRET], struct str local, struct str domain, int64_t now,
		    struct arena *a);
/* Where a local part of ours leads.  For SRS_OK *ret_local and *ret_domain, in the arena. */
enum srs_result srs_resolve(const uint8_t secret[SRS_SECRET], struct str local, int64_t now, struct arena *a,
			    struct str *ret_local, struct str *ret_domain);
