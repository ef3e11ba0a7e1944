/* imap_string.h — strings in IMAP answers (RFC 9051 §4.3).
 *
 * A quoted string if it can be one: short, without 8-bit, CR, LF; else a literal.  NUL, which no
 * string may hold, becomes U+FFFD.  Since a literal may hold UTF-8 in either mode, the same text
 * serves sessions with and without UTF8=ACCEPT. */
#pragma once

#include "base/buf.h"

enum { IMAP_QUOTED_MAX = 4096 };         /* octets; longer ones go as literals */

void imap_add_string(struct buf *b, struct str s);
/* NIL if s.p is NULL. */
void imap_add_nstring(struct buf *b, struct str s);
/* The same for a raw header value: without white space at its ends, a fold with the blanks
 * around it, and each TAB, as one space. */
void imap_add_field(struct buf *b, struct str raw);
