/* heap.h — what is due first.
 *
 * A binary heap of nodes that their owners embed; a node knows its place, so
 * that it can be removed or moved. */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;     /* smallest first */
	size_t at;       /* place in the heap + 1; 0: not in one */
};

struct heap {
	struct heap_node **nodes;
	size_t n;
	size_t cap;
};

void heap_add(struct heap *h, struct heap_node *node, int64_t key);
/* A node that is in no heap stays so. */
void heap_remove(struct heap *h, struct heap_node *node);
/* The first node, or NULL; it stays. */
struct heap_node *heap_first(const struct heap *h);
void heap_end(struct heap *h);

/* The struct around a node. */
#define HEAP_OWNER(node, type, member) \
	((type *)(void *)((char *)(node) - offsetof(type, member)))
