/* http_response.h — one HTTP/1.1 response, strictly (RFC 9112), as a client that wants a small text has it.
 *
 * The head is parsed once it is whole; the body is of a known length, chunked, or
 * lasts to the end of the connection. */
#pragma once

#include "base/str.h"

enum {
	HTTP_HEAD_MAX = 16 * 1024,       /* octets up to the empty line */
	HTTP_FIELDS_MAX = 100,
};

struct http_head {
	unsigned status;         /* 100…599 */
	struct str content_type; /* without parameters; points into the head */
	struct str date;         /* as it was written */
	bool has_length, is_chunked;
	uint64_t length;
};

enum http_state { HTTP_MORE, HTTP_DONE, HTTP_MALFORMED };

/* in: all that came so far.  DONE: *ret_n octets of it are the head. */
enum http_state http_head_parse(struct str in, struct http_head *ret, size_t *ret_n);

/* All chunks are in `in` (§7.1)?  DONE: their contents are put together at `to`, which has room for in.n. */
enum http_state http_chunks_parse(struct str in, char *to, size_t *ret_n);
