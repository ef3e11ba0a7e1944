/* why_fuzz.c — any bytes as a why-record and as a file of frames: refused, or the same when written again. */
#include "base/arena.h"
#include "ipc/why.h"
#include "wire/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf again = buf_on_heap(WHY_RECORD_MAX * 2), text = buf_on_heap(1 << 20);
	struct arena a = { .limit = 4 << 20 };
	struct json j = json_to(&text);
	struct str in = str_of(p, n), frames = in, record;
	const struct why *w;
	struct err e;

	if (n <= WHY_RECORD_MAX && why_decode(in, &a, &w, &e)) {
		if (!why_encode(&again, w, &e) || !str_eq(buf_str(&again), in) || why_letter(in) != w->letter)
			abort();
		why_add_sentence(&text, w);
		why_add_json(&j, w);
	}
	while (why_next(&frames, &record)) {
		if (record.p < in.p || record.p + record.n > in.p + in.n)
			abort();
		buf_clear(&again);
		why_frame(&again, record);
		if (!str_eq(buf_str(&again), str_of(record.p - WHY_FRAME_HEAD, record.n + WHY_FRAME_HEAD)))
			abort();
	}
	arena_end(&a);
	buf_end(&again);
	buf_end(&text);
	return 0;
}
