/* spf_record.h — what a domain publishes about who may send in its name (RFC 7208 §4.5, §4.6.1, §12).
 *
 *	record    = "v=spf1" *( 1*SP ( directive / modifier ) ) *SP
 *	directive = [ "+" / "-" / "?" / "~" ] mechanism
 *	modifier  = name "=" macro-string
 *
 * spf_record_read() looks at all of it, since an error anywhere makes the whole of it void (§4.6);
 * then spf_term_next() gives term by term.  What macros stand for knows trust/spf_expand.c. */
#pragma once

#include "base/err.h"

enum { SPF_RECORD_MAX = 16384 };         /* octets; a record should fit into 512 (§3.4) */

enum spf_term_kind {
	SPF_TERM_ALL, SPF_TERM_INCLUDE, SPF_TERM_A, SPF_TERM_MX, SPF_TERM_PTR, SPF_TERM_IP4, SPF_TERM_IP6, SPF_TERM_EXISTS,
	SPF_TERM_REDIRECT, SPF_TERM_EXP,
	SPF_TERM_OTHER,          /* a modifier that nobody knows: no meaning (§6) */
};

struct spf_term {
	enum spf_term_kind kind;
	char qualifier;          /* '+', '-', '?' or '~'; of modifiers 0 */
	struct str text;         /* as it was written */
	struct str domain;       /* the domain-spec, macros as written; a modifier's value; empty: none */
	uint8_t addr[16];        /* ip4 (as ::ffff:a.b.c.d) and ip6 */
	uint8_t bits4, bits6;    /* of the network; 32 and 128 where nothing is said */
};

struct spf_record {
	struct str terms;        /* behind the version */
	struct str redirect, exp;        /* their domain-specs; empty: none */
};

/* Is this text a record at all, well-formed or not?  "v=spf1" in any case, then a space or the end (§4.5). */
bool spf_record_is(struct str text);
/* false with what is wrong where (§4.6): a permanent error. */
bool spf_record_read(struct str text, struct spf_record *ret, struct err *e);
/* Takes a term off the terms of a record that was read. */
bool spf_term_next(struct str *in, struct spf_term *ret);
