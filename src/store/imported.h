/* imported.h — letters that came by `waxwing import`, known again by their names.
 *
 *	1795301292.I0123456789abcdef0123456789abcdefM722035P32461Q1.host
 *
 * The 32 digits are the key: what the importer says is the same letter has the same key.  The name comes
 * with the letter in one step and stays with it when it is moved, so that there is nothing that a crash could
 * set apart from it. */
#pragma once

#include "base/map.h"
#include "store/store.h"

struct imported {
	struct map keys;
};

enum { IMPORTED_KEY = 32 };              /* octets: lower-case hexadecimal */
enum imported_where { IMPORTED_NOWHERE, IMPORTED_HERE, IMPORTED_GONE };

/* Reads the names of all letters of the account, and of those that rest in gone/. */
SUSPENDS bool imported_load(struct store *s, struct imported *ret, struct err *e);
void imported_end(struct imported *m);
enum imported_where imported_find(const struct imported *m, struct str key);
void imported_add(struct imported *m, struct str key);
/* Empty: it came another way. */
struct str imported_key(struct str name);
/* A base name for append_letter(); date in seconds UTC. */
bool imported_name(struct store *s, struct str key, int64_t date, struct buf *to, struct err *e);
