/* certificate_fixture.h — small authorities for tests. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

struct issued {
	EVP_PKEY *key;
	X509 *x;
};

static inline void issued_end(struct issued *i)
{
	X509_free(i->x);
	EVP_PKEY_free(i->key);
}

static inline EVP_PKEY *fixture_key(const char *kind)
{
	if (strcmp(kind, "RSA") == 0)
		return EVP_RSA_gen(2048);
	if (strcmp(kind, "RSA1024") == 0)
		return EVP_RSA_gen(1024);
	if (strcmp(kind, "ED25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_EC_gen(kind);
}

static inline void fixture_extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	must(ext && X509_add_ext(x, ext, -1) > 0, "an extension of a test certificate");
	X509_EXTENSION_free(ext);
}

/* A certificate for cn, signed by `by` (NULL: by itself); san NULL: an authority.  It is valid
 * from `from` to `to` days from now. */
static inline struct issued fixture_issue(const char *kind, const char *cn, const char *san,
	const struct issued *by, int from, int to)
{
	struct issued i = { .key = fixture_key(kind), .x = X509_new() };
	const struct issued *signer = by ? by : &i;
	bool is_pure = EVP_PKEY_is_a(signer->key, "ED25519");
	static long serial = 1000;

	must(i.key && i.x, "a test certificate");
	X509_set_version(i.x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(i.x), serial++);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(i.x), "CN", MBSTRING_ASC,
		(const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(i.x, X509_get_subject_name(signer->x));
	X509_set_pubkey(i.x, i.key);
	X509_time_adj_ex(X509_getm_notBefore(i.x), from, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(i.x), to, 0, NULL);
	fixture_extend(i.x, NID_basic_constraints, san ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (san)
		fixture_extend(i.x, NID_subject_alt_name, san);
	must(X509_sign(i.x, signer->key, is_pure ? NULL : EVP_sha256()) > 0, "a test signature");
	return i;
}

static inline void fixture_take(BIO *b, struct buf *to)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	buf_add(to, str_of(p, (size_t)n));
	BIO_free(b);
}

static inline void fixture_cert(struct buf *to, const struct issued *i)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(b, i->x);
	fixture_take(b, to);
}

static inline void fixture_private(struct buf *to, const struct issued *i, const char *passphrase)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_PKCS8PrivateKey(b, i->key, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
		passphrase ? (int)strlen(passphrase) : 0, NULL, NULL);
	fixture_take(b, to);
}
