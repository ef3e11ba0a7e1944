/* stream.h — a session's bytes, compressed if its client wishes (RFC 4978).
 *
 * Above the connection; while it waits it holds no buffers but the state of the compression, and at rest
 * of that only what the client said last. */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct conn;
struct deflate;

struct stream {
	struct conn *conn;
	struct deflate *z;       /* NULL: as they are */
	bool is_broken;          /* nothing more can be said or heard */
};

/* The bytes that came and were not eaten; the slice holds until the next call. */
struct str stream_pending(struct stream *s);
void stream_eat(struct stream *s, size_t n);
/* Wait for more; sends first what was put. */
SUSPENDS bool stream_fill(struct stream *s, struct err *e);
/* A long wait begins: what can be made again is freed. */
void stream_rest(struct stream *s);
SUSPENDS bool stream_put(struct stream *s, struct str bytes, struct err *e);
SUSPENDS bool stream_flush(struct stream *s, struct err *e);
/* From the next byte on, both ways.  What is pending is compressed already. */
bool stream_compress(struct stream *s, struct err *e);
void stream_end(struct stream *s);
