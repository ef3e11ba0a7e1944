/* mime_header.h — header text as people read it (RFC 2047, RFC 6532).
 *
 * Decoded text is UTF-8 on one line: line ends go, control bytes become spaces, what is wrong
 * becomes U+FFFD. */
#pragma once

#include "base/buf.h"

/* Decode a raw value: encoded-words, also broken ones (a character split between two words, white
 * space within, missing padding); 8-bit bytes as UTF-8, else as windows-1252.  A word of an unknown
 * charset stays as it is. */
void mime_header_decode(struct str raw, struct buf *ret);
