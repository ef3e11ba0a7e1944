/* pop3_letter.h — a letter as RETR and TOP send it (RFC 1939 §3, §7): lines end in CRLF, those that
 * begin with a dot get another one before them, a dot alone ends it all. */
#pragma once

#include "base/buf.h"

struct pop3_letter {
	uint64_t lines;          /* set by the owner: of the body; UINT64_MAX: the whole letter */
	bool is_done;            /* TOP has all it wanted: no more is needed */

	/* pop3_letter.c's own */
	bool in_body, in_line;
	bool is_blank;           /* of this line only a CR was seen */
	char last;               /* octet of this line */
};

/* Append a piece of the letter as it lies at rest, LF or CRLF.  At most 2 × in.n + 1 octets. */
void pop3_letter_feed(struct pop3_letter *l, struct str in, struct buf *ret);
/* The end: at most 5 octets. */
void pop3_letter_end(struct pop3_letter *l, struct buf *ret);
