/* private_key.c — private keys; see private_key.h. */
#include "fiber/private_key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum {
	KEY_PEM_MAX = 32 * 1024,
	SECURE_HEAP = 512 * 1024,        /* a power of two; an RSA-4096 key takes 4 KiB */
	SECURE_HEAP_LEAST = 32,
};

static const struct scheme {
	enum sign_scheme scheme;
	const char *type;
	const EVP_MD *(*md)(void);
	size_t digest_size;      /* 0: a message of 1 … SIGN_MESSAGE_MAX bytes */
	bool is_pss;
} schemes[] = {
	{ SIGN_ECDSA_SHA256, "EC", EVP_sha256, 32, false },
	{ SIGN_ECDSA_SHA384, "EC", EVP_sha384, 48, false },
	{ SIGN_ECDSA_SHA512, "EC", EVP_sha512, 64, false },
	{ SIGN_RSA_PSS_SHA256, "RSA", EVP_sha256, 32, true },
	{ SIGN_RSA_PSS_SHA384, "RSA", EVP_sha384, 48, true },
	{ SIGN_RSA_PSS_SHA512, "RSA", EVP_sha512, 64, true },
	{ SIGN_RSA_SHA256, "RSA", EVP_sha256, 32, false },
	{ SIGN_RSA_SHA384, "RSA", EVP_sha384, 48, false },
	{ SIGN_RSA_SHA512, "RSA", EVP_sha512, 64, false },
	{ SIGN_ED25519, "ED25519", NULL, 0, false },
};

void private_key_memory(void)
{
	/* no openssl.cnf: a confined role may not open files */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	/* OpenSSL puts the secret numbers of keys there by itself: guarded, MADV_DONTDUMP,
	 * mlock as far as the limit goes; without it ordinary memory is used */
	CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_HEAP_LEAST);
}

void private_key_end(struct evp_pkey_st **key)
{
	EVP_PKEY_free(*key);
	*key = NULL;
}

void private_bytes_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

/* Instead of asking on the terminal. */
static int no_passphrase(char *to, int size, int writing, void *asked)
{
	(void)to, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

static bool key_accept(EVP_PKEY *key, struct err *e)
{
	int bits = EVP_PKEY_get_bits(key);
	char group[32] = "";

	if (EVP_PKEY_is_a(key, "ED25519"))
		return true;
	if (EVP_PKEY_is_a(key, "RSA")) {
		if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX)
			return true;
		return fail(e, FAULT_PERM, "an RSA key of %d bits; 2048 to 8192 are taken", bits);
	}
	if (!EVP_PKEY_is_a(key, "EC"))
		return fail(e, FAULT_PERM, "the key is of a kind that is not taken (RSA, ECDSA, Ed25519)");
	EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
	if (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0)
		return true;
	return fail(e, FAULT_PERM, "the key is on a curve that is not taken (P-256, P-384)");
}

bool private_key_read(struct str pem, struct evp_pkey_st **ret, struct err *e)
{
	bool asked = false;
	AUTO(private_key_end) EVP_PKEY *key = NULL;
	BIO *in;

	if (pem.n > KEY_PEM_MAX)
		return fail(e, FAULT_PERM, "the key file is larger than 32 KiB");
	if (str_find_str(pem, S("PRIVATE KEY-----")) == pem.n)
		return fail(e, FAULT_PERM, "there is no private key in PEM form");
	in = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (!in)
		return fail(e, FAULT_TEMP, "no memory for a key");
	key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, &asked);
	BIO_free(in);
	ERR_clear_error();
	if (asked)
		return fail(e, FAULT_PERM, "the key is protected by a passphrase");
	if (!key)
		return fail(e, FAULT_PERM, "the key is damaged, or half a PEM block");
	*ret = key;
	key = NULL;
	return true;
}

bool private_key_load(struct str pem, struct evp_pkey_st **ret, struct err *e)
{
	AUTO(private_key_end) EVP_PKEY *key = NULL;

	if (!private_key_read(pem, &key, e) || !key_accept(key, e))
		return false;
	*ret = key;
	key = NULL;
	return true;
}

enum sign_scheme sign_scheme_of(const char *type, size_t digest_size, bool is_pss)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strcmp(schemes[i].type, type) == 0 && schemes[i].digest_size == digest_size &&
		    schemes[i].is_pss == is_pss)
			return schemes[i].scheme;
	return SIGN_NONE;
}

static const struct scheme *scheme_find(uint32_t scheme)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (schemes[i].scheme == scheme)
			return &schemes[i];
	return NULL;
}

/* The key signs a ready digest; RSA is padded here. */
static bool sign_digest(EVP_PKEY *key, const struct scheme *s, struct str digest,
	unsigned char *to, size_t *n)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool is_rsa = strcmp(s->type, "RSA") == 0;
	bool ok = ctx && EVP_PKEY_sign_init(ctx) > 0;

	if (ok && is_rsa)
		ok = EVP_PKEY_CTX_set_rsa_padding(ctx,
			s->is_pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) > 0;
	ok = ok && EVP_PKEY_CTX_set_signature_md(ctx, s->md()) > 0;
	if (ok && s->is_pss)
		ok = EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	ok = ok && EVP_PKEY_sign(ctx, to, n, (const unsigned char *)digest.p, digest.n) > 0;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool sign_message(EVP_PKEY *key, struct str message, unsigned char *to, size_t *n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) > 0 &&
		EVP_DigestSign(ctx, to, n, (const unsigned char *)message.p, message.n) > 0;

	EVP_MD_CTX_free(ctx);
	return ok;
}

bool private_key_sign(struct evp_pkey_st *key, uint32_t scheme, struct str digest, struct buf *to,
	struct err *e)
{
	const struct scheme *s = scheme_find(scheme);
	unsigned char sig[SIGNATURE_MAX];
	size_t n = sizeof(sig);
	bool ok;

	if (!s || !EVP_PKEY_is_a(key, s->type))
		return fail(e, FAULT_PEER, "signature scheme %04x is not one of this key", scheme);
	if (s->digest_size ? digest.n != s->digest_size : digest.n == 0 || digest.n > SIGN_MESSAGE_MAX)
		return fail(e, FAULT_PEER, "a digest of %zu bytes for scheme %04x", digest.n, scheme);
	ok = s->digest_size ? sign_digest(key, s, digest, sig, &n) : sign_message(key, digest, sig, &n);
	ERR_clear_error();
	if (!ok)
		return fail(e, FAULT_TEMP, "the signature failed");
	buf_add(to, str_of(sig, n));
	return !to->full || fail(e, FAULT_TEMP, "no room for the signature");
}
