/* squeeze.h — texts that repeat themselves in less room, quick to get back (LZ4).
 *
 *	squeezed = size(4, in the machine's byte order) LZ4 block
 *
 * What was damaged may come back as other octets of that size: its owner has a checksum. */
#pragma once

#include "base/buf.h"

void squeeze(struct str in, struct buf *ret);
/* As many octets as were squeezed are appended.  False: damaged, or more than `most` octets; *ret is as it was. */
bool unsqueeze(struct str in, size_t most, struct buf *ret);
