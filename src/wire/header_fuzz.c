/* header_fuzz.c — fields lie in the letter, in order; cuts fit it. */
#include "base/err.h"
#include "wire/letter_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
	struct str letter = str_of(p, n);
	struct header h = header_of(letter);
	struct letter_facts facts;
	struct field f;
	size_t at = 0;

	while (header_next(&h, &f)) {
		must(f.at >= at && f.n > 0 && f.n <= n - f.at, "fields follow each other");
		must(f.name.n && f.name.p == letter.p + f.at && !str_has(f.name, ':'), "a field begins with its name");
		must(f.value.p + f.value.n <= letter.p + f.at + f.n, "the value lies in the field");
		at = f.at + f.n;
		must(!str_has(header_unfold(f.value, &a), '\n'), "an unfolded value is one line");
	}
	must(h.at <= n && h.is_over + h.is_malformed + h.is_cut + (h.at == n) >= 1, "there is a reason to end");
	if (letter_facts_read(letter, S("mx.example.org"), &a, &facts)) {
		struct view v = { .cuts = facts.cuts, .n_cuts = facts.n_cuts };

		must(view_is_valid(&v, n) && view_size(&v, n) <= n, "the cuts are sorted and inside");
	}
	return 0;
}
