/* carry.h — bytes both ways between a connection and a local stream.
 *
 * While nothing is under way it holds no buffer, only the fiber that waits for both. */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct conn;

struct carried {
	uint64_t in, out;        /* bytes from and to the connection */
	const char *why;         /* who ended it, for the log */
};

/* Carry until the stream ends, or the connection breaks; an end of the connection's input is
 * passed on (shutdown), and what the stream still says is carried for a while.  What was read
 * from the connection and not eaten goes to it behind `first`.  Both stay the caller's; false when
 * cancelled. */
SUSPENDS bool carry(struct conn *c, int stream, struct str first, struct carried *ret, struct err *e);
