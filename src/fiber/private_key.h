/* private_key.h — private keys and what they are asked to sign.
 *
 * Used by the role `keys` (and by tests).  What comes here to be signed was
 * sent by another role: scheme and length are checked against a table, and the
 * padding is made here, so that nobody gets a raw RSA operation. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct evp_pkey_st;

enum {
	SIGNATURE_MAX = 1024,            /* RSA-8192 */
	SIGN_MESSAGE_MAX = 512,          /* Ed25519 signs a message, all others a digest */
	RSA_BITS_MIN = 2048,
	RSA_BITS_MAX = 8192,
};

/* Called once, before the first key: keys then live in locked memory without core dumps. */
void private_key_memory(void);
/* An RSA, P-256, P-384 or Ed25519 key without a passphrase.  The caller wipes pem. */
bool private_key_load(struct str pem, struct evp_pkey_st **ret, struct err *e);
/* A key of any kind and size without a passphrase: who calls judges what it is good for. */
bool private_key_read(struct str pem, struct evp_pkey_st **ret, struct err *e);
/* For AUTO. */
void private_key_end(struct evp_pkey_st **key);
/* Overwrite secret bytes. */
void private_bytes_wipe(void *p, size_t n);

/* RFC 8446 §4.2.3 SignatureScheme; in TLS 1.2 the ECDSA ones go with any curve. */
enum sign_scheme {
	SIGN_NONE = 0,
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

/* Which scheme a key type ("RSA", "EC", "ED25519"), a digest of so many bytes and the RSA
 * padding make; SIGN_NONE if none. */
enum sign_scheme sign_scheme_of(const char *type, size_t digest_size, bool is_pss);

/* Sign digest (for SIGN_ED25519: the message).  A scheme that is unknown or not of this key and
 * a wrong length are refused with FAULT_PEER.  `to` has room for SIGNATURE_MAX bytes. */
bool private_key_sign(struct evp_pkey_st *key, uint32_t scheme, struct str digest, struct buf *to,
	struct err *e);
