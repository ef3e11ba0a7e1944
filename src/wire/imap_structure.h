/* imap_structure.h — BODY and BODYSTRUCTURE (RFC 9051 §7.5.2), with sizes in CRLF form. */
#pragma once

#include "base/buf.h"
#include "wire/mime.h"

/* Append the parenthesised structure; `is_extended` for BODYSTRUCTURE. */
void imap_structure_add(struct buf *b, const struct mime_part *p, bool is_extended);
