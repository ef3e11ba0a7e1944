/* spans.h — cuts of a view, as the journal keeps them. */
#pragma once

#include "base/arena.h"
#include "ipc/message.h"
#include "queue/letter_record.h"

struct spans {
	struct letter_span *p;
	uint32_t n;
};

/* Two sorted lists become one, in the arena. */
bool spans_merge(const struct ipc_cut *x, size_t n_x, const struct ipc_cut *y, size_t n_y, struct spans *ret,
		 struct arena *a);
