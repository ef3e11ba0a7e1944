/* pack_fuzz.c — a pack as a damaged database may give it, its check sum made right: slices lie within, and
 * what is read is printed the same. */
#include "store/pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void look(struct str in)
{
	struct buf again = buf_on_heap(1 << 24);
	struct pack p;

	if (pack_parse(in, 1, 0, &p)) {
		for (size_t i = 0; i < p.n; i++)
			if (p.bytes[i].p < in.p || p.bytes[i].p + p.bytes[i].n > in.p + in.n ||
			    !str_eq(pack_find(&p, p.uids[i]), p.bytes[i]))
				abort();
		pack_print(&p, &again);
		if (p.n && !str_eq(str_from(buf_str(&again), 16), str_from(in, 16)))
			abort();
	}
	buf_end(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char *copy = malloc(n + 1);
	uint64_t sum;

	look(str_of(bytes, n));
	if (copy && n >= sizeof(sum)) {
		memcpy(copy, bytes, n);
		sum = pack_sum(str_of(copy, n), 1, 0);
		memcpy(copy, &sum, sizeof(sum));
		look(str_of(copy, n));
	}
	free(copy);
	return 0;
}
