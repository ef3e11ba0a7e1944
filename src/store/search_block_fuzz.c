/* search_block_fuzz.c — a block's head as anybody may have left it; its checksum is made right, so that what
 * stands behind it is looked at.  What is read is printed and read again the same. */
#include "store/search_block.h"

#include "base/crc32c.h"
#include "base/err.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct search_block first, second;

static bool blocks_eq(const struct search_block *a, const struct search_block *b)
{
	return a->validity == b->validity && a->kind == b->kind && !memcmp(a->pages, b->pages, sizeof(a->pages)) &&
	       !memcmp(a->letters, b->letters, block_letters(a->kind) * sizeof(*a->letters));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char *head = calloc(1, BLOCK_HEAD), *again = malloc(BLOCK_HEAD);
	uint32_t sum;

	must(head && again, "there is memory");
	(void)block_parse(str_of(bytes, n), &first);
	memcpy(head, bytes, n < BLOCK_HEAD - 4 ? n : BLOCK_HEAD - 4);
	sum = crc32c(0, str_of(head, BLOCK_HEAD - 4));
	for (unsigned i = 0; i < 4; i++)
		head[BLOCK_HEAD - 4 + i] = (char)(sum >> 8 * i);
	if (block_parse(str_of(head, BLOCK_HEAD), &first)) {
		block_print(&first, again);
		must(block_parse(str_of(again, BLOCK_HEAD), &second), "what was printed can be read");
		must(blocks_eq(&first, &second), "and is the same");
		(void)block_page_is(&first, n, again);
	}
	free(head);
	free(again);
	return 0;
}
