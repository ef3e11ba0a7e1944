/* seven_bit_fuzz.c — what comes out is 7-bit, piece by piece within the room; once more it needs no change. */
#include "wire/seven_bit.h"

#include "wire/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool convert(struct str letter, struct buf *ret)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	struct seven_bit s;
	struct err e;
	size_t before = 0;

	if (!seven_bit_init(&s, letter, NULL, &a, &e))
		return false;
	while (seven_bit_next(&s, ret)) {
		must(ret->n - before <= SEVEN_BIT_ROOM, "a piece has a limit");
		before = ret->n;
	}
	return !ret->full;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(buf_end) struct buf once = buf_on_heap(64 << 20);
	AUTO(buf_end) struct buf twice = buf_on_heap(64 << 20);

	if (!convert(str_of(p, n), &once))
		return 0;
	for (size_t i = 0; i < once.n; i++)
		must((unsigned char)once.p[i] < 128, "7 bits");
	must(convert(buf_str(&once), &twice), "7 bits can be had in 7 bits");
	return 0;
}
