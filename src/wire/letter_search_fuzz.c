/* letter_search_fuzz.c — searching any letter ends, within its bytes; what is in a decoded text is found in
 * it, wherever pieces are cut; of what is found in a letter all grams were noted. */
#include "wire/letter_search.h"

#include "base/err.h"
#include "wire/grams.h"
#include "wire/mime.h"

enum { BITS = 14 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void notes_have(struct str letter, const struct mime_part *root, struct str folded)
{
	static uint8_t table[1 << BITS];
	struct grams g = { .table = table, .bits = BITS, .n = 8, .place = 5 };
	AUTO(searcher_end) struct searcher s = { 0 };

	memset(table, 0, sizeof(table));
	must(searcher_init(&s, S("")), "nothing is short enough");
	s.note = &g;
	must(!search_header(&s, letter) && !search_body(&s, letter, root), "who notes does not find");
	for (size_t i = 0; i < grams_count(folded) && !s.is_short; i++)
		must(table[gram_column(gram_at(folded, i), BITS)] == 1 << 5, "a gram of what is found was noted");
}

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
	if (root && (search_header(&s, letter) || search_body(&s, letter, root)))
		notes_have(letter, root, buf_str(&s.needle));
	must(searcher_finds(&s, text), "a text is within itself");
	return 0;
}
