/* carry.h — bytes both ways between a connection and a local stream.
 *
 * A fiber carries what there is; then it may go, and another one is started when something comes:
 * thousands of connections on which nothing happens cost no stack and no buffer. */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct carrying;
struct conn;

struct carried {
	uint64_t in, out;        /* bytes from and to the connection */
	const char *why;         /* who ended it, for the log */
};

/* What was read from the connection and not eaten goes to the stream behind `first`.  Both stay the
 * caller's, who closes them after carry_close().  NULL: no memory. */
struct carrying *carry_open(struct conn *c, int stream, struct str first);
/* Carries.  An end of the connection's input is passed on (shutdown), and what the stream still says is
 * carried for a while.  True: for now there is nothing to do, see carry_watch().  False: it is over and
 * the facts say why, or with *e cancelled. */
SUSPENDS bool carry_on(struct carrying *x, struct err *e);
/* fn(arg) is called once, outside fibers, when carry_on() has something to do again. */
bool carry_watch(struct carrying *x, void (*fn)(void *), void *arg, struct err *e);
/* As if something had come; only while it is watched. */
void carry_wake(struct carrying *x);
const struct carried *carry_facts(const struct carrying *x);
void carry_close(struct carrying *x);
