/* dane.c — TLSA records of mail servers; see dane.h. */
#include "trust/dane.h"

#include <openssl/err.h>
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
