/* lf.h — line ends at rest.
 *
 * On the wire lines end in CRLF, in a Maildir in LF.  A CR before CRLF stays
 * (CR CR LF lies on disk as it came), so that the way back, "LF without a CR
 * before it becomes CRLF", gives the same bytes for every letter that has no
 * bare LF. */
#pragma once

#include "base/str.h"

struct buf;

struct lf {
	bool held;               /* a CR ended the last piece and is not written yet */
	int prev;                /* the byte before what comes (before the held CR) */
	uint64_t size, vsize;    /* octets given out; the same with CRLF restored */
};

/* The most lf_feed() writes for n bytes. */
#define LF_ROOM(n) ((n) + 1)

/* Convert a piece; returns the number of bytes written to out. */
size_t lf_feed(struct lf *c, struct str in, char *out);
/* The end of the letter: at most one byte more. */
size_t lf_finish(struct lf *c, char *out);
/* The way back. */
void lf_restore(struct str at_rest, struct buf *ret);
