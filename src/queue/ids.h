/* ids.h — the letters of the table by their ids: a pointer for each, and nothing else.
 *
 * Open addressing over the process's keyed hash; whoever stood behind one that leaves moves up. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct letter;

struct ids {
	struct letter **slots;
	size_t cap;                      /* a power of two, or 0 */
	size_t n;
};

/* Or NULL. */
struct letter *ids_get(const struct ids *s, uint64_t id);
/* Each id once. */
void ids_add(struct ids *s, struct letter *l);
void ids_remove(struct ids *s, uint64_t id);
void ids_end(struct ids *s);
