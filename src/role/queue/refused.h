/* refused.h — the ring of refused letters (queue/ring.h), as the role queue keeps it. */
#pragma once

#include "role/queue/queue_role.h"

void refused_open(void);
SUSPENDS void refused_run(void *unused);         /* a fiber: writes */
SUSPENDS void refused_settle(void);      /* the end: what waits to be written */
/* A letter was refused for good: its bytes, or `size` octets of `fd`, which stays the caller's.  Waits for nothing. */
void refused_keep(const struct queue_refused *facts, struct str bytes, int fd, uint64_t size);

/* commit.c: a person wants this letter of a stranger; in: as if it had come in.  false: it is not accepted. */
SUSPENDS bool commit_released(struct queue_commit *q, struct incoming *in, struct queue_commit_answer *r, struct arena *a,
			      struct err *e);
