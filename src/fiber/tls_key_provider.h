/* tls_key_provider.h — private keys that are somewhere else.
 *
 * An OpenSSL provider ("wxkey") built into the program.  Its keys know their
 * public half and a number; to sign they ask a tls_signer, in a role the
 * channel to `keys`, and the fiber waits inside the signature call.  There is
 * no private half here to export. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct evp_pkey_st;

/* SUSPENDS.  Sign digest with key number key_id; scheme is an enum sign_scheme (private_key.h).
 * `to` is empty and has room for SIGNATURE_MAX bytes. */
typedef bool tls_sign_fn(void *ctx, uint32_t key_id, uint32_t scheme, struct str digest,
	struct buf *to, struct err *e);

struct tls_signer {
	tls_sign_fn *sign;
	void *ctx;
};

/* The private key that belongs to `public` and is known to signer as key_id.  Freed by
 * EVP_PKEY_free; signer outlives it. */
bool tls_key_open(const struct evp_pkey_st *public, const struct tls_signer *signer,
	uint32_t key_id, struct evp_pkey_st **ret, struct err *e);
