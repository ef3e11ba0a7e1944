/* binary_letter.h — a letter that came as a literal8, as it can lie at rest (RFC 3516 §4.4).
 *
 * At rest lines end in LF and come back with CRLF (lf.h), and no answer but BINARY may hold a NUL
 * (RFC 9051 §4.3.1).  A part that would not come back octet by octet is put into base64: the decoded octets stay what
 * they were.  Everything else stays as it is, since signatures may hang on it. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum binary_result {
	BINARY_AS_IS,            /* nothing needs to be changed, *ret is not written */
	BINARY_ENCODED,          /* *ret is the letter */
	BINARY_CANNOT,           /* NULs outside parts that are not encoded: UNKNOWN-CTE */
	BINARY_NO_MEMORY,
};

/* `letter` has CRLF.  The arena: MIME_ARENA is a fitting limit. */
enum binary_result binary_letter_encode(struct str letter, struct arena *a, struct buf *ret);
