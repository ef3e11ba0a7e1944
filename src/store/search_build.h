/* search_build.h — the search index is written, when nobody has other work.
 *
 * Letters of like size are read, as many as make a block; what is left over is too little to be worth it and
 * is read by each search.  A session or a delivery stops it for as long as it is at work. */
#pragma once

#include "base/attr.h"

#include <stdbool.h>

struct box;
struct shelf;

/* May there be enough letters that are not in the index? */
bool search_build_wanted(const struct box *b);
/* For all open folders; ends when there is no more to be done. */
SUSPENDS void search_build(struct shelf *s);
