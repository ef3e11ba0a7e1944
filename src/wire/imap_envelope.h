/* imap_envelope.h — ENVELOPE of a letter (RFC 9051 §7.5.2). */
#pragma once

#include "base/buf.h"
#include "wire/mime.h"

/* Append "(date subject from sender reply-to to cc bcc in-reply-to message-id)".  `letter` is a part
 * with fields.  Of a field that came several times all addresses count, else the last value. */
void imap_envelope_add(struct buf *b, const struct mime_part *letter);
