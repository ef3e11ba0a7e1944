/* channel.c — see channel.h. */
#include "fiber/channel.h"

#include <stdlib.h>

bool channel_init(struct channel *c, size_t cap, struct err *e)
{
	*c = (struct channel){ .things = calloc(cap, sizeof(void *)), .cap = cap };
	return c->things ? true : fail(e, FAULT_TEMP, "out of memory for a channel");
}

bool channel_put(struct channel *c, void *thing, struct err *e)
{
	while (c->n == c->cap && !c->is_closed)
		if (!wait_on(&c->givers, "room in a channel", e))
			return false;
	if (c->is_closed)
		return fail(e, FAULT_CANCEL, "the channel is closed");
	c->things[(c->first + c->n++) % c->cap] = thing;
	wait_wake(&c->takers);
	return true;
}

bool channel_take(struct channel *c, void **ret, struct err *e)
{
	while (c->n == 0 && !c->is_closed)
		if (!wait_on(&c->takers, "a channel", e))
			return false;
	if (c->n == 0)
		return fail(e, FAULT_CANCEL, "the channel is closed");
	*ret = c->things[c->first];
	c->first = (c->first + 1) % c->cap;
	c->n--;
	wait_wake(&c->givers);
	return true;
}

void channel_close(struct channel *c)
{
	c->is_closed = true;
	wait_wake_all(&c->takers);
	wait_wake_all(&c->givers);
}

void channel_end(struct channel *c)
{
	free(c->things);
	*c = (struct channel){ 0 };
}
