/* letter_search_fuzz.c — searching any letter ends, within its bytes; what is in a decoded text is found in
 * it, wherever pieces are cut. */
#include "wire/letter_search.h"

#include "base/err.h"
#include "wire/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The first octet says how long the text is that is looked for; it stands behind it, then the letter. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	AUTO(searcher_end) struct searcher s = { 0 };
	struct str in = str_of(p, n), text = str_sub(in, 1, n ? p[0] : 0), letter = str_from(in, 1 + text.n);
	const struct mime_part *root = mime_parse(letter, &a);

	if (!searcher_init(&s, text))
		return 0;
	(void)search_field(&s, letter, S("Subject"));
	(void)search_header(&s, letter);
	if (root)
		(void)search_body(&s, letter, root);
	must(searcher_finds(&s, text), "a text is within itself");
	return 0;
}
