/* id.h — the name of a letter.
 *
 * A u64: milliseconds since 2020-01-01 UTC (42 bits), node (10), counter (12).
 * It is printed as 13 letters of base32 (0-9a-z without i l o u), always in
 * full, so that ids sort like the letters they name. */
#pragma once

#include "base/str.h"

enum { ID_TEXT = 13 };

#define ID_EPOCH INT64_C(1577836800000000)     /* 2020-01-01, microseconds */

struct id_text {
	char z[ID_TEXT + 1];
};

struct id_text id_print(uint64_t id);
#define ID_Z(id) (id_print(id).z)
bool id_parse(struct str s, uint64_t *ret);
/* The moment the id was given, in microseconds UTC. */
int64_t id_time(uint64_t id);
/* The first id of a moment. */
uint64_t id_at(int64_t time);

/* Gives ids that never go back, even if the clock does; `last` is the last one given
 * before (0: none).  More than 4096 in a millisecond borrow from the next. */
uint64_t id_next(uint64_t last, unsigned node, int64_t now);
