/* ring.h — letters that were refused, kept for a while in case one of them was wanted.
 *
 * Files DIR/NNNNNNNNNN, numbers that grow.  Frames are appended; nothing is synced, for nobody was promised
 * anything.  The oldest file goes when all are over RING_BYTES or it is older than RING_DAYS.
 *
 *   file: magic "WXRING\r\n", version u32, 0 u32, frames
 *   frame: magic "WXRF", kind u8, 0 u8 × 3, head length u32, body length u64, CRC-32C u32 of these and the head,
 *          head, body, CRC-32C u32 of the body
 *   head: of a letter its record as in the spool (queue/letter_record.h), without steps; of a mark the letter's
 *          id u64, time i64, and by whom
 *
 *   state of a file                  after a crash or a power cut
 *   no whole head, or a foreign one  read as empty, goes by its age
 *   frames                           read
 *   frames, the last one torn        read up to it; what follows damage in a file is lost
 *   the one being written            closed: a start begins a new file, so that nothing stands behind a torn frame
 *   over a bound                     removed at the next frame, or at the start
 *
 * A power cut may lose letters of the ring and never damages what is read.  All calls block; the caller is in a
 * thread, one at a time. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/time.h"
#include "queue/letter_record.h"

enum { RING_FILE_BYTES = 8 << 20, RING_FILE_HEAD = 16, RING_FRAME_HEAD = 24, RING_FILES_MAX = 4096 };
#define RING_BYTES (INT64_C(1) << 30)
#define RING_DAYS 30

enum ring_kind { RING_LETTER = 1, RING_RELEASED = 2 };

struct ring;

/* `dir` is refused/ and stays the caller's.  most: octets in all. */
bool ring_open(int dir, int64_t most, int64_t now, struct ring **ret, struct err *e);
void ring_close(struct ring *r);

/* head: a printed letter record; the body is `bytes`, or `size` octets of `fd` from its beginning. */
bool ring_add(struct ring *r, struct str head, struct str bytes, int fd, uint64_t size, int64_t now, struct err *e);
/* The letter of that id was released. */
bool ring_mark(struct ring *r, uint64_t id, struct str by, int64_t now, struct err *e);

/* Where a frame begins; zero: the oldest. */
struct ring_place {
	uint32_t file;
	uint64_t at;
};
struct ring_frame {
	enum ring_kind kind;
	struct ring_place place;
	struct str head;         /* in the arena */
	uint64_t body_at, body_size;
	uint64_t id;             /* RING_RELEASED: which letter, when, by whom */
	int64_t when;
	struct str by;
};
/* The frame at *place, or the first whole one behind it; *place moves behind it.  false: there is none. */
bool ring_next(struct ring *r, struct ring_place *place, struct arena *a, struct ring_frame *ret);
/* The body, whole and as it was, written to fd. */
bool ring_body(struct ring *r, const struct ring_frame *f, int fd, struct err *e);
/* A part of it. */
bool ring_body_part(struct ring *r, const struct ring_frame *f, uint64_t from, char *to, size_t n, struct err *e);

/* One frame in a file of `size` octets; false: no whole one begins there. */
bool ring_frame_read(int fd, uint64_t at, uint64_t size, struct arena *a, struct ring_frame *ret);
