/* dkim_letter.h — what signatures of a letter are about: its header, found by name, and hashes of its body.
 *
 *	dkim_letter_init(&l, header, &arena)
 *	dkim_init(&d, &l, …), arc_init(&r, &l, …)        each says which hashes of the body it will want
 *	dkim_letter_body(&l, piece) …                    the body, in pieces of any size
 *	dkim_check(&d, …), arc_check(&r, …)
 *	dkim_letter_end(&l)
 *
 * Signatures that canonicalise alike share one hash.  Lines end in CRLF. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "wire/dkim_canon.h"

enum {
	DKIM_BODIES_MAX = 6,             /* different hashes of one body: DKIM_SIGNATURES_MAX and that of ARC */
	DKIM_HASH = 32,                  /* octets of SHA-256 */
	DKIM_ARENA = 4 << 20,            /* a fitting limit: HEADER_COUNT_MAX fields take a fourth of it */
};

struct evp_md_ctx_st;

struct dkim_field {
	struct str name;
	struct str text;                 /* the whole field with its line end */
	uint32_t up;                     /* the next field of that name above, + 1 */
	uint32_t group;                  /* of that name */
};

struct dkim_name;

struct dkim_hash {
	enum dkim_canon canon;
	uint64_t limit;                  /* l=: octets that are hashed */
	uint64_t size;                   /* octets of the canonicalised body, all of them */
	uint8_t hash[DKIM_HASH];         /* after dkim_letter_over() */
	/* dkim_letter.c's own */
	struct dkim_body body;
	struct evp_md_ctx_st *ctx;
};

struct dkim_keyring;

struct dkim_letter {
	struct dkim_keyring *ring;       /* the owner may set it, after init: trust/dkim_crypto.h */
	struct str header;
	struct arena *arena;
	struct dkim_field *fields;       /* in the letter's order */
	size_t n_fields;
	struct dkim_name *names;
	uint32_t *slots;                 /* a table of names */
	size_t n_names, n_slots;
	unsigned round;
	struct dkim_hash hashes[DKIM_BODIES_MAX];
	size_t n_hashes;
	bool is_over, is_broken;         /* the crypto library failed us */
};

/* `header` is all in front of the body; an empty line at its end does no harm.  False: no memory. */
bool dkim_letter_init(struct dkim_letter *l, struct str header, struct arena *a);
void dkim_letter_end(struct dkim_letter *l);
/* Octets of the header with the empty line behind it; all of the letter if there is none. */
size_t dkim_header_size(struct str letter);

/* The hash of the body, from its begin, that a signature wants; NULL: there are too many. */
struct dkim_hash *dkim_letter_hash(struct dkim_letter *l, enum dkim_canon canon, uint64_t limit);
void dkim_letter_body(struct dkim_letter *l, struct str piece);
/* The body is over; false: the hashes could not be made. */
bool dkim_letter_over(struct dkim_letter *l);

/* The signed fields in the order of h=, those of one name from the bottom up, each once; names without a field count
 * as nothing (§5.4.2).  `self` is left out. */
void dkim_letter_fields_add(struct buf *b, struct dkim_letter *l, struct str names, enum dkim_canon canon,
			    const struct dkim_field *self);
/* The octets whose hash is signed (§3.7). */
void dkim_letter_input(struct buf *b, struct dkim_letter *l, const struct dkim_signature *s,
		       const struct dkim_field *self);
/* The lowest field of that name, or NULL; up->up goes on. */
const struct dkim_field *dkim_letter_find(const struct dkim_letter *l, struct str name);

bool dkim_sha256(struct str bytes, uint8_t ret[DKIM_HASH]);
