/* smtp_extensions.h — what another server's EHLO announces (RFC 5321 §4.1.1.1). */
#pragma once

#include "base/str.h"

enum smtp_extension {
	SMTP_EXT_STARTTLS = 1 << 0,
	SMTP_EXT_PIPELINING = 1 << 1,
	SMTP_EXT_CHUNKING = 1 << 2,
	SMTP_EXT_SIZE = 1 << 3,
	SMTP_EXT_8BITMIME = 1 << 4,
	SMTP_EXT_SMTPUTF8 = 1 << 5,
	SMTP_EXT_DSN = 1 << 6,
	SMTP_EXT_AUTH = 1 << 7,
};

enum smtp_ext_auth {
	SMTP_AUTH_PLAIN = 1 << 0,
	SMTP_AUTH_LOGIN = 1 << 1,
	SMTP_AUTH_SCRAM_SHA_256 = 1 << 2,
};

struct smtp_extensions {
	unsigned set;            /* enum smtp_extension */
	uint64_t size_max;       /* octets; 0: not said */
	unsigned auth;           /* enum smtp_ext_auth: mechanisms that we know */
	struct str name;         /* what the server calls itself; points into the text */
};

/* text: the lines of the reply to EHLO without their codes, separated by LF. */
void smtp_extensions_parse(struct str text, struct smtp_extensions *ret);
/* "STARTTLS PIPELINING SIZE" for people. */
struct buf;
void smtp_extensions_print(const struct smtp_extensions *x, struct buf *b);
