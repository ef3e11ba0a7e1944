/* dkim_signature.h — a DKIM-Signature field, and the two fields of ARC that are made like it
 * (RFC 6376 §3.5, RFC 8617 §4.1.2 and §4.1.3). */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum {
	DKIM_NAMES_MAX = 500,            /* names in h= */
	DKIM_B_MAX = 1024,               /* octets of a signature: RSA-8192 */
	ARC_SETS_MAX = 50,               /* RFC 8617 §4.2.1 */
};

enum dkim_kind {
	DKIM_SIGNATURE,
	DKIM_ARC_MESSAGE,        /* ARC-Message-Signature */
	DKIM_ARC_SEAL,
};

enum dkim_algorithm {
	DKIM_UNKNOWN,            /* not one of ours */
	DKIM_RSA_SHA1,           /* never believed (RFC 8301 §3.1) */
	DKIM_RSA_SHA256,
	DKIM_ED25519_SHA256,     /* RFC 8463 */
};

enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED };

/* What the chain was worth when it was sealed. */
enum arc_cv { ARC_CV_NONE, ARC_CV_FAIL, ARC_CV_PASS };

struct dkim_signature {
	enum dkim_algorithm algorithm;
	struct str algorithm_text;       /* a= */
	struct str domain;               /* d=, A-labels in lower case */
	struct str selector;             /* s=, A-labels in lower case */
	struct str identity;             /* i=, or "@" and d= */
	struct str names;                /* h= as written */
	struct str b, bh;                /* decoded */
	struct str b_text;               /* b= without white space */
	struct str b_raw;                /* its place in the field, with the white space around it */
	enum dkim_canon header, body;    /* c= */
	bool has_length;
	uint64_t length;                 /* l=, octets of the canonicalised body */
	int64_t time, expiry;            /* t= and x=, seconds since 1970; -1: not said */
	unsigned instance;               /* ARC: i= */
	enum arc_cv cv;                  /* ARC-Seal */
};

/* The value of a field, as it stands in the letter.  What could be read is in *ret also on failure, for the log.
 * FAULT_PEER: it is not written as it must be.  FAULT_PERM: it is, and says something that the RFC forbids or we do not
 * know.  FAULT_TEMP: no memory.  Slices lie in the value or the arena. */
bool dkim_signature_parse(struct str value, enum dkim_kind kind, struct arena *a, struct dkim_signature *ret,
			  struct err *e);

/* "relaxed/relaxed" */
const char *dkim_canon_name(enum dkim_canon c);
const char *dkim_algorithm_name(enum dkim_algorithm g);
/* One name under which a key can stand: labels of letters, digits, "-" and "_"; A-labels in lower case. */
bool dkim_domain_fold(struct str domain, struct arena *a, struct str *ret);
