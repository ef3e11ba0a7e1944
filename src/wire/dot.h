/* dot.h — the bytes of a letter as they come in, by DATA (RFC 5321 §4.5.2) or BDAT (RFC 3030).
 *
 * DATA ends at CRLF "." CRLF and nowhere else.  A bare CR, a bare LF and a NUL are noted in
 * `flags` and reading goes on to the true end, where the letter is refused: whoever
 * disagrees with us about the end cannot smuggle commands in (CVE-2023-51764).
 *
 *	struct dot d = { .size_max = …, .line_max = …, .header_max = …, .field_max = … };
 *	while (!dot_feed(&d, &in, &out))
 *		…store out, clear it, read more into in… */
#pragma once

#include "base/buf.h"

enum dot_flags {
	DOT_BARE_CR = 1 << 0,
	DOT_BARE_LF = 1 << 1,
	DOT_NUL = 1 << 2,
	DOT_LINE_LONG = 1 << 3,          /* over line_max */
	DOT_TOO_BIG = 1 << 4,            /* over size_max; what is past it is not given out */
	DOT_HEADER_BIG = 1 << 5,         /* over header_max */
	DOT_HEADER_MANY = 1 << 6,        /* over field_max */
	/* The final CRLF "." CRLF stands behind a CR: others may see no end there.  Answer 550
	 * and hang up, so that what follows is never read as commands. */
	DOT_END_DOUBTFUL = 1 << 7,
};

enum dot_state {
	DOT_LINE_START,          /* nothing, or a line end */
	DOT_IN_LINE,             /* some of a line */
	DOT_CR,                  /* … CR */
	DOT_DOT,                 /* a line end and "." */
	DOT_DOT_CR,              /* a line end and "." CR */
	DOT_DONE,                /* CRLF "." CRLF */
};

struct dot {
	/* set by the owner; 0 means no limit */
	uint64_t size_max;       /* octets */
	uint64_t line_max;       /* octets of a line, without CRLF */
	uint64_t header_max;     /* octets of the header */
	uint64_t field_max;      /* fields in it */
	bool normalize;          /* a bare CR or LF becomes CRLF instead of a flag; it never ends the letter */

	/* what was seen so far */
	unsigned flags;          /* enum dot_flags */
	uint64_t size;           /* octets of the letter, also of what is past size_max */
	uint64_t line_longest;
	uint64_t header_size;    /* with the empty line */
	uint64_t fields;

	/* dot.c's own */
	enum dot_state state;
	uint64_t line;           /* octets of the line so far */
	bool after_cr;           /* a CR stood before the CR: … CR CR LF */
	char after_bare;         /* the line began behind this bare CR or LF (normalize); or 0 */
	bool in_body;
};

/* Take bytes off *in and add those of the letter to out.  True once the end has come; then *in
 * begins behind it.  Until then all of *in is taken.  `out` needs room for 2 × in->n + 3. */
bool dot_feed(struct dot *d, struct str *in, struct buf *out);

/* A piece of a BDAT chunk, or all of it: dots mean nothing.  The same room. */
void bdat_feed(struct dot *d, struct str in, struct buf *out);
/* The last chunk is over.  `out` needs room for a byte. */
void bdat_end(struct dot *d, struct buf *out);

/* Must the letter be refused for bare CR, LF or NUL? */
static inline bool dot_is_malformed(const struct dot *d)
{
	return d->flags & (DOT_BARE_CR | DOT_BARE_LF | DOT_NUL);
}
