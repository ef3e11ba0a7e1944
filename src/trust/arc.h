/* arc.h — what those who passed a letter on say about it (ARC, RFC 8617).
 *
 * Each of them added a set of three fields under one instance number: what he saw (ARC-Authentication-Results), a
 * signature of the letter (ARC-Message-Signature), and a seal over all sets so far (ARC-Seal).  PASS says only that the
 * sets are theirs and that the letter is as the last of them left it; whether any of them is believed is for
 * others to decide. */
#pragma once

#include "trust/dkim_prove.h"

enum arc_result { ARC_NONE, ARC_PASS, ARC_FAIL, ARC_TEMPERROR };

struct arc_set {
	const struct dkim_field *results, *message, *seal;       /* the three fields */
	struct str said;                 /* the results behind "i=N;": as in Authentication-Results */
	struct dkim_signature sealed;    /* who sealed it: domain, selector, cv */
};

struct arc {
	struct dkim_letter *letter;
	struct arc_set *sets;            /* instance 1 first */
	size_t n;                        /* 0 if the sets are not complete */
	struct dkim_signature message;   /* of the last set */
	struct dkim_hash *body;
	enum arc_result result;
	struct str reason;               /* a few words for a person; empty with PASS */
};

const char *arc_result_name(enum arc_result r);

/* The letter outlives r and its arena holds what r points to. */
void arc_init(struct arc *r, struct dkim_letter *l);
/* When the body is over (RFC 8617 §5.2).  false only if the fiber was told to stop; may then be asked again. */
SUSPENDS bool arc_check(struct arc *r, const struct trust_dns *dns, int64_t now, struct err *e);
/* The first n sets, canonicalised, as later seals sign them. */
void arc_sets_add(struct buf *b, const struct arc *r, size_t n);
/* The octets that the seal of an instance signs (§5.1.1); at most twice the header's. */
void arc_seal_input(struct buf *b, const struct arc *r, size_t instance);
