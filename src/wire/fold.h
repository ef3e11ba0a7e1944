/* fold.h — text as people compare it: i;unicode-casemap (RFC 5051), which I18NLEVEL=1 asks for.
 *
 * "Grüße", "GRÜSSE" with a combining diaeresis, and full-width letters become the same bytes as far as
 * the RFC says: each character's titlecase, decomposed.  Two texts are equal, in order, or one
 * within the other, if their folded bytes are. */
#pragma once

#include "base/buf.h"

/* Octets that one octet of text may become. */
enum { FOLD_GROWTH_MAX = 12 };

/* Append `text` folded.  What is no UTF-8 stays as it is. */
void fold_add(struct buf *ret, struct str text);
