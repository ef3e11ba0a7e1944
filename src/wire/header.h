/* header.h — the header of a letter, field by field (RFC 5322 §2.2, RFC 6532).
 *
 *	struct header h = header_of(bytes);
 *	struct field f;
 *	while (header_next(&h, &f)) …
 *
 * Lines may end in CRLF or LF.  The header ends with an empty line, with the first
 * line that is no field, with the bytes (a letter needs no body, RFC 5322 §3.5),
 * or at a limit; nothing is copied.  An mbox "From " line on top
 * is stepped over. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

enum {
	HEADER_COUNT_MAX = 10000,        /* fields that are looked at: the most of header-count … */
	HEADER_SIZE_MAX = 16 << 20,      /* … and octets: the most of header-limit */
};

struct field {
	struct str name;         /* without the colon and spaces before it */
	struct str value;        /* behind the colon, folded as it came, without the last line end */
	size_t at;               /* the whole field with its line end: offset in the letter */
	size_t n;                /* and length */
};

struct header {
	struct str letter;       /* the bytes given */
	bool is_lenient;         /* set by the owner: lines that are no fields are stepped over too, as
				  * some clients do */
	size_t at;               /* where the next field begins; in the end, the size of the header */
	size_t count;            /* fields given so far */
	bool is_over;            /* the empty line was met (it does not count as header) */
	bool is_malformed;       /* a line that is no field was met */
	bool is_cut;             /* a limit ended it */
};

struct header header_of(struct str letter);
bool header_next(struct header *h, struct field *ret);
/* The first field of that name. */
bool header_find(struct str letter, struct str name, struct field *ret);
/* The value on one line: line ends go, the white space at both ends too (RFC 5322 §2.2.3).
 * In the arena; empty with a->full set past its limit. */
struct str header_unfold(struct str value, struct arena *a);
