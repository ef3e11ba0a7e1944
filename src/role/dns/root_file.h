/* root_file.h — the lines of files about the root: keys, and addresses of name servers. */
#pragma once

#include "base/str.h"

/* The next line of *text that is neither empty nor a comment, without its comment; false: that was all. */
bool root_line_take(struct str *text, struct str *ret);
/* Does it hold a key, NAME [TTL] [IN] DNSKEY|DS … ? */
bool root_line_is_key(struct str line);
/* The address in NAME [TTL] [IN] A|AAAA ADDRESS; false: it holds something else. */
bool root_line_address(struct str line, struct str *ret);
