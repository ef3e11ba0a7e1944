/* line.h — lines from a connection, and how slowly they may come. */
#pragma once

#include "base/err.h"

struct conn;

enum { LINE_SKIP_MAX = 1024 * 1024 };    /* a longer line ends the conversation */

struct line {
	struct str text;         /* without its CRLF; holds until the next read; empty if too long */
	bool too_long;           /* the whole line has been skipped */
	bool has_bare_cr;        /* a CR without LF */
	bool has_bare_lf;        /* an LF without CR */
	bool has_nul;
};

/* The next line; only CRLF ends it (RFC 5321 §2.3.8).  max counts the CRLF and is at most
 * CONN_INPUT_MAX/2.  A too long line keeps no memory and is no error, until LINE_SKIP_MAX.
 * False at the end of the stream (conn.eof), also with half a line before it. */
SUSPENDS bool line_read(struct conn *c, size_t max, struct line *ret, struct err *e);

/* Who sends a letter byte by byte holds a connection for ever.  The peer has a purse of time:
 * waiting for it spends, each byte earns 1/rate seconds, and it never holds more than `window`.
 * What we do ourselves between reads costs it nothing. */
struct rate_guard {
	uint32_t rate;           /* bytes per second at least */
	int64_t window;          /* µs */
	int64_t left;            /* µs */
};
struct rate_guard rate_guard_begin(uint32_t rate, int64_t window);
/* Spend `waited` µs, earn for `bytes`; false once the purse is empty. */
bool rate_guard_count(struct rate_guard *g, int64_t waited, uint64_t bytes);
/* conn_fill under the guard; too slow is FAULT_PEER with timed_out. */
SUSPENDS bool rate_guard_fill(struct rate_guard *g, struct conn *c, struct err *e);
