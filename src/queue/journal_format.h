/* journal_format.h — the bytes of a journal segment.
 *
 * Block 0 (4 KiB) is the head; records follow, each on a 16-byte boundary, each
 * group of records beginning on a 4 KiB boundary, zeros between:
 *
 *   head    magic "WXJSEG\r\n", version u32, state u32, epoch u64, first sequence u64,
 *           CRC-32C u32 of what stands before
 *   record  magic "WXJR" u32, version u8, kind u8, 0 u16, length u32, CRC-32C u32,
 *           epoch u64, sequence u64, payload (length bytes)
 *
 * all little endian.  The record's checksum covers the other 28 bytes of its
 * head and the payload.  The epoch is a random number drawn each time a segment
 * is taken into use: old records of a reused segment, and anything a letter
 * may contain, do not have it. */
#pragma once

#include "base/str.h"

enum {
	JOURNAL_VERSION = 1,
	JOURNAL_BLOCK = 4096,
	JOURNAL_ALIGN = 16,
	JOURNAL_SEGMENT = 32 * 1024 * 1024,
	JOURNAL_HEAD_BYTES = 36,
	JOURNAL_RECORD_HEAD = 32,
	JOURNAL_RECORD_MAX = 5 * 1024 * 1024,    /* payload */
};

enum journal_kind {
	JOURNAL_LETTER = 1,              /* head length u32, letter record, inline bytes */
	JOURNAL_SAFE,                    /* step refs { id u64, step u32 }…: done and synced */
	JOURNAL_MOVED,                   /* letter ids u64…: their rows are in queue.db */
	JOURNAL_CLOSED,                  /* count u32, step refs, then a LETTER payload or nothing */
	JOURNAL_WARNED,                  /* the same; the steps stay open */
	JOURNAL_HELD,                    /* id u64, held u8; released: its deaths are forgotten */
	JOURNAL_DIED,                    /* id u64, deaths u32 by now; QUEUE_DEATHS_MAX: it is held */
	JOURNAL_KINDS,
};

enum segment_state {
	SEGMENT_FREE = 1,
	SEGMENT_IN_USE = 2,
};

struct segment_head {
	uint32_t version;
	enum segment_state state;
	uint64_t epoch, first;
};

enum segment_head_is { HEAD_GOOD, HEAD_BAD, HEAD_NEWER };

struct journal_record {
	enum journal_kind kind;
	bool is_newer;                   /* a newer program's version of a record */
	uint64_t sequence;
	struct str payload;
	size_t at;                       /* of the payload in the segment */
};

void segment_head_print(const struct segment_head *h, char to[JOURNAL_HEAD_BYTES]);
enum segment_head_is segment_head_parse(struct str segment, struct segment_head *ret);

/* The head of a record whose payload is given in parts. */
void record_head_print(enum journal_kind kind, uint64_t epoch, uint64_t sequence,
		       const struct str *parts, size_t n_parts, char to[JOURNAL_RECORD_HEAD]);

bool record_is_good(struct str head, struct str payload);

/* Reads the records of one epoch.  Sequences count up by one in a segment, so a
 * gap says that a record was there and is damaged. */
struct segment_reader {
	struct str segment;
	uint64_t epoch;
	uint64_t expected;               /* sequence of the next record; 0: whatever comes */
	size_t at;
	bool is_damaged;                 /* a good record lies behind a bad one */
};

struct segment_reader segment_read(struct str segment, const struct segment_head *h);
/* With a damaged head: begins at the first good record of any epoch; false: there is none. */
bool segment_read_headless(struct str segment, struct segment_reader *ret);
/* False: nothing good of this epoch follows. */
bool segment_next(struct segment_reader *r, struct journal_record *ret);

static inline size_t journal_align(size_t at, size_t to)
{
	return (at + to - 1) / to * to;
}
