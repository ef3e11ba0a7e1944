/* squeeze.c — see squeeze.h. */
#include "store/squeeze.h"

#include <lz4.h>
#include <string.h>

enum { LZ4_RATIO_MOST = 255 };   /* an LZ4 block does not grow more when it is read */

void squeeze(struct str in, struct buf *ret)
{
	size_t was = ret->n;
	uint32_t size = (uint32_t)in.n;
	int room = in.n <= LZ4_MAX_INPUT_SIZE ? LZ4_compressBound((int)in.n) : 0;
	char *to = room ? buf_room(ret, sizeof(size) + (size_t)room) : NULL;
	int n = to ? LZ4_compress_default(in.n ? in.p : "", to + sizeof(size), (int)in.n, room) : 0;

	ret->n = was;
	ret->full |= n <= 0;
	if (n <= 0)
		return;
	memcpy(to, &size, sizeof(size));
	ret->n += sizeof(size) + (size_t)n;
}

bool unsqueeze(struct str in, size_t most, struct buf *ret)
{
	size_t was = ret->n;
	uint32_t size;
	char *to;

	if (in.n < sizeof(size) || in.n > LZ4_MAX_INPUT_SIZE)
		return false;
	memcpy(&size, in.p, sizeof(size));
	in = str_from(in, sizeof(size));
	if (size > most || size > LZ4_MAX_INPUT_SIZE || size / LZ4_RATIO_MOST > in.n)
		return false;
	to = buf_room(ret, (size_t)size + 1);
	if (to && LZ4_decompress_safe(in.p, to, (int)in.n, (int)size) == (int)size) {
		ret->n = was + size;
		return true;
	}
	ret->n = was;
	return false;
}
