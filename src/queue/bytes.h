/* bytes.h — little-endian numbers and counted strings in what we write to disk.
 *
 * A cursor eats from the front of a slice; past the end it turns bad and gives
 * zeros, and bad is checked once.  What is put can be taken again. */
#pragma once

#include "base/buf.h"

struct cursor {
	struct str in;
	bool bad;
};

static inline struct str take(struct cursor *c, size_t n)
{
	struct str got = str_head(c->in, n);

	if (c->bad || got.n < n) {
		c->bad = true;
		return (struct str){ 0 };
	}
	c->in = str_from(c->in, n);
	return got;
}

static inline uint64_t take_le(struct cursor *c, size_t n)
{
	struct str s = take(c, n);
	uint64_t v = 0;

	for (size_t i = s.n; i > 0; i--)
		v = v << 8 | (uint64_t)(unsigned char)s.p[i - 1];
	return v;
}

static inline uint8_t take_u8(struct cursor *c)
{
	return (uint8_t)take_le(c, 1);
}

static inline uint16_t take_u16(struct cursor *c)
{
	return (uint16_t)take_le(c, 2);
}

static inline uint32_t take_u32(struct cursor *c)
{
	return (uint32_t)take_le(c, 4);
}

static inline uint64_t take_u64(struct cursor *c)
{
	return take_le(c, 8);
}

/* u32 length, bytes; longer than max is bad. */
static inline struct str take_str(struct cursor *c, size_t max)
{
	uint32_t n = take_u32(c);

	if (n > max)
		c->bad = true;
	return take(c, n);
}

static inline void put_le(struct buf *b, uint64_t v, size_t n)
{
	char *p = buf_room(b, n);

	for (size_t i = 0; p && i < n; i++)
		p[i] = (char)(v >> (8 * i) & 0xff);
}

static inline void put_u8(struct buf *b, uint8_t v)
{
	put_le(b, v, 1);
}

static inline void put_u16(struct buf *b, uint16_t v)
{
	put_le(b, v, 2);
}

static inline void put_u32(struct buf *b, uint32_t v)
{
	put_le(b, v, 4);
}

static inline void put_u64(struct buf *b, uint64_t v)
{
	put_le(b, v, 8);
}

static inline void put_str(struct buf *b, struct str s)
{
	put_u32(b, (uint32_t)s.n);
	buf_add(b, s);
}
