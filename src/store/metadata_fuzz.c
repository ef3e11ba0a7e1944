/* metadata_fuzz.c — a file of annotations as anybody may have left it: what is read is printed and read again
 * the same. */
#include "store/metadata.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str in = str_of(bytes, n), line, again_line;
	struct metadata_entry m, again;
	size_t sum = 0;
	bool is_entry;

	for (;;) {
		AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
		AUTO(buf_end) struct buf text = buf_on_heap(4 << 20);
		struct str back;

		if (!metadata_line_parse(&in, &a, &line, &m, &is_entry))
			break;
		if (line.p != (const char *)bytes + sum)
			abort();
		sum += line.n;
		if (!is_entry)
			continue;
		metadata_line_print(&text, &m);
		back = buf_str(&text);
		if (!metadata_line_parse(&back, &a, &again_line, &again, &is_entry) || !is_entry || back.n ||
		    !str_eq(again.name, m.name) || !str_eq(again.value, m.value))
			abort();
	}
	if (sum != n)
		abort();
	return 0;
}
