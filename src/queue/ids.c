/* ids.c — letters by their ids; see ids.h. */
#include "queue/ids.h"

#include "base/map.h"
#include "queue/letter.h"

#include <stdlib.h>

static size_t home_of(const struct ids *s, uint64_t id)
{
	return hash_keyed(str_of((const char *)&id, sizeof id)) & (s->cap - 1);
}

/* Where it stands, or the empty slot where it would. */
static size_t find(const struct ids *s, uint64_t id)
{
	size_t i = home_of(s, id);

	while (s->slots[i] && s->slots[i]->id != id)
		i = (i + 1) & (s->cap - 1);
	return i;
}

struct letter *ids_get(const struct ids *s, uint64_t id)
{
	return s->cap ? s->slots[find(s, id)] : NULL;
}

static void grow(struct ids *s)
{
	struct ids wider = { .cap = s->cap ? s->cap * 2 : 64, .n = s->n };

	wider.slots = calloc(wider.cap, sizeof(struct letter *));
	must(wider.slots, "out of memory for the queue's ids");
	for (size_t i = 0; i < s->cap; i++)
		if (s->slots[i])
			wider.slots[find(&wider, s->slots[i]->id)] = s->slots[i];
	free(s->slots);
	*s = wider;
}

void ids_add(struct ids *s, struct letter *l)
{
	size_t i;

	if ((s->n + 1) * 4 > s->cap * 3)
		grow(s);
	i = find(s, l->id);
	must(!s->slots[i], "a letter is in the table once");
	s->slots[i] = l;
	s->n++;
}

void ids_remove(struct ids *s, uint64_t id)
{
	size_t hole = s->cap ? find(s, id) : 0;

	if (!s->cap || !s->slots[hole])
		return;
	s->n--;
	for (size_t i = (hole + 1) & (s->cap - 1); s->slots[i]; i = (i + 1) & (s->cap - 1)) {
		size_t way = (i - home_of(s, s->slots[i]->id)) & (s->cap - 1);

		if (way < ((i - hole) & (s->cap - 1)))
			continue;                /* its home lies behind the hole */
		s->slots[hole] = s->slots[i];
		hole = i;
	}
	s->slots[hole] = NULL;
}

void ids_end(struct ids *s)
{
	free(s->slots);
	*s = (struct ids){ 0 };
}
