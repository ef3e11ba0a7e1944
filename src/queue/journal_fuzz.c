/* journal_fuzz.c — any bytes as a segment, and any payload as a record. */
#include "queue/bytes.h"
#include "queue/journal_format.h"
#include "queue/letter_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool printed_again(struct str in, struct buf *ret)
{
	AUTO(arena_end) struct arena a = { .limit = 64 << 20 };
	struct letter_record r;
	struct err e;

	if (!letter_record_parse(in, &a, &r, &e))
		return false;
	must(letter_record_print(&r, ret, &e), "what was read can be written");
	return true;
}

/* parse(print(parse(x))) is parse(x), byte for byte; one of the version before becomes one of ours first. */
static void one_letter(struct str in)
{
	AUTO(buf_end) struct buf first = buf_on_heap(LETTER_HEAD_MAX), again = buf_on_heap(LETTER_HEAD_MAX);

	if (!printed_again(in, &first))
		return;
	if (first.p[0] == in.p[0])
		must(str_eq(buf_str(&first), in), "and is the same");
	must(printed_again(buf_str(&first), &again), "what was written can be read");
	must(str_eq(buf_str(&again), buf_str(&first)), "and is the same again");
}

static void all_records(struct segment_reader r)
{
	struct journal_record record;
	size_t last = 0;

	while (segment_next(&r, &record)) {
		struct cursor c = { .in = record.payload };

		must(record.at > last && record.at + record.payload.n <= r.segment.n,
		     "records lie in the segment, one behind the other");
		last = record.at;
		one_letter(take_str(&c, LETTER_HEAD_MAX));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_of(p, n);
	struct segment_head h;
	struct segment_reader r;

	one_letter(in);
	if (segment_head_parse(in, &h) == HEAD_GOOD)
		all_records(segment_read(in, &h));
	if (segment_read_headless(in, &r))
		all_records(r);
	return 0;
}
