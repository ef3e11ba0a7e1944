/* engine.h — what an engine of the store must be able to do.
 *
 * The verbs run in a thread of the pool and block; arguments were checked. */
#pragma once

#include "store/store.h"

struct store_engine {
	void (*deliver)(struct store *s, struct store_letter *letters, size_t n);
	void (*sync)(struct store *s, struct store_safe *names, size_t n);
	bool (*read)(struct store *s, struct str folder, struct str base, struct buf *ret,
		     struct err *e);
	bool (*sweep)(struct store *s, int64_t now, size_t *ret_removed, struct err *e);
	void (*close)(struct store *s);
	/* On the loop, after each delivery; may be NULL. */
	void (*delivered)(struct store *s, const struct store_letter *l);
};

/* The first member of each engine's own struct. */
struct store {
	const struct store_engine *engine;
};

/* Is it a name for a folder ("" is INBOX)? */
bool store_folder_is_name(struct str s);
/* Does this file name (without directory) belong to the base name? */
bool store_name_is(struct str name, struct str base);
/* "BASE,S=size,W=vsize" and ":2,FLAGS" if there are flags. */
bool store_name_print(const struct store_letter *l, char *to, size_t size);
