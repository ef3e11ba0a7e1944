/* dkim_crypto.c — see dkim_crypto.h. */
#include "trust/dkim_crypto.h"

#include "base/map.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdlib.h>

/* ---- RSA keys in DER ------------------------------------------------------------------------------- */

enum { DER_INTEGER = 0x02, DER_BITS = 0x03, DER_SEQUENCE = 0x30 };

/* Take what stands under a tag off *in: one octet of tag, a length of 1 to 3, the contents (X.690 §8.1). */
static bool der_take(struct str *in, int tag, struct str *ret)
{
	size_t head = 2, n;

	if (str_at(*in, 0) != tag || in->n < 2)
		return false;
	n = (size_t)str_at(*in, 1);
	if (n == 0x81 || n == 0x82) {
		head += n - 0x80;
		if (in->n < head)
			return false;
		n = n == 0x81 ? (size_t)str_at(*in, 2) : (size_t)str_at(*in, 2) << 8 | (size_t)str_at(*in, 3);
	} else if (n > 0x7f) {
		return false;
	}
	if (in->n - head < n)
		return false;
	*ret = str_sub(*in, head, n);
	*in = str_from(*in, head + n);
	return true;
}

/* A positive number without zeros in front. */
static bool der_number(struct str *in, struct str *ret)
{
	if (!der_take(in, DER_INTEGER, ret) || ret->n == 0 || str_at(*ret, 0) > 0x7f)
		return false;
	while (ret->n && ret->p[0] == 0)
		*ret = str_from(*ret, 1);
	return ret->n > 0;
}

/* RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }   RFC 8017 §A.1.1 */
static bool rsa_numbers(struct str der, struct str *ret_n, struct str *ret_e)
{
	struct str all;

	return der_take(&der, DER_SEQUENCE, &all) && der.n == 0 && der_number(&all, ret_n) && der_number(&all, ret_e) &&
	       all.n == 0;
}

/* SubjectPublicKeyInfo ::= SEQUENCE { AlgorithmIdentifier, BIT STRING }   RFC 5280 §4.1: what everybody publishes; RFC
 * 6376 §3.6.1 speaks of the RSAPublicKey in it, which is taken too. */
static bool rsa_unwrap(struct str der, struct str *ret)
{
	struct str oid = S("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");        /* rsaEncryption */
	struct str all, algorithm, bits;

	*ret = der;
	if (!der_take(&der, DER_SEQUENCE, &all) || der.n || str_at(all, 0) != DER_SEQUENCE)
		return true;
	if (!der_take(&all, DER_SEQUENCE, &algorithm) || !str_starts(algorithm, oid))
		return false;
	if (!der_take(&all, DER_BITS, &bits) || all.n || str_at(bits, 0) != 0)
		return false;
	*ret = str_from(bits, 1);
	return true;
}

static unsigned bits_of(struct str n)
{
	unsigned bits = (unsigned)n.n * 8;

	for (int top = str_at(n, 0); top < 0x80; top <<= 1)
		bits--;
	return bits;
}

/* OpenSSL takes numbers with the lowest octet first. */
static void turn(uint8_t *to, struct str from)
{
	for (size_t i = 0; i < from.n; i++)
		to[i] = (uint8_t)from.p[from.n - 1 - i];
}

static EVP_PKEY *rsa_make(struct str n, struct str exponent)
{
	uint8_t n_turned[DKIM_BITS_MAX / 8], e_turned[DKIM_EXPONENT_MAX];
	OSSL_PARAM params[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, n_turned, n.n),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, e_turned, exponent.n),
		OSSL_PARAM_END,
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	EVP_PKEY *key = NULL;

	turn(n_turned, n);
	turn(e_turned, exponent);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* Set up once: each verification then costs what RSA costs. */
