/* channel.h — a bounded line of things that fibers hand to each other. */
#pragma once

#include "fiber/fiber.h"

struct channel {
	void **things;
	size_t cap, n, first;
	bool is_closed;
	struct wait takers, givers;
};

bool channel_init(struct channel *c, size_t cap, struct err *e);
/* Waits while it is full; false when cancelled, out of time or closed. */
SUSPENDS bool channel_put(struct channel *c, void *thing, struct err *e);
/* Waits while it is empty; what was put before the close can still be taken. */
SUSPENDS bool channel_take(struct channel *c, void **ret, struct err *e);
void channel_close(struct channel *c);
/* Frees the line, not the things. */
void channel_end(struct channel *c);
