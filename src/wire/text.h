/* text.h — how mail writes bytes as letters: base64 (RFC 4648 §4), xtext (RFC 3461 §4), and
 * addresses beyond ASCII in parameters (RFC 6533 §3). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/* Strict: padded, no white space, no stray bits.  *ret lies in the arena. */
bool base64_decode(struct str s, struct arena *a, struct str *ret);
void base64_add(struct buf *b, struct str bytes);

/* "+41" is "A".  What is no visible ASCII character or space afterwards is refused; bytes
 * above ASCII pass only as they are, in valid UTF-8, if utf8 says so (RFC 6533 §3). */
bool xtext_decode(struct str s, bool utf8, struct arena *a, struct str *ret);
void xtext_add(struct buf *b, struct str s);

/* utf-8-addr-xtext: "\x{FC}" is "ü"; as utf-8-addr-unitext, if is_utf8, "ü" is also itself.  What would be a control
 * character afterwards is refused.  *ret lies in the arena. */
bool unitext_decode(struct str s, bool is_utf8, struct arena *a, struct str *ret);
void unitext_add(struct buf *b, struct str s, bool is_utf8);
