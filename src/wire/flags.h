/* flags.h — system flags and keywords of letters (RFC 9051 §2.3.2).
 *
 * The bits are those that the store keeps. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum flag {
	FLAG_SEEN = 1 << 0,
	FLAG_ANSWERED = 1 << 1,
	FLAG_FLAGGED = 1 << 2,
	FLAG_DELETED = 1 << 3,
	FLAG_DRAFT = 1 << 4,
	FLAG_SYSTEM = (1 << 5) - 1,
	FLAG_RECENT = 1 << 7,            /* IMAP4rev1, only to be shown: never in a command */
};

enum {
	FLAG_KEYWORD_MAX = 255,          /* octets of a keyword */
	FLAG_KEYWORDS_MAX = 64,          /* in one command */
};

struct flag_list {
	unsigned system;                 /* enum flag */
	const struct str *keywords;      /* as written, without doubles (letter case does not matter) */
	size_t n;
};

/* "\Seen" in any letter case; 0 if it is none. */
unsigned flag_parse(struct str name);
/* "\Seen" */
struct str flag_name(enum flag f);
/* An atom, not too long (RFC 9051 §9 flag-keyword). */
bool flag_keyword_is_valid(struct str name);
/* "\Seen \Deleted $Forwarded", without parentheses.  Without doubles, system flags first. */
void flag_list_add(struct buf *b, const struct flag_list *l);
