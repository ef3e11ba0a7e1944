/* arena.h — memory that belongs to a lifetime: a session, a letter, a command.
 *
 * One arena_end() frees all of it.  `limit` is set by its owner (0: 1 MiB) and
 * counts what was asked for; past it arena_alloc() gives NULL and `full` stays
 * true.  In sanitizer builds each allocation is a block of its own, so that one
 * byte too far is seen. */
#pragma once

#include "base/attr.h"
#include "base/str.h"

struct arena_block;

struct arena {
	size_t limit;
	size_t used;
	struct arena_block *blocks;      /* newest first */
	uint32_t block;                  /* bytes taken from the system at once; 0: 8000 */
	bool full;
};

struct arena_mark {
	size_t used;
	struct arena_block *block;
	size_t block_used;
};

/* Zeroed memory for `count` things of `size` bytes, aligned to 16; NULL past the limit. */
void *arena_alloc(struct arena *a, size_t count, size_t size);
#define ARENA_NEW(a, type) ((type *)arena_alloc(a, 1, sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_alloc(a, count, sizeof(type)))

/* A copy of s; empty, with a->full set, past the limit. */
struct str arena_str(struct arena *a, struct str s);
PRINTF_LIKE(2, 3) struct str arena_printf(struct arena *a, const char *fmt, ...);
/* A NUL-terminated copy for libc and libraries; NULL if s holds a NUL or past the limit. */
char *str_z(struct arena *a, struct str s);

/* What was allocated after the mark goes. */
struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark m);
void arena_end(struct arena *a);
/* Blocks that this thread keeps for the next arena go back. */
void arena_trim(void);
