/* buf.h — text that grows, up to a limit set at its birth.
 *
 * What no longer fits is left out and `full` turns true; it is checked once, at
 * the end.  A slice of a growing buffer (buf_on_heap) holds only until the next
 * byte is added. */
#pragma once

#include "base/attr.h"
#include "base/str.h"

struct buf {
	char *p;
	size_t n;
	size_t cap;      /* bytes at p */
	size_t limit;    /* never more than this */
	bool is_heap;
	bool full;       /* something was left out */
};

/* Write into mem, which stays the caller's. */
struct buf buf_over(void *mem, size_t size);
/* Write into memory of its own, at most limit bytes; ended by buf_end(). */
struct buf buf_on_heap(size_t limit);
void buf_end(struct buf *b);

void buf_add(struct buf *b, struct str s);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_hex(struct buf *b, struct str bytes);
PRINTF_LIKE(2, 3) void buf_addf(struct buf *b, const char *fmt, ...);
/* Room for n more bytes at the end, or NULL and full; n counts as written. */
char *buf_room(struct buf *b, size_t n);

/* Printable form for logs and terminals: control bytes, quotes, backslashes
 * and what is not valid UTF-8 become \xNN; bidi controls too; cut at max with "…". */
void buf_add_printable(struct buf *b, struct str s, size_t max);

static inline struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

static inline void buf_clear(struct buf *b)
{
	b->n = 0;
	b->full = false;
}

/* Drop the first n bytes. */
void buf_drop(struct buf *b, size_t n);
