/* spf_macro.h — macro strings of SPF, cut into pieces (RFC 7208 §7.1).
 *
 *	macro-string  = *( macro-expand / macro-literal )
 *	macro-expand  = "%{" letter [number] ["r"] *delimiter "}" / "%%" / "%_" / "%-"
 *	letter        = s l o d i p h v; in explanations also c r t
 *	delimiter     = "." / "-" / "+" / "," / "/" / "_" / "="
 *
 * What a letter stands for knows trust/spf_expand.c. */
#pragma once

#include "base/buf.h"

enum { SPF_MACRO_PARTS_MAX = 128 };      /* right-hand parts; no name has more labels (§7.3) */

enum spf_macro_use {
	SPF_IN_DOMAIN,           /* a domain-spec, or an unknown modifier */
	SPF_IN_EXPLANATION,      /* spaces and the letters c, r and t, too */
};

struct spf_macro {
	struct str literal;      /* octets that stand for themselves; empty: a letter */
	char letter;             /* in lower case */
	bool is_escaped;         /* written in upper case: URL escaping */
	bool is_reversed;
	unsigned parts;          /* 0: all */
	struct str delimiters;   /* empty: "." */
};

/* Takes a piece off *in; false at the end, or where it is malformed: then *in is not empty and neither is touched. */
bool spf_macro_next(struct str *in, enum spf_macro_use use, struct spf_macro *ret);
bool spf_macro_is_valid(struct str s, enum spf_macro_use use);
/* domain-spec = macro-string ( "." toplabel ["."] / macro-expand ) */
bool spf_domain_is_valid(struct str s);
/* A letter's value, reversed, shortened and escaped as the piece says (§7.3). */
void spf_macro_add(struct buf *b, const struct spf_macro *m, struct str value);
