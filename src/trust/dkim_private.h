/* dkim_private.h — the private half of a DKIM key; used by the role `keys` (and by tests).
 *
 * Other than a key for TLS it may be RSA of 1024 bits: such a key is taken over from another server, and
 * flagged. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "wire/dkim_signature.h"

enum {
	DKIM_PRIVATE_BITS_MIN = 1024,    /* RFC 8301 §3.2 */
	DKIM_PRIVATE_BITS_WEAK = 2048,   /* fewer are flagged */
	DKIM_PRIVATE_BITS_MAX = 4096,
};

struct dkim_private {
	enum dkim_algorithm algorithm;
	unsigned bits;                   /* RSA; 256 of Ed25519 */
	struct evp_pkey_st *key;
	struct evp_pkey_ctx_st *rsa;     /* ready to sign: each signature then costs what RSA costs */
};

/* The caller wipes what he gave. */
bool dkim_private_load(struct str pem, struct dkim_private *ret, struct err *e);
bool dkim_private_load_der(struct str der, struct dkim_private *ret, struct err *e);
/* A new one; RSA-2048 takes some 100 ms. */
bool dkim_private_make(enum dkim_algorithm algorithm, struct dkim_private *ret, struct err *e);
/* For AUTO. */
void dkim_private_close(struct dkim_private *k);

/* PKCS #8; the caller wipes it. */
bool dkim_private_der(const struct dkim_private *k, struct buf *to, struct err *e);
/* hash: SHA-256, 32 octets.  `to` has room for DKIM_B_MAX. */
bool dkim_private_sign(const struct dkim_private *k, struct str hash, struct buf *to, struct err *e);
/* What is to stand in the DNS: "v=DKIM1; k=rsa; p=…"   RFC 6376 §3.6.1, RFC 8463 §4 */
bool dkim_private_record(const struct dkim_private *k, bool is_testing, bool is_strict, struct buf *to, struct err *e);
