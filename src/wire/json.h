/* json.h — JSON written as it comes (RFC 8259): the caller opens and closes, commas and
 * quoting are done here.  Bytes that are not valid UTF-8 become U+FFFD. */
#pragma once

#include "base/buf.h"

enum { JSON_DEPTH_MAX = 32 };

struct json {
	struct buf *to;
	unsigned depth;
	uint32_t has_value;      /* a bit per depth: something stands there already */
};

struct json json_to(struct buf *b);
/* key is ignored inside arrays and at the top (NULL). */
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_end_array(struct json *j);
void json_str(struct json *j, const char *key, struct str s);
/* RFC 3339; 0, not known: an empty string. */
void json_time(struct json *j, const char *key, int64_t when);
void json_int(struct json *j, const char *key, int64_t v);
void json_bool(struct json *j, const char *key, bool v);
