/* transfer.h — `waxwing import` and `waxwing export` ask this mailbox directly. */
#pragma once

#include <stddef.h>

struct link;
struct store;

/* `s` stays the caller's. */
void transfers_serve(struct store *s);
size_t transfers_n(void);
/* A channel ended. */
void transfers_unlinked(struct link *l);
