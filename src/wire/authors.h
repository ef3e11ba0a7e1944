/* authors.h — who is said in a header to have written the letter or to want the answer. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

enum { AUTHORS_MAX = 100, AUTHORS_BYTES_MAX = 32 * 1024 };

/* The addresses of all From, Sender and Reply-To fields, as local@domain, in the arena; at most AUTHORS_MAX of
 * AUTHORS_BYTES_MAX in all.  What has no domain is left out.  False if the arena is full. */
bool authors_read(struct str letter, struct arena *a, struct str **ret, size_t *ret_n);
