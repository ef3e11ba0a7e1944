/* arena.c — memory by lifetime; see arena.h. */
#include "base/arena.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_LIMIT_DEFAULT = 1 << 20, ARENA_BLOCK = 8000, ARENA_ALIGN = 16 };

struct arena_block {
	struct arena_block *older;
	size_t used;
	size_t cap;
	_Alignas(ARENA_ALIGN) char bytes[];
};

#ifndef WAXWING_ASAN
/* Blocks of the usual size, kept by each thread: they come and go with every message. */
enum { SPARE_MAX = 16 };
static _Thread_local struct arena_block *spare;
static _Thread_local unsigned n_spare;
#endif

static struct arena_block *block_get(size_t cap)
{
	struct arena_block *b;

#ifndef WAXWING_ASAN
	if (cap == ARENA_BLOCK && spare) {
		b = spare;
		spare = b->older;
		n_spare--;
		return b;
	}
#endif
	b = malloc(sizeof(*b) + cap);
	if (!b)
		memory_denied();
	return b;
}

static void block_drop(struct arena_block *b)
{
#ifndef WAXWING_ASAN
	if (b->cap == ARENA_BLOCK && n_spare < SPARE_MAX) {
		b->older = spare;
		spare = b;
		n_spare++;
		return;
	}
#endif
	free(b);
}

void arena_trim(void)
{
#ifndef WAXWING_ASAN
	while (spare) {
		struct arena_block *b = spare;

		spare = b->older;
		free(b);
	}
	n_spare = 0;
#endif
}

void *arena_alloc(struct arena *a, size_t count, size_t size)
{
	size_t limit = a->limit ? a->limit : ARENA_LIMIT_DEFAULT;
	struct arena_block *b = a->blocks;
	size_t n, take, cap;
	char *p;

	if (__builtin_mul_overflow(count, size, &n) || n > limit - (a->used < limit ? a->used : limit)) {
		a->full = true;
		return NULL;
	}
	take = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (take == 0)
		take = ARENA_ALIGN;
#ifdef WAXWING_ASAN
	cap = n;
	b = NULL;
#else
	cap = a->block ? a->block : ARENA_BLOCK;
	cap = take > cap ? take : cap;
#endif
	if (!b || take > b->cap - b->used) {
		b = block_get(cap);
		if (!b) {
			a->full = true;
			return NULL;
		}
		*b = (struct arena_block){ .older = a->blocks, .cap = cap };
		a->blocks = b;
	}
	p = b->bytes + b->used;
	b->used += take < b->cap - b->used ? take : b->cap - b->used;
	a->used += take;
	if (n)
		memset(p, 0, n);
	return p;
}

struct str arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n, 1);

	if (!p)
		return (struct str){ 0 };
	if (s.n)
		memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1, 1);
	if (!p)
		return (struct str){ 0 };
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return str_of(p, (size_t)n);
}

char *str_z(struct arena *a, struct str s)
{
	char *p = str_has(s, '\0') ? NULL : arena_alloc(a, s.n + 1, 1);

	if (p && s.n)
		memcpy(p, s.p, s.n);
	return p;
}

struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){ a->used, a->blocks, a->blocks ? a->blocks->used : 0 };
}

void arena_rewind(struct arena *a, struct arena_mark m)
{
	while (a->blocks != m.block) {
		struct arena_block *b = a->blocks;

		a->blocks = b->older;
		block_drop(b);
	}
	if (a->blocks)
		a->blocks->used = m.block_used;
	a->used = m.used;
}

void arena_end(struct arena *a)
{
	arena_rewind(a, (struct arena_mark){ 0 });
	a->full = false;
}
