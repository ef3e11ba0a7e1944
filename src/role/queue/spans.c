/* spans.c — see spans.h. */
#include "role/queue/spans.h"

bool spans_merge(const struct ipc_cut *x, size_t n_x, const struct ipc_cut *y, size_t n_y, struct spans *ret,
		 struct arena *a)
{
	ret->p = ARENA_ARRAY(a, struct letter_span, n_x + n_y ? n_x + n_y : 1);
	if (!ret->p)
		return false;
	while (n_x || n_y) {
		const struct ipc_cut *c = !n_y || (n_x && x->at < y->at) ? (n_x--, x++) : (n_y--, y++);

		ret->p[ret->n++] = (struct letter_span){ c->at, c->n };
	}
	return true;
}
