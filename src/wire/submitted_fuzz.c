/* submitted_fuzz.c — any bytes as a letter that is handed in: its cuts fit it, and what is added are whole lines. */
#include "wire/submitted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { .limit = 16 << 20 };
	struct buf b = buf_on_heap(64 * 1024);
	struct str letter = str_of((const char *)data, size);
	struct submitted s;

	if (submitted_read(letter, &a, &s)) {
		must(view_is_valid(&(struct view){ .cuts = s.cuts, .n_cuts = s.n_cuts }, size), "cuts fit");
		must(view_is_valid(&(struct view){ .cuts = s.blind, .n_cuts = s.n_blind }, size), "blind cuts fit");
		submitted_add(&b, &s, &(struct submitted_facts){ .from = S("a@x"), .id = S("i"), .hostname = S("h") });
		must(!b.n || str_ends(buf_str(&b), S("\r\n")), "whole lines");
		for (size_t i = 0; i + 1 < b.n; i++)
			must(b.p[i] != '\n' || b.p[i - 1] == '\r', "no bare LF");
	}
	buf_end(&b);
	arena_end(&a);
	return 0;
}
