/* imap_utf7.h — mailbox names in modified UTF-7 (RFC 3501 §5.1.3) and in UTF-8.
 *
 * Strict, so that a name has one spelling: printable ASCII stands for itself, "&" as "&-", and
 * nothing else may be written in base64.  Also refused: lone surrogates, stray bits, a shift right behind
 * a shift, NUL and other control characters. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/* *ret lies in the arena; false if it is not valid. */
bool imap_utf7_decode(struct str s, struct arena *a, struct str *ret);
/* s is valid UTF-8; false, and nothing added, if it is not. */
bool imap_utf7_add(struct buf *b, struct str s);
