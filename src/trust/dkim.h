/* dkim.h — who takes responsibility for a letter: its DKIM signatures (RFC 6376, 8301, 8463).
 *
 *	struct dkim d;
 *	dkim_init(&d, &letter, S("example.net"))
 *	… the body: dkim_letter.h
 *	dkim_check(&d, &dns, now, &e)
 *
 * rsa-sha1 and short keys never pass.  l= is recorded: a signature that leaves a part of the body
 * unsigned is POLICY, for anybody can add to such a letter what its readers then see. */
#pragma once

#include "trust/dkim_prove.h"

enum {
	DKIM_SIGNATURES_MAX = 5,         /* verified */
	DKIM_LOOKED_AT = 50,             /* from the top: those of the author's domain come first */
};

struct dkim_checked {
	struct dkim_signature signature;
	const struct dkim_field *field;
	struct dkim_hash *body;          /* NULL: the signature cannot be verified */
	struct dkim_outcome outcome;
	uint64_t n_unsigned;             /* octets of the canonicalised body behind l= */
};

struct dkim {
	struct dkim_letter *letter;
	struct dkim_checked p[DKIM_SIGNATURES_MAX];
	size_t n;
	size_t n_ignored;                /* signatures that are more than we verify */
};

/* author: the domain in From, or empty.  The letter outlives d and its arena holds what d points to. */
void dkim_init(struct dkim *d, struct dkim_letter *l, struct str author);
/* When the body is over.  `now` is in microseconds.  false only if the fiber was told to stop; may then be asked again. */
SUSPENDS bool dkim_check(struct dkim *d, const struct trust_dns *dns, int64_t now, struct err *e);
/* The first that passed, else the first, else NULL. */
const struct dkim_checked *dkim_best(const struct dkim *d);
/* Is a the same domain as b, or above or below it? */
bool dkim_is_related(struct str a, struct str b);
