/* saslprep.h — one form for a password that keyboards write in several ways (RFC 4013).
 *
 * An "é" is one character on one keyboard and two on another; what is hashed must be
 * the same bytes for both.  Every password has a form, so that none that UTF-8 can say
 * is refused: what SASLprep does not allow stays as it is. */
#pragma once

#include "base/str.h"

enum { SASLPREP_GROWTH = 11 };           /* times as many bytes at most: NFKC of U+FDFA */

/* The form of text, which is valid UTF-8 without NUL: either text itself or bytes in `room`,
 * of SASLPREP_GROWTH * text.n + 1 bytes, which the caller wipes. */
struct str saslprep(struct str text, char *room);
