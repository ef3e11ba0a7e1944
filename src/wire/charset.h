/* charset.h — from any charset mail is written in to UTF-8.
 *
 * The labels are WHATWG's (https://encoding.spec.whatwg.org/), and UTF-7 (RFC 2152), which mail
 * still has.  Single-byte charsets are generated tables; the others are iconv descriptors which
 * charset_open_all() opens once, before the sandbox closes.  Without it those are unknown. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct charset;

/* Open what needs the file system.  Once per process, before it is confined; forked children
 * share it.  False, with the first reason, if some charset is not to be had; the others work. */
bool charset_open_all(struct err *e);
void charset_close_all(void);

/* By label, in any case; NULL if unknown.  Lives as long as the process. */
const struct charset *charset_find(struct str label);
/* The name WHATWG gives it: "windows-1252" for "latin1". */
struct str charset_name(const struct charset *c);

/* Append `in` as UTF-8.  Malformed input becomes U+FFFD, one per bad sequence at most; at most
 * three times the input's octets are written.  A whole text: no state is kept between calls. */
void charset_to_utf8(const struct charset *c, struct str in, struct buf *ret);
/* Bytes without a label: valid UTF-8 stays, all else is windows-1252. */
void charset_guess_to_utf8(struct str in, struct buf *ret);
