/* dkim_sign.h — our own signatures, and seals on what we pass on (RFC 6376 §5, RFC 8617 §5.1).
 *
 * The private key is elsewhere: what is made here is a hash to be signed, and then the field.
 *
 *	dkim_signing_init(&g, &letter, &wish)                   before the body
 *	… the body: dkim_letter.h
 *	dkim_signing_hash(&g, hash)                             RSA: PKCS#1 v1.5 with SHA-256; Ed25519: the hash as message
 *	dkim_signing_add(&b, &g, signature)
 *
 * Header and body are canonicalised relaxed.  Fields that readers see are over-signed: their names stand
 * in h= once more than they are there, so that none can be added (§8.15). */
#pragma once

#include "trust/arc.h"

enum { DKIM_SIGN_FIELDS_MAX = 20 };      /* fields of one name that are signed */

/* Who signs, and how. */
struct dkim_wish {
	struct str domain, selector;     /* A-labels */
	enum dkim_algorithm algorithm;   /* DKIM_RSA_SHA256 or DKIM_ED25519_SHA256 */
	int64_t time, expiry;            /* seconds since 1970; expiry -1: never.  ARC knows none */
};

struct dkim_signing {
	struct dkim_letter *letter;
	struct dkim_wish wish;
	struct dkim_hash *body;
	unsigned instance;               /* ARC; 0: DKIM */
	struct str field;                /* without a line end: all but the signature */
};

/* False: no memory. */
bool dkim_signing_init(struct dkim_signing *g, struct dkim_letter *l, const struct dkim_wish *w);
/* When the body is over.  False: no memory. */
bool dkim_signing_hash(struct dkim_signing *g, uint8_t ret[DKIM_HASH]);
/* The field, folded, with its line end. */
void dkim_signing_add(struct buf *b, const struct dkim_signing *g, struct str signature);

/* A set of ours on a letter that is passed on: two signatures, one after the other.
 *
 *	arc_sealing_init(&g, &letter, &wish, &chain)            before the body; the chain has been checked before the hash
 *	arc_sealing_hash(&g, results, hash)                     results: auth_results_add()
 *	arc_sealing_seal(&g, signature, hash)                   again a hash
 *	arc_sealing_add(&b, &g, signature) */
struct arc_sealing {
	struct dkim_signing message;
	const struct arc *chain;
	struct str results, signed_message, seal;        /* the fields of the set; the seal without its signature */
};

/* False: no memory, or the letter has 50 sets. */
bool arc_sealing_init(struct arc_sealing *g, struct dkim_letter *l, const struct dkim_wish *w, const struct arc *chain);
/* False: no memory, or the chain is broken: nobody needs our seal on that (§5.1). */
bool arc_sealing_hash(struct arc_sealing *g, struct str results, uint8_t ret[DKIM_HASH]);
bool arc_sealing_seal(struct arc_sealing *g, struct str signature, uint8_t ret[DKIM_HASH]);
/* The three fields, seal first. */
void arc_sealing_add(struct buf *b, const struct arc_sealing *g, struct str signature);
