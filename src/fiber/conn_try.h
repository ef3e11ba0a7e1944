/* conn_try.h — a connection's reads and writes without a wait; for conn.c and carry.c alone. */
#pragma once

#include "fiber/conn.h"

enum outcome { OUTCOME_DONE, OUTCOME_END, OUTCOME_WAIT, OUTCOME_FAILED };

struct try {
	size_t n;        /* DONE: bytes */
	short events;    /* WAIT: for what */
};

/* Everything is eaten: its memory goes. */
void conn_input_release(struct conn *c);
enum outcome conn_try_read(struct conn *c, char *to, size_t n, struct try *ret, struct err *e);
/* At most one TLS record of s. */
enum outcome conn_try_write(struct conn *c, struct str s, struct try *ret, struct err *e);
