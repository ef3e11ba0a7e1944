/* body.h — the bytes of a letter on their way in.
 *
 * Up to BODY_HELD_MAX they are kept here and leave as one sealed memfd; what is
 * larger flows through a pipe that `queue` drains into the spool.  Once the letter
 * is known to be refused nothing more is kept, but reading goes on to its end. */
#pragma once

#include "base/err.h"
#include "fiber/line.h"
#include "wire/dot.h"
#include "wire/smtp_reply.h"

struct conf_inbound;
struct conn;

enum {
	BODY_HELD_MAX = 256 * 1024,
	BODY_INLINE_MAX = 32 * 1024,     /* leaves inside the message to the queue */
};

struct body {
	struct dot dot;
	struct buf held;         /* not passed on yet */
	int pipe;                /* -1: all of it is held */
	struct err trouble;      /* it cannot be kept, and why */
	struct rate_guard pace;
	int64_t silence_max;     /* µs */
};

void body_init(struct body *b, const struct conf_inbound *in, bool normalize);
void body_end(struct body *b);

/* More bytes from the client: neither silent for too long nor too slow over all. */
SUSPENDS bool body_fill(struct body *b, struct conn *c, struct err *e);
/* After each piece that `dot` has been fed with; `id` is the letter's at the queue. */
SUSPENDS void body_keep(struct body *b, uint64_t id);
/* What the letter itself has to be refused for, or REPLY_NONE. */
enum reply_id body_judge(const struct dot *d);
/* The end has come.  *ret is a sealed memfd, or -1 if all went through the pipe or is small: then
 * *ret_bytes holds it until body_end(). */
bool body_seal(struct body *b, int *ret, struct str *ret_bytes, struct err *e);
