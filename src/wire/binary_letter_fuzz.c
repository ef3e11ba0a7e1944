/* binary_letter_fuzz.c — what is encoded holds no NUL, what needs no change holds none. */
#include "wire/binary_letter.h"

#include "base/err.h"
#include "wire/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	AUTO(buf_end) struct buf once = buf_on_heap(64 << 20);
	enum binary_result result = binary_letter_encode(str_of(p, n), &a, &once);

	must(result != BINARY_AS_IS || !str_has(str_of(p, n), '\0'), "a NUL is something");
	if (result != BINARY_ENCODED)
		return 0;
	must(!str_has(buf_str(&once), '\0'), "no NUL is left");
	return 0;
}
