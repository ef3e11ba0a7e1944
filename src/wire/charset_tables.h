/* charset_tables.h — which charsets there are; for charset.c alone. */
#pragma once

#include "base/attr.h"
#include "wire/charset.h"

enum charset_kind {
	CHARSET_UTF8,
	CHARSET_GUESS,           /* said to be US-ASCII: what is not, is guessed */
	CHARSET_SINGLE,
	CHARSET_UTF16BE,
	CHARSET_UTF16LE,
	CHARSET_UTF7,
	CHARSET_ICONV,
};

struct charset {
	struct str name;
	enum charset_kind kind;
	const uint16_t *high;    /* CHARSET_SINGLE: what 0x80 … 0xff mean, 0 for nothing */
	const char *iconv_name;
};

struct charset_label {
	struct str label;        /* in lower case */
	size_t index;            /* into charsets */
};

extern const struct charset charsets[];
extern const size_t charsets_n;
extern const struct charset_label charset_labels[];
extern const size_t charset_labels_n;
