/* dkim_prove.h — one signature against the keys that its domain publishes (RFC 6376 §6.1.2).
 *
 * The same for DKIM-Signature, ARC-Message-Signature and ARC-Seal: what is signed was hashed before. */
#pragma once

#include "trust/dkim_letter.h"
#include "trust/trust_dns.h"

enum {
	DKIM_KEYS_MAX = 4,               /* records under one name that are tried */
	DKIM_SKEW = 300,                 /* seconds that clocks may differ */
};

/* RFC 8601 §2.7.1. */
enum dkim_result {
	DKIM_NONE,               /* there is no signature */
	DKIM_PASS,
	DKIM_FAIL,               /* letter or signature were changed */
	DKIM_POLICY,             /* it may be right, but we do not believe such signatures */
	DKIM_NEUTRAL,            /* it is not written as it must be */
	DKIM_TEMPERROR,          /* later it may be known */
	DKIM_PERMERROR,          /* it cannot be verified, now or later */
};

struct dkim_outcome {
	enum dkim_result result;
	struct str reason;               /* a few words for a person; empty with PASS */
	unsigned bits;                   /* of the key; 0: none was had */
	bool is_testing;                 /* t=y: the domain only tries this out */
	bool is_proved;                  /* the signature is right, whatever the result says */
};

const char *dkim_result_name(enum dkim_result r);

/* From why a field could not be parsed. */
struct dkim_outcome dkim_outcome_of(const struct err *why, struct arena *a);
/* Is there a reason to ask for the key at all?  False: *ret is the end of it. */
bool dkim_is_worth_it(const struct dkim_signature *s, int64_t now, struct dkim_outcome *ret);
/* Fetch the key and try it.  `input` is what is signed; `body` NULL: a seal, which signs none.  false only if the fiber
 * was told to stop. */
SUSPENDS bool dkim_prove(struct dkim_letter *l, const struct dkim_signature *s, const struct buf *input,
			 const struct dkim_hash *body, const struct trust_dns *dns, struct dkim_outcome *ret, struct err *e);
