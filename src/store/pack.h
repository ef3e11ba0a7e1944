/* pack.h — what the cache keeps of up to 64 letters, as one value of its table.
 *
 * Letters share a pack by their UIDs: pack k has those of 64k … 64k+63.  Layout, in the machine's byte order: a
 * check sum of all that follows, the number of letters, UID and length of each, ascending, then their bytes.
 * The sum depends on a seal too: what was put under another is not read under this one. */
#pragma once

#include "base/buf.h"

enum { PACK_LETTERS = 64, PACK_BYTES_MAX = 128 << 20 };

struct pack {
	uint64_t seal;
	uint32_t number;
	size_t n;
	uint32_t uids[PACK_LETTERS];     /* ascending */
	struct str bytes[PACK_LETTERS];  /* never empty */
};

static inline uint32_t pack_of(uint32_t uid)
{
	return uid / PACK_LETTERS;
}

/* Slices point into `in`.  False: damaged, or of another seal or number; *ret is empty then. */
bool pack_parse(struct str in, uint64_t seal, uint32_t number, struct pack *ret);
/* The sum that a pack with all these bytes must begin with. */
uint64_t pack_sum(struct str in, uint64_t seal, uint32_t number);
/* Nothing is added for an empty one. */
void pack_print(const struct pack *p, struct buf *b);
/* Empty bytes: the letter goes. */
void pack_put(struct pack *p, uint32_t uid, struct str bytes);
/* Empty: it is not in here. */
struct str pack_find(const struct pack *p, uint32_t uid);
