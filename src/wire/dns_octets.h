/* dns_octets.h — octets of a DNS message being eaten; past the end values are 0 and `bad` stays true. */
#pragma once

#include "base/str.h"

struct octets {
	struct str in;
	bool bad;
};

static inline struct str take_octets(struct octets *o, size_t n)
{
	struct str got = str_head(o->in, n);

	if (o->bad || got.n < n) {
		o->bad = true;
		return (struct str){ 0 };
	}
	o->in = str_from(o->in, n);
	return got;
}

static inline uint32_t take_number(struct octets *o, size_t octets)
{
	struct str got = take_octets(o, octets);
	uint32_t v = 0;

	for (size_t i = 0; i < got.n; i++)
		v = v << 8 | (uint32_t)str_at(got, i);
	return v;
}

static inline uint8_t take_u8(struct octets *o)
{
	return (uint8_t)take_number(o, 1);
}

static inline uint16_t take_be16(struct octets *o)
{
	return (uint16_t)take_number(o, 2);
}

static inline uint32_t take_be32(struct octets *o)
{
	return take_number(o, 4);
}
