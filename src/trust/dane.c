/* dane.c — TLSA records of mail servers; see dane.h. */
#include "trust/dane.h"

#include "base/rnd.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { USAGE_TA = 2, USAGE_EE = 3, SELECTOR_LAST = 1, MATCHING_LAST = 2, SHA256_SIZE = 32, SHA512_SIZE = 64, HOST_MAX = 254 };

bool dane_is_usable(const struct dns_tlsa *r)
{
	static const size_t sizes[MATCHING_LAST + 1] = { 0, SHA256_SIZE, SHA512_SIZE };

	return (r->usage == USAGE_TA || r->usage == USAGE_EE) && r->selector <= SELECTOR_LAST &&
	       r->matching <= MATCHING_LAST && r->data.n > 0 &&
	       (r->matching == 0 || r->data.n == sizes[r->matching]);
}

const char *dane_kind_name(enum dane_kind kind)
{
	static const char *const names[] = { "none", "encrypt", "verify", "defer" };

	return (unsigned)kind < ARRAY_LEN(names) ? names[kind] : "?";
}

enum dane_kind dane_judge(bool is_certain, bool is_secure, const struct dns_tlsa *p, size_t n)
{
	if (!is_certain)
		return DANE_DEFER;
	if (!is_secure || n == 0)
		return DANE_NONE;
	for (size_t i = 0; i < n && i < DANE_RECORDS_MAX; i++)
		if (dane_is_usable(&p[i]))
			return DANE_VERIFY;
	return DANE_ENCRYPT;
}

static bool name_z(struct str name, char z[HOST_MAX])
{
	if (name.n == 0 || name.n >= HOST_MAX || str_has(name, '\0'))
		return false;
	memcpy(z, name.p, name.n);
	z[name.n] = '\0';
	return true;
}

bool dane_demand(struct ssl_st *ssl, struct str base, const struct str *also, size_t n_also, const struct dns_tlsa *p,
		 size_t n, struct err *e)
{
	size_t usable = 0;
	char z[HOST_MAX];
	bool ok = name_z(base, z) && SSL_dane_enable(ssl, z) > 0;

	for (size_t i = 0; ok && i < n_also; i++)
		ok = name_z(also[i], z) && SSL_add1_host(ssl, z) > 0;
	for (size_t i = 0; ok && i < n && i < DANE_RECORDS_MAX; i++) {
		int rc = 0;

		/* a certificate that cannot be read is one record of no use */
		if (dane_is_usable(&p[i]))
			rc = SSL_dane_tlsa_add(ssl, p[i].usage, p[i].selector, p[i].matching,
					       (const unsigned char *)p[i].data.p, p[i].data.n);
		usable += rc > 0;
		ok = rc >= 0;
	}
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	ERR_clear_error();
	if (!ok)
		return fail(e, FAULT_TEMP, "the TLSA records cannot be used");
	return usable > 0 || fail(e, FAULT_TEMP, "none of the TLSA records can be read");
}

/* A sum, so that the order does not count.  Without memory it is like no other. */
static void terms_add(unsigned char kind, struct str a, struct str b, uint64_t sum[DANE_TERMS / 8])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint64_t one[SHA256_SIZE / 8];

	if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL) || !EVP_DigestUpdate(md, &kind, 1) ||
	    !EVP_DigestUpdate(md, a.p, a.n) || !EVP_DigestUpdate(md, b.p, b.n) ||
	    !EVP_DigestFinal_ex(md, (unsigned char *)one, NULL))
		for (size_t i = 0; i < ARRAY_LEN(one); i++)
			one[i] = rnd_u64();
	for (size_t i = 0; i < ARRAY_LEN(one); i++)
		sum[i] += one[i];
	EVP_MD_CTX_free(md);
}

void dane_terms(const struct str *also, size_t n_also, const struct dns_tlsa *p, size_t n, unsigned char ret[DANE_TERMS])
{
	uint64_t sum[DANE_TERMS / 8] = { 0 };
	bool looks_at_names = false;

	for (size_t i = 0; i < n && i < DANE_RECORDS_MAX; i++) {
		const char head[3] = { (char)p[i].usage, (char)p[i].selector, (char)p[i].matching };

		terms_add('r', str_of(head, sizeof(head)), p[i].data, sum);
		looks_at_names |= p[i].usage == USAGE_TA;
	}
	for (size_t i = 0; looks_at_names && i < n_also; i++)
		terms_add('n', also[i], S(""), sum);
	memcpy(ret, sum, sizeof(sum));
}
