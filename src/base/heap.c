/* heap.c — a binary heap; see heap.h. */
#include "base/heap.h"

#include "base/err.h"

#include <stdlib.h>

static void put(struct heap *h, size_t i, struct heap_node *node)
{
	h->nodes[i] = node;
	node->at = i + 1;
}

static void sift_up(struct heap *h, size_t i, struct heap_node *node)
{
	while (i > 0 && h->nodes[(i - 1) / 2]->key > node->key) {
		put(h, i, h->nodes[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(h, i, node);
}

static void sift_down(struct heap *h, size_t i, struct heap_node *node)
{
	for (;;) {
		size_t kid = i * 2 + 1;

		if (kid >= h->n)
			break;
		if (kid + 1 < h->n && h->nodes[kid + 1]->key < h->nodes[kid]->key)
			kid++;
		if (h->nodes[kid]->key >= node->key)
			break;
		put(h, i, h->nodes[kid]);
		i = kid;
	}
	put(h, i, node);
}

void heap_add(struct heap *h, struct heap_node *node, int64_t key)
{
	must(node->at == 0, "a node is in one heap only");
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 16;
		h->nodes = reallocarray(h->nodes, h->cap, sizeof(struct heap_node *));
		must(h->nodes, "out of memory for a heap");
	}
	node->key = key;
	sift_up(h, h->n++, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	size_t i;
	struct heap_node *last;

	if (node->at == 0)
		return;
	i = node->at - 1;
	must(i < h->n && h->nodes[i] == node, "a node is not where it believes");
	last = h->nodes[--h->n];
	node->at = 0;
	if (last == node)
		return;
	if (i > 0 && h->nodes[(i - 1) / 2]->key > last->key)
		sift_up(h, i, last);
	else
		sift_down(h, i, last);
}

struct heap_node *heap_first(const struct heap *h)
{
	return h->n ? h->nodes[0] : NULL;
}

void heap_end(struct heap *h)
{
	for (size_t i = 0; i < h->n; i++)
		h->nodes[i]->at = 0;
	free(h->nodes);
	*h = (struct heap){ 0 };
}
