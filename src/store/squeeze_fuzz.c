/* squeeze_fuzz.c — what is squeezed comes back; what is damaged stays within bounds. */
#include "store/squeeze.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct buf small = buf_on_heap(1 << 24), back = buf_on_heap(1 << 24);
	struct str in = str_of(bytes, n);

	(void)unsqueeze(in, 1 << 20, &back);
	buf_clear(&back);
	squeeze(in, &small);
	if (!unsqueeze(buf_str(&small), n, &back) || !str_eq(buf_str(&back), in))
		abort();
	buf_end(&small);
	buf_end(&back);
	return 0;
}