static EVP_PKEY_CTX *rsa_ready(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

	if (ctx && EVP_PKEY_verify_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0 &&
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

static bool rsa_open(const struct dkim_key *k, struct dkim_public *ret, struct err *e)
{
	struct str der, n, exponent;

	if (!rsa_unwrap(k->key, &der) || !rsa_numbers(der, &n, &exponent))
		return fail(e, FAULT_PEER, "p= is no RSA key");
	ret->bits = n.n > DKIM_RECORD_MAX ? DKIM_RECORD_MAX * 8 : bits_of(n);
	if (ret->bits < DKIM_BITS_MIN)
		return fail(e, FAULT_PERM, "the key has %u bits, fewer than %d are not believed", ret->bits,
			    DKIM_BITS_MIN);
	if (ret->bits > DKIM_BITS_MAX)
		return fail(e, FAULT_PERM, "the key has %u bits, more than %d are not looked at", ret->bits,
			    DKIM_BITS_MAX);
	if (exponent.n > DKIM_EXPONENT_MAX || !(exponent.p[exponent.n - 1] & 1) || str_eq(exponent, S("\1")))
		return fail(e, FAULT_PEER, "p= is no RSA key: its exponent");
	ret->key = rsa_make(n, exponent);
	ret->rsa = ret->key ? rsa_ready(ret->key) : NULL;
	return ret->rsa || fail(e, FAULT_TEMP, "the key cannot be loaded");
}

/* ---- both kinds ------------------------------------------------------------------------------------ */

static bool ed25519_open(const struct dkim_key *k, struct dkim_public *ret, struct err *e)
{
	if (k->key.n != DKIM_ED25519)
		return fail(e, FAULT_PEER, "p= is no Ed25519 key, it has %zu octets instead of 32", k->key.n);
	ret->bits = DKIM_ED25519 * 8;
	ret->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)k->key.p, k->key.n);
	return ret->key || fail(e, FAULT_TEMP, "the key cannot be loaded");
}

bool dkim_public_open(const struct dkim_key *k, struct dkim_public *ret, struct err *e)
{
	bool ok;

	*ret = (struct dkim_public){ .kind = k->kind };
	if (k->kind == DKIM_KEY_OTHER)
		return fail(e, FAULT_PERM, "a kind of key that is not known");
	ok = k->kind == DKIM_KEY_RSA ? rsa_open(k, ret, e) : ed25519_open(k, ret, e);
	ERR_clear_error();
	return ok;
}

void dkim_public_close(struct dkim_public *k)
{
	EVP_PKEY_CTX_free(k->rsa);
	EVP_PKEY_free(k->key);
	*k = (struct dkim_public){ 0 };
}

/* PureEdDSA over the hash (RFC 8463 §3). */
static bool ed25519_verify(EVP_PKEY *key, const uint8_t hash[DKIM_HASH], struct str signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && signature.n == 2 * DKIM_ED25519 && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) > 0 &&
		  EVP_DigestVerify(ctx, (const uint8_t *)signature.p, signature.n, hash, DKIM_HASH) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

bool dkim_public_verify(const struct dkim_public *k, const uint8_t hash[DKIM_HASH], struct str signature)
{
	bool ok = k->rsa ? EVP_PKEY_verify(k->rsa, (const uint8_t *)signature.p, signature.n, hash, DKIM_HASH) == 1 :
			   ed25519_verify(k->key, hash, signature);

	ERR_clear_error();
	return ok;
}

/* ---- keys that are kept ---------------------------------------------------------------------------- */

struct dkim_kept {
	struct dkim_public public;
	struct dkim_key key;             /* its p= stands behind the record */
	size_t n;
	char record[];
};

/* By its end: records begin alike.  Who makes two that meet in one slot has the first one forgotten. */
static size_t slot_of(struct str record)
{
	size_t n = record.n < 64 ? record.n : 64;

	return hash_keyed(str_from(record, record.n - n)) % DKIM_KEYS_KEPT;
}

const struct dkim_public *dkim_keyring_find(const struct dkim_keyring *r, struct str record, struct dkim_key *ret)
{
	const struct dkim_kept *found = r->slots[slot_of(record)];

	if (!found || !str_eq(str_of(found->record, found->n), record))
		return NULL;
	*ret = found->key;
	return &found->public;
}

static void kept_end(struct dkim_kept **k)
{
	if (*k)
		dkim_public_close(&(*k)->public);
	free(*k);
	*k = NULL;
}

const struct dkim_public *dkim_keyring_keep(struct dkim_keyring *r, struct str record, const struct dkim_key *k,
					    struct dkim_public *p)
{
	struct dkim_kept **slot = &r->slots[slot_of(record)], *new = malloc(sizeof(*new) + record.n + k->key.n);

	if (!new)
		return p;
	kept_end(slot);
	*new = (struct dkim_kept){ .public = *p, .key = *k, .n = record.n };
	memcpy(new->record, record.p, record.n);
	memcpy(new->record + record.n, k->key.p, k->key.n);
	new->key.key.p = new->record + record.n;
	*p = (struct dkim_public){ 0 };
	*slot = new;
	return &new->public;
}

void dkim_keyring_end(struct dkim_keyring *r)
{
	for (size_t i = 0; i < DKIM_KEYS_KEPT; i++)
		kept_end(&r->slots[i]);
}
