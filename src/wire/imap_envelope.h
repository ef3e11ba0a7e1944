/* imap_envelope.h — ENVELOPE of a letter (RFC 9051 §7.5.2). */
#pragma once

#include "base/buf.h"
#include "wire/mime.h"

/* Append "(date subject from sender reply-to to cc bcc in-reply-to message-id)".  `letter` is a part
 * with fields.  A field that came several times counts once: the addresses of all of
 * them, the first of the others. */
void imap_envelope_add(struct buf *b, const struct mime_part *letter);
