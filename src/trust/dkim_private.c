/* dkim_private.c — see dkim_private.h. */
#include "trust/dkim_private.h"

#include "fiber/private_key.h"
#include "wire/text.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum { HASH = 32, ED25519 = 32 };

static bool rsa_ready(struct dkim_private *k)
{
	k->rsa = EVP_PKEY_CTX_new(k->key, NULL);
	return k->rsa && EVP_PKEY_sign_init(k->rsa) > 0 && EVP_PKEY_CTX_set_rsa_padding(k->rsa, RSA_PKCS1_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_signature_md(k->rsa, EVP_sha256()) > 0;
}

/* Takes key. */
static bool take(EVP_PKEY *key, struct dkim_private *ret, struct err *e)
{
	struct dkim_private k = { .key = key, .bits = key ? (unsigned)EVP_PKEY_get_bits(key) : 0 };
	bool ok = true;

	ERR_clear_error();
	if (!key)
		return fail(e, FAULT_PERM, "the key is damaged");
	if (EVP_PKEY_is_a(key, "ED25519")) {
		k.algorithm = DKIM_ED25519_SHA256;
		k.bits = ED25519 * 8;
	} else if (!EVP_PKEY_is_a(key, "RSA")) {
		ok = fail(e, FAULT_PERM, "the key is neither RSA nor Ed25519");
	} else if (k.bits < DKIM_PRIVATE_BITS_MIN || k.bits > DKIM_PRIVATE_BITS_MAX) {
		ok = fail(e, FAULT_PERM, "an RSA key of %u bits; %d to %d are taken", k.bits, DKIM_PRIVATE_BITS_MIN,
			  DKIM_PRIVATE_BITS_MAX);
	} else {
		k.algorithm = DKIM_RSA_SHA256;
		ok = rsa_ready(&k) || fail(e, FAULT_TEMP, "no memory for a key");
	}
	if (!ok)
		dkim_private_close(&k);
	else
		*ret = k;
	return ok;
}

bool dkim_private_load(struct str pem, struct dkim_private *ret, struct err *e)
{
	EVP_PKEY *key;

	return private_key_read(pem, &key, e) && take(key, ret, e);
}

bool dkim_private_load_der(struct str der, struct dkim_private *ret, struct err *e)
{
	const unsigned char *p = (const unsigned char *)der.p;

	if (der.n > DKIM_PRIVATE_BITS_MAX)
		return fail(e, FAULT_PERM, "the key is too long");
	return take(d2i_AutoPrivateKey(NULL, &p, (long)der.n), ret, e);
}

bool dkim_private_make(enum dkim_algorithm algorithm, struct dkim_private *ret, struct err *e)
{
	EVP_PKEY *key = algorithm == DKIM_RSA_SHA256 ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (!key) {
		ERR_clear_error();
		return fail(e, FAULT_TEMP, "a key could not be made");
	}
	return take(key, ret, e);
}

void dkim_private_close(struct dkim_private *k)
{
	EVP_PKEY_CTX_free(k->rsa);
	EVP_PKEY_free(k->key);
	*k = (struct dkim_private){ 0 };
}

bool dkim_private_der(const struct dkim_private *k, struct buf *to, struct err *e)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(k->key);
	unsigned char *der = NULL;
	int n = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;

	if (n > 0)
		buf_add(to, str_of(der, (size_t)n));
	if (der)
		OPENSSL_clear_free(der, (size_t)(n > 0 ? n : 0));
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	return (n > 0 && !to->full) || fail(e, FAULT_TEMP, "no memory for a key");
}

/* PureEdDSA over the hash (RFC 8463 §3). */
static bool ed25519_sign(EVP_PKEY *key, struct str hash, unsigned char *to, size_t *n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) > 0 &&
		  EVP_DigestSign(ctx, to, n, (const unsigned char *)hash.p, hash.n) > 0;

	EVP_MD_CTX_free(ctx);
	return ok;
}

bool dkim_private_sign(const struct dkim_private *k, struct str hash, struct buf *to, struct err *e)
{
	unsigned char signature[DKIM_B_MAX];
	size_t n = sizeof(signature);
	bool ok;

	if (hash.n != HASH)
		return fail(e, FAULT_PEER, "a hash of %zu octets", hash.n);
	ok = k->rsa ? EVP_PKEY_sign(k->rsa, signature, &n, (const unsigned char *)hash.p, hash.n) > 0
		    : ed25519_sign(k->key, hash, signature, &n);
	ERR_clear_error();
	if (!ok)
		return fail(e, FAULT_TEMP, "the signature failed");
	buf_add(to, str_of(signature, n));
	return !to->full || fail(e, FAULT_TEMP, "no room for the signature");
}

/* RSA as SubjectPublicKeyInfo, as everybody publishes it; Ed25519 as its 32 octets. */
static bool public_add(const struct dkim_private *k, struct buf *to)
{
	unsigned char raw[ED25519], *der = NULL;
	size_t n = sizeof(raw);
	int length;

	if (!k->rsa) {
		if (EVP_PKEY_get_raw_public_key(k->key, raw, &n) <= 0)
			return false;
		base64_add(to, str_of(raw, n));
		return true;
	}
	length = i2d_PUBKEY(k->key, &der);
	if (length > 0)
		base64_add(to, str_of(der, (size_t)length));
	OPENSSL_free(der);
	return length > 0;
}

bool dkim_private_record(const struct dkim_private *k, bool is_testing, bool is_strict, struct buf *to, struct err *e)
{
	bool ok;

	buf_addf(to, "v=DKIM1; k=%s; ", k->rsa ? "rsa" : "ed25519");
	if (is_testing || is_strict)
		buf_addf(to, "t=%s%s%s; ", is_testing ? "y" : "", is_testing && is_strict ? ":" : "", is_strict ? "s" : "");
	buf_add(to, S("p="));
	ok = public_add(k, to);
	ERR_clear_error();
	return (ok && !to->full) || fail(e, FAULT_TEMP, "no memory for a key record");
}
