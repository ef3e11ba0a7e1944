/* search_block.c — a block of the search index; see search_block.h. */
#include "store/search_block.h"

#include "base/crc32c.h"

#define MAGIC S("WXSEARC1")

enum {
	AT_VALIDITY = 8, AT_KIND = 12, AT_LETTERS = 16, AT_PAGES = 20,
	AT_ROWS = AT_PAGES + 4 * BLOCK_PAGES,
	ROW = 8,
	AT_SUM = BLOCK_HEAD - 4,
};

_Static_assert(AT_ROWS + ROW * BLOCK_LETTERS_MAX <= AT_SUM, "the letters fit the head");
_Static_assert((BLOCK_LETTERS_MAX / 8) << BLOCK_BITS_MIN == BLOCK_TABLE, "the columns fill the table");

static void put(char *to, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (char)(v >> 8 * i);
}

static uint32_t get(const char *from)
{
	const unsigned char *p = (const unsigned char *)from;

	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

unsigned block_kind(uint64_t octets)
{
	unsigned kind = 0;

	while (kind < BLOCK_KINDS - 1 && octets > (uint64_t)BLOCK_SMALLEST << kind)
		kind++;
	return kind;
}

void block_print(const struct search_block *b, char to[static BLOCK_HEAD])
{
	size_t n = block_letters(b->kind);

	memset(to, 0, BLOCK_HEAD);
	memcpy(to, MAGIC.p, MAGIC.n);
	put(to + AT_VALIDITY, b->validity);
	put(to + AT_KIND, b->kind);
	put(to + AT_LETTERS, (uint32_t)n);
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		put(to + AT_PAGES + 4 * i, b->pages[i]);
	for (size_t i = 0; i < n; i++) {
		put(to + AT_ROWS + ROW * i, b->letters[i].uid);
		put(to + AT_ROWS + ROW * i + 4, b->letters[i].name);
	}
	put(to + AT_SUM, crc32c(0, str_of(to, AT_SUM)));
}

bool block_parse(struct str head, struct search_block *ret)
{
	const char *p = head.p;

	if (head.n != BLOCK_HEAD || !str_starts(head, MAGIC) || get(p + AT_KIND) >= BLOCK_KINDS ||
	    get(p + AT_LETTERS) != block_letters(get(p + AT_KIND)) ||
	    get(p + AT_SUM) != crc32c(0, str_head(head, AT_SUM)))
		return false;
	ret->validity = get(p + AT_VALIDITY);
	ret->kind = get(p + AT_KIND);
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		ret->pages[i] = get(p + AT_PAGES + 4 * i);
	for (size_t i = 0; i < block_letters(ret->kind); i++)
		ret->letters[i] = (struct block_letter){ get(p + AT_ROWS + ROW * i), get(p + AT_ROWS + ROW * i + 4) };
	return true;
}

void block_seal(struct search_block *b, const char table[static BLOCK_TABLE])
{
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		b->pages[i] = crc32c(0, str_of(table + i * BLOCK_PAGE, BLOCK_PAGE));
}

bool block_page_is(const struct search_block *b, size_t page, const char octets[static BLOCK_PAGE])
{
	return page < BLOCK_PAGES && crc32c(0, str_of(octets, BLOCK_PAGE)) == b->pages[page];
}
