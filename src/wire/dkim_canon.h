/* dkim_canon.h — letters in the form that DKIM hashes (RFC 6376 §3.4).
 *
 * A body comes in pieces of any size and is given back in runs, which point into the piece or at a few
 * constant octets: nothing is copied, nothing grows.
 *
 *	struct dkim_body c = { .canon = DKIM_RELAXED };
 *	while (dkim_body_next(&c, &piece, &run)) … hash run; the next piece
 *	while (dkim_body_last(&c, &run)) … hash run
 *
 * Lines end in CRLF; a CR or LF alone is an octet like others. */
#pragma once

#include "base/buf.h"
#include "wire/dkim_signature.h"

struct dkim_body {
	enum dkim_canon canon;           /* set by the owner */
	/* dkim_canon.c's own */
	uint64_t lines;                  /* CRLFs not given out: at the end of the body they do not count */
	bool has_space;                  /* white space not given out: at the end of a line it does not count */
	bool has_cr;                     /* a CR that may be the first half of a line end */
	bool is_begun;                   /* something was given out */
	bool is_over;
};

/* The next run; false when the piece is used up. */
bool dkim_body_next(struct dkim_body *c, struct str *piece, struct str *ret);
/* What the end of the body still gives. */
bool dkim_body_last(struct dkim_body *c, struct str *ret);

/* A field as it stands in the letter, with or without its line end (§3.4.1, §3.4.2); ends in CRLF if has_end. */
void dkim_field_add(struct buf *b, enum dkim_canon canon, struct str field, bool has_end);
/* The same of a signature itself: without the value of b=, which lies at `hole` in the field (§3.5). */
void dkim_field_add_without(struct buf *b, enum dkim_canon canon, struct str field, struct str hole);
