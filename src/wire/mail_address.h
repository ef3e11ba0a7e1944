/* mail_address.h — the addresses of a header field (RFC 5322 §3.4, §4.4).
 *
 * Reads what people and programs write: groups, source routes, comments, the obsolete syntax, and
 * what is no address at all, which becomes a mailbox without a host.  For the addresses that
 * letters travel by see wire/address.h. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

enum {
	MAIL_ADDRESS_MAX = 10000,        /* addresses of one letter's field; the rest is not read */
	MAIL_COMMENT_DEPTH = 100,
};

struct mail_address {
	struct mail_address *next;
	struct str name;         /* display name or comment, unquoted, not decoded */
	struct str route;        /* "@a,@b", without the colon */
	struct str mailbox;      /* local part, unquoted; a group's name in its beginning */
	struct str domain;
	enum { MAIL_MAILBOX, MAIL_GROUP_BEGIN, MAIL_GROUP_END } kind;
	bool is_broken;          /* it was no address by any grammar */
	bool has_rest;           /* behind it, or inside its <>, something was stepped over that is no part of it */
};

/* Append the addresses of a raw value to the list that ends at **tail, in the arena; returns the new
 * tail.  What does not fit the arena or the limit is left out. */
struct mail_address **mail_address_parse(struct str raw, struct arena *a, struct mail_address **tail,
					 size_t *count);
