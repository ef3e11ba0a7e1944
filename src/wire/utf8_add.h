/* utf8_add.h — a character written as UTF-8 (RFC 3629 §3). */
#pragma once

#include "base/buf.h"

#define UTF8_REPLACEMENT 0xfffdU

/* What is no character (surrogates, past U+10FFFF) becomes U+FFFD. */
static inline void utf8_add(struct buf *b, uint32_t cp)
{
	char c[4];

	if ((cp >= 0xd800 && cp < 0xe000) || cp > 0x10ffff)
		cp = UTF8_REPLACEMENT;
	if (cp < 0x80) {
		buf_add_char(b, (char)cp);
	} else if (cp < 0x800) {
		c[0] = (char)(0xc0 | cp >> 6);
		c[1] = (char)(0x80 | (cp & 63));
		buf_add(b, str_of(c, 2));
	} else if (cp < 0x10000) {
		c[0] = (char)(0xe0 | cp >> 12);
		c[1] = (char)(0x80 | (cp >> 6 & 63));
		c[2] = (char)(0x80 | (cp & 63));
		buf_add(b, str_of(c, 3));
	} else {
		c[0] = (char)(0xf0 | cp >> 18);
		c[1] = (char)(0x80 | (cp >> 12 & 63));
		c[2] = (char)(0x80 | (cp >> 6 & 63));
		c[3] = (char)(0x80 | (cp & 63));
		buf_add(b, str_of(c, 4));
	}
}
