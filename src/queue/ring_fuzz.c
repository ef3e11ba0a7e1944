/* ring_fuzz.c — any bytes as a file of refused letters. */
#include "base/fd.h"
#include "queue/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(fd_end) int fd = -1;
	struct err e;

	if (!fd_sealed("ring", str_of(p, n), &fd, &e))
		return 0;
	for (uint64_t at = RING_FILE_HEAD;;) {
		AUTO(arena_end) struct arena a = { .limit = 16 << 20 };
		struct letter_record r;
		struct ring_frame f;

		if (!ring_frame_read(fd, at, n, &a, &f))
			return 0;
		must(f.body_at >= at && f.body_at + f.body_size + 4 <= n, "a frame lies in its file");
		if (f.kind == RING_LETTER)
			(void)letter_record_parse(f.head, &a, &r, &e);
		at = f.body_at + f.body_size + 4;
	}
}
