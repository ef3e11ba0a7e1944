/* address.h — mail addresses as SMTP writes them (RFC 5321 §4.1.2, RFC 6531 §3.3).
 *
 *	Path      = "<" [ Route ":" ] Mailbox ">"
 *	Route     = "@" Domain *( "," "@" Domain )      read and forgotten
 *	Mailbox   = Local-part "@" ( Domain / address-literal )
 *
 * A source route says nothing any more (RFC 5321 §4.1.1.3, §F.2): the mailbox behind it is
 * what counts, for relaying too.
 *
 * One parser for the whole house: no other code looks for an "@".  Control
 * characters never pass, in no notation. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum {
	LOCAL_MAX = 64,          /* octets, RFC 5321 §4.5.3.1.1 */
	LOCAL_REWRITTEN_MAX = 512,       /* of SRS0…, SRS1…: a whole address stands in it */
	DOMAIN_MAX = 255,        /* octets, §4.5.3.1.2 */
	LABEL_MAX = 63,          /* octets, RFC 1035 §2.3.4 */
};

enum path_flags {
	PATH_UTF8 = 1 << 0,              /* SMTPUTF8 was asked for */
	PATH_NULL = 1 << 1,              /* "<>" is fine (MAIL) */
	PATH_POSTMASTER = 1 << 2,        /* "<postmaster>" is fine (RCPT) */
};

struct smtp_path {
	struct str text;         /* as written between < and >, without a route */
	struct str local;        /* without quotes and backslashes */
	struct str domain;       /* as written; an address literal keeps its brackets */
	bool is_null;            /* <> */
	bool is_quoted;          /* the local part was written in quotes */
	bool is_literal;         /* the domain is [an address] */
	bool is_utf8;            /* something in it, or in its route, is not ASCII */
};

/* Take "<…>" off *in.  All of *ret lies in the arena. */
bool smtp_path_parse(struct str *in, unsigned flags, struct arena *a, struct smtp_path *ret);
/* The whole of s is local@domain without brackets: configuration, alias files, people. */
bool address_parse(struct str s, unsigned flags, struct arena *a, struct smtp_path *ret);

/* local@domain, the local part quoted if it must be; only the local part if domain is empty. */
void smtp_path_add(struct buf *b, struct str local, struct str domain);

/* Is s a host name: labels of letters, digits, "-" and "_", not ending in a dot? */
bool domain_is_valid(struct str s);
/* Is s "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 §4.1.3)?  Gives the address as
 * 4 or 16 bytes in `addr` and their number. */
bool address_literal_parse(struct str s, unsigned char addr[16], size_t *ret_n);
/* The form in which domains are looked up and compared: lower case, U-labels as
 * A-labels (IDNA 2008), address literals in their one spelling.  False if it is no domain. */
bool address_domain_fold(struct str domain, struct arena *a, struct str *ret);
