/* seven_bit.h — a letter for a server that takes 7 bits only (RFC 6152 §3).
 *
 *	if (!seven_bit_init(&s, letter, &view, &arena, &e)) …
 *	while (seven_bit_next(&s, &b)) … write and clear b
 *
 * Every leaf with octets above 127 is encoded: text in quoted-printable, all else in base64 (RFC 2045 §6.7, §6.8); what
 * it decodes to are the same octets.  Nothing else changes, but for labels that say "8bit" or "binary" and would be
 * wrong afterwards.  multipart and message are never encoded themselves (RFC 2045 §6.4).  What has no Content-Type
 * gets one that says that the charset is not known (RFC 1428 §3).
 *
 * Some letters cannot be had in 7 bits: those with such octets in a header, between the parts, within what is signed
 * (RFC 1847 §2.1), or beyond the limits of mime.h. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "wire/letter.h"

enum { SEVEN_BIT_ROOM = 64 << 10 };      /* octets: the most that seven_bit_next() adds */

struct seven_bit_edit;

struct seven_bit {
	/* seven_bit.c's own */
	struct arena *arena;
	struct str letter, prefix;
	struct seven_bit_edit *edit, *last;      /* the next one; the last of all */
	size_t at;                               /* how far we are in the letter */
	unsigned column;                         /* of the encoded line */
};

/* `letter` has CRLF and outlives s, like the view (NULL: the whole letter), whose cuts are in its header.  The arena:
 * MIME_ARENA is a fitting limit.  FAULT_PERM: it cannot be had in 7 bits, e says "5.6.3 …"; FAULT_TEMP: no memory. */
bool seven_bit_init(struct seven_bit *s, struct str letter, const struct view *v, struct arena *a, struct err *e);
/* The next piece; false at the end, or once `ret` is full. */
bool seven_bit_next(struct seven_bit *s, struct buf *ret);
