/* certificate.h — certificate chains and private keys, as PEM text from a file or made here.
 *
 * A chain is kept in the order in which TLS sends it: leaf first, each next one
 * the issuer of the one before; a root is left out, what does not belong is too. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct evp_pkey_st;
struct x509_st;

enum {
	CERTIFICATE_CHAIN_MAX = 10,
	CERTIFICATE_NAMES_MAX = 200,
	CERTIFICATE_PEM_MAX = 256 * 1024,
	SIGNATURE_MAX = 1024,            /* RSA-8192 */
	SIGN_INPUT_MAX = 512,            /* Ed25519 signs the message, all others a digest */
};

struct certificate {
	struct x509_st *chain[CERTIFICATE_CHAIN_MAX];
	size_t n;
	struct str *names;       /* DNS names of the leaf: lower case, IDNs as A-labels */
	size_t n_names;
	int64_t not_before, not_after;   /* µs since 1970, of the link that ends first */
	size_t left_out;         /* certificates in the text that belong to another chain */
};

/* The chain in pem (other blocks, such as a key, are passed over).  If key is given the leaf is
 * the certificate that belongs to it, and there must be one. */
bool certificate_load(struct str pem, const struct evp_pkey_st *key, struct certificate *ret,
	struct err *e);
void certificate_end(struct certificate *c);
/* The sorted chain as PEM. */
bool certificate_print(const struct certificate *c, struct buf *to, struct err *e);
/* Is host (A-labels, any case) one of its names?  "*.a.b" covers one label (RFC 6125 §6.4.3). */
bool certificate_covers(const struct certificate *c, struct str host);
/* True, and a sentence, if it should be said that it has expired, is not yet valid, or does so
 * within `soon` µs. */
bool certificate_warn(const struct certificate *c, int64_t now, int64_t soon, struct buf *to);

/* Called once, before the first key: keys then live in locked memory without core dumps. */
void private_key_memory(void);
/* An RSA (≥ 2048 bits), P-256, P-384 or Ed25519 key without a passphrase.  The caller wipes pem. */
bool private_key_load(struct str pem, struct evp_pkey_st **ret, struct err *e);
void private_key_end(struct evp_pkey_st **key);
/* Overwrite secret bytes. */
void private_bytes_wipe(void *p, size_t n);

/* A key (P-256) and its own certificate for host, ten years, both as PEM. */
bool certificate_make(struct str host, int64_t now, struct buf *cert_pem, struct buf *key_pem,
	struct err *e);

/* RFC 8446 §4.2.3 SignatureScheme; in TLS 1.2 the ECDSA ones go with any curve. */
enum sign_scheme {
	SIGN_RSA_SHA256 = 0x0401,
	SIGN_RSA_SHA384 = 0x0501,
	SIGN_RSA_SHA512 = 0x0601,
	SIGN_ECDSA_SHA256 = 0x0403,
	SIGN_ECDSA_SHA384 = 0x0503,
	SIGN_ECDSA_SHA512 = 0x0603,
	SIGN_RSA_PSS_SHA256 = 0x0804,
	SIGN_RSA_PSS_SHA384 = 0x0805,
	SIGN_RSA_PSS_SHA512 = 0x0806,
	SIGN_ED25519 = 0x0807,
};

/* Bytes the digest of a scheme has; 0: 1 … SIGN_INPUT_MAX bytes (Ed25519); -1: no such scheme. */
int sign_scheme_digest(uint32_t scheme);
/* Sign digest, which another role sent: a scheme that is unknown or not of this key, and a wrong
 * length, are refused.  `to` has room for SIGNATURE_MAX bytes. */
bool private_key_sign(struct evp_pkey_st *key, uint32_t scheme, struct str digest, struct buf *to,
	struct err *e);
