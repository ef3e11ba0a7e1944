/* journal_format.c — the bytes of a journal segment, written and read. */
#include "queue/journal_format.h"

#include "base/crc32c.h"
#include "queue/bytes.h"

enum { RECORD_MAGIC = 0x524a5857 };     /* "WXJR" */

#define SEGMENT_MAGIC S("WXJSEG\r\n")

void segment_head_print(const struct segment_head *h, char to[JOURNAL_HEAD_BYTES])
{
	struct buf b = buf_over(to, JOURNAL_HEAD_BYTES);

	buf_add(&b, SEGMENT_MAGIC);
	put_u32(&b, h->version);
	put_u32(&b, h->state);
	put_u64(&b, h->epoch);
	put_u64(&b, h->first);
	put_u32(&b, crc32c(0, buf_str(&b)));
}

enum segment_head_is segment_head_parse(struct str segment, struct segment_head *ret)
{
	struct cursor c = { .in = segment };
	struct segment_head h = { 0 };

	if (!str_eq(take(&c, SEGMENT_MAGIC.n), SEGMENT_MAGIC))
		return HEAD_BAD;
	h.version = take_u32(&c);
	h.state = (enum segment_state)take_u32(&c);
	h.epoch = take_u64(&c);
	h.first = take_u64(&c);
	if (take_u32(&c) != crc32c(0, str_head(segment, JOURNAL_HEAD_BYTES - 4)) || c.bad)
		return HEAD_BAD;
	if (h.version > JOURNAL_VERSION)
		return HEAD_NEWER;
	if (h.state != SEGMENT_FREE && h.state != SEGMENT_IN_USE)
		return HEAD_BAD;
	*ret = h;
	return HEAD_GOOD;
}

/* The checksum stands in the middle of the head and is taken as absent. */
enum { CRC_AT = 12, CRC_END = 16 };

static uint32_t head_crc(struct str head)
{
	return crc32c(crc32c(0, str_head(head, CRC_AT)),
		      str_sub(head, CRC_END, JOURNAL_RECORD_HEAD - CRC_END));
}

void record_head_print(enum journal_kind kind, uint64_t epoch, uint64_t sequence,
		       const struct str *parts, size_t n_parts, char to[JOURNAL_RECORD_HEAD])
{
	struct buf b = buf_over(to, JOURNAL_RECORD_HEAD), at = buf_over(to + CRC_AT, 4);
	size_t n = 0;
	uint32_t crc;

	for (size_t i = 0; i < n_parts; i++)
		n += parts[i].n;
	put_u32(&b, RECORD_MAGIC);
	put_u8(&b, JOURNAL_VERSION);
	put_u8(&b, (uint8_t)kind);
	put_u16(&b, 0);
	put_u32(&b, (uint32_t)n);
	put_u32(&b, 0);
	put_u64(&b, epoch);
	put_u64(&b, sequence);
	crc = head_crc(buf_str(&b));
	for (size_t i = 0; i < n_parts; i++)
		crc = crc32c(crc, parts[i]);
	put_u32(&at, crc);
}

bool record_is_good(struct str head, struct str payload)
{
	struct cursor c = { .in = str_from(head, CRC_AT) };

	return head.n == JOURNAL_RECORD_HEAD &&
	       crc32c(head_crc(head), payload) == take_u32(&c);
}

/* A good record whose head begins here; any_epoch: *epoch is filled in. */
static bool record_parse(struct str segment, size_t at, bool any_epoch, uint64_t *epoch,
			 struct journal_record *ret)
{
	struct cursor c = { .in = str_from(segment, at) };
	struct str head = str_head(c.in, JOURNAL_RECORD_HEAD), payload;
	struct journal_record r = { .at = at + JOURNAL_RECORD_HEAD };
	uint32_t n, crc;
	uint64_t of;

	if (take_u32(&c) != RECORD_MAGIC)
		return false;
	r.is_newer = take_u8(&c) > JOURNAL_VERSION;
	r.kind = (enum journal_kind)take_u8(&c);
	take_u16(&c);
	n = take_u32(&c);
	crc = take_u32(&c);
	of = take_u64(&c);
	r.sequence = take_u64(&c);
	if (c.bad || n > JOURNAL_RECORD_MAX || r.sequence == 0 || (!any_epoch && of != *epoch))
		return false;
	payload = take(&c, n);
	if (c.bad || crc32c(head_crc(head), payload) != crc)
		return false;
	r.payload = payload;
	*epoch = of;
	*ret = r;
	return true;
}

static bool scan(struct segment_reader *r, bool any_epoch, struct journal_record *ret)
{
	for (; r->at + JOURNAL_RECORD_HEAD <= r->segment.n; r->at += JOURNAL_ALIGN)
		if (record_parse(r->segment, r->at, any_epoch, &r->epoch, ret))
			return true;
	return false;
}

struct segment_reader segment_read(struct str segment, const struct segment_head *h)
{
	return (struct segment_reader){
		.segment = segment, .epoch = h->epoch, .expected = h->first, .at = JOURNAL_BLOCK,
	};
}

bool segment_read_headless(struct str segment, struct segment_reader *ret)
{
	struct segment_reader r = { .segment = segment, .at = JOURNAL_BLOCK, .is_damaged = true };
	struct journal_record record;

	if (!scan(&r, true, &record))
		return false;
	*ret = r;
	return true;
}

bool segment_next(struct segment_reader *r, struct journal_record *ret)
{
	if (!scan(r, false, ret))
		return false;
	if (r->expected && ret->sequence != r->expected)
		r->is_damaged = true;
	r->expected = ret->sequence + 1;
	r->at = journal_align(ret->at + ret->payload.n, JOURNAL_ALIGN);
	return true;
}
