/* decode.h — base64 and quoted-printable as mail carries them (RFC 2045 §6.7, §6.8).
 *
 * Tolerant, as clients are: stray bytes in base64 are stepped over, "=" ends a group wherever it
 * stands and more may follow; a "=" in quoted-printable that begins nothing stays.  Fed piece by
 * piece, any size. */
#pragma once

#include "base/buf.h"
#include "wire/mime.h"

struct decode {
	enum mime_encoding encoding;     /* set by the owner */
	/* decode.c's own */
	uint32_t bits;
	unsigned n_bits;
	char held[80];                   /* quoted-printable: what may be dropped or escaped */
	size_t n_held;
	bool is_wrong;                   /* something was not as the RFC says */
};

/* Can it be decoded?  False for encodings we do not know (RFC 3516 UNKNOWN-CTE). */
bool decode_knows(enum mime_encoding e);
void decode_feed(struct decode *d, struct str in, struct buf *ret);
void decode_finish(struct decode *d, struct buf *ret);
/* All at once. */
void decode_all(enum mime_encoding e, struct str in, struct buf *ret);
/* The text of a text/… part as UTF-8: decoded, converted from its charset, lines as they are;
 * stops where `ret` is full. */
void mime_part_text(struct str letter, const struct mime_part *p, struct buf *ret);
/* The same for some octets of its body. */
void mime_bytes_text(const struct mime_part *p, struct str bytes, struct buf *ret);
