/* squeeze.h — texts that repeat themselves in less room, quick to get back.
 *
 *	squeezed = size(4, in the machine's byte order) *piece
 *	piece    = n(1) n×octet [ m(1) [ back(2, little-endian) ] ]
 *
 * n octets as they are; then, if n < 255, m octets (m = 0: none, and no `back`) as they stand `back` octets before. */
#pragma once

#include "base/buf.h"

void squeeze(struct str in, struct buf *ret);
/* Exactly what was squeezed is appended.  False: damaged, or more than `most` octets; *ret is as it was. */
bool unsqueeze(struct str in, size_t most, struct buf *ret);
