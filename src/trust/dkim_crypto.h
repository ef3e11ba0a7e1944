/* dkim_crypto.h — published keys, and whether a signature is theirs (RFC 8301 §3, RFC 8463 §3). */
#pragma once

#include "trust/dkim_letter.h"
#include "wire/dkim_key.h"

enum {
	DKIM_BITS_MIN = 1024,            /* RFC 8301 §3.2 */
	DKIM_BITS_MAX = 4096,            /* a larger one costs a millisecond */
	DKIM_EXPONENT_MAX = 8,           /* octets */
	DKIM_ED25519 = 32,               /* octets of a key; a signature has twice as many */
	DKIM_KEYS_KEPT = 64,             /* of some 5 KiB each */
};

struct dkim_public {
	enum dkim_key_kind kind;
	unsigned bits;
	struct evp_pkey_st *key;
	struct evp_pkey_ctx_st *rsa;     /* ready to verify */
};

/* FAULT_PEER: it is no key of its kind.  FAULT_PERM: a kind that we do not know, or a size that is not believed
 * (ret->bits says which).  FAULT_TEMP: the crypto library failed us. */
bool dkim_public_open(const struct dkim_key *k, struct dkim_public *ret, struct err *e);
/* For AUTO. */
void dkim_public_close(struct dkim_public *k);
bool dkim_public_verify(const struct dkim_public *k, const uint8_t hash[DKIM_HASH], struct str signature);

/* Keys that were loaded before, by the records they stood in: most letters are signed by few domains, and to load a key
 * takes half as long as to verify with it.  The DNS is asked anew each time.  Zero is an empty one. */
struct dkim_keyring {
	struct dkim_kept *slots[DKIM_KEYS_KEPT];
};

/* NULL: it is not there.  Both hold until the next dkim_keyring_keep(). */
const struct dkim_public *dkim_keyring_find(const struct dkim_keyring *r, struct str record, struct dkim_key *ret);
/* *p, the key k of the record, goes over to the ring, unless there is no memory; where it is now. */
const struct dkim_public *dkim_keyring_keep(struct dkim_keyring *r, struct str record, const struct dkim_key *k,
					    struct dkim_public *p);
void dkim_keyring_end(struct dkim_keyring *r);
