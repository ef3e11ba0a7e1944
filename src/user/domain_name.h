/* domain_name.h — one way to write a domain, so that it can be compared.
 *
 * The folded form is lower-case A-labels (RFC 5890) without a final dot:
 * "Bücher.Example" gives "xn--bcher-kva.example".  Two domains are the same
 * if their folded forms are the same bytes. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { DOMAIN_NAME_MAX = 253, DOMAIN_LABEL_MAX = 63 };

/* false with a sentence if s is no domain; an address literal "[192.0.2.1]" is none.
 * Dots that only look like dots (U+3002, U+FF0E, U+FF61) are refused. */
bool domain_fold(struct str s, struct arena *a, struct str *ret, struct err *e);

/* ASCII letters in lower case, all other bytes as they are. */
struct str local_fold(struct str s, struct arena *a);

/* With mark '+' "alice+x" gives "alice"; without a tag the whole of s.  A leading + is no tag, and
 * with mark 0 nothing is. */
struct str local_without_tag(struct str s, char mark);
