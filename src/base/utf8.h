/* utf8.h — well-formed UTF-8, one character at a time (RFC 3629 §4). */
#pragma once

#include "base/str.h"

/* Length of the character at the beginning of s and its code point; 0 if there is none. */
size_t utf8_char(struct str s, uint32_t *ret);
bool utf8_valid(struct str s);
/* No byte over 127. */
bool str_is_ascii(struct str s);
