/* search_block.h — letters of like size and their grams (wire/grams.h), as they lie in a folder's
 * `waxwing-search`.
 *
 * The file is a row of blocks of BLOCK_OCTETS: a head, then a table.  The smaller the letters of a block, the
 * fewer columns its table has and the more letters: its size stays the same, and the index about a
 * sixth of the letters.  Letters are known by UID and by a checksum of the name they
 * have in the uidlist.
 *
 *	head   0  "WXSEARC1"       16  letters, as the kind says
 *	       8  UIDVALIDITY      20  CRC-32C of each page of the table
 *	      12  kind            276  UID, CRC-32C of the name; for each letter; UID 0: none
 *	          BLOCK_HEAD - 4  CRC-32C of what stands before it; else zeros
 *	table  column after column, a bit for each letter
 *
 * Numbers are 32 bits, little-endian.  Nothing is synced: whatever a crash leaves, the checksums of
 * the head and of the pages tell whether it belongs together.
 *
 * Guarantee: no octets of any kind make a parser fail in another way than by saying so. */
#pragma once

#include "base/str.h"

enum {
	BLOCK_HEAD = 8192,
	BLOCK_PAGE = 4096,
	BLOCK_PAGES = 64,
	BLOCK_TABLE = BLOCK_PAGE * BLOCK_PAGES,
	BLOCK_OCTETS = BLOCK_HEAD + BLOCK_TABLE,
	BLOCK_KINDS = 6,
	BLOCK_LETTERS_MAX = 512,         /* of the smallest kind */
	BLOCK_SMALLEST = 4096,           /* octets of a letter; each kind is for twice the size of the one below */
	BLOCK_BITS_MIN = 12,             /* columns of the smallest kind: 2^12; each kind has twice as many */
};

struct block_letter {
	uint32_t uid, name;
};

struct search_block {
	uint32_t validity;
	unsigned kind;
	uint32_t pages[BLOCK_PAGES];
	struct block_letter letters[BLOCK_LETTERS_MAX];
};

static inline size_t block_letters(unsigned kind)
{
	return (size_t)BLOCK_LETTERS_MAX >> kind;
}

static inline unsigned block_bits(unsigned kind)
{
	return BLOCK_BITS_MIN + kind;
}

/* The kind for a letter of that size. */
unsigned block_kind(uint64_t octets);

void block_print(const struct search_block *b, char to[static BLOCK_HEAD]);
/* False: no head, or a damaged one; *ret is undefined then. */
bool block_parse(struct str head, struct search_block *ret);
/* The checksums of its pages. */
void block_seal(struct search_block *b, const char table[static BLOCK_TABLE]);
/* Is this the page the head means? */
bool block_page_is(const struct search_block *b, size_t page, const char octets[static BLOCK_PAGE]);
