/* dane_test.c — which TLSA records count (RFC 7672 §2.2, §3.1), and that certificates are held against them. */
#include "trust/dane.h"

#include "base/attr.h"
#include "fiber/certificate_fixture.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SHA256 S("0123456789abcdef0123456789abcdef")
#define SHA512 S("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

static void test_judge(void **state)
{
	static const struct {
		bool is_certain;
		bool is_secure;
		struct dns_tlsa r[2];
		size_t n;
		enum dane_kind kind;
	} rows[] = {
		{ true, true, { { 3, 1, 1, SHA256 } }, 1, DANE_VERIFY },
		{ true, true, { { 2, 0, 2, SHA512 } }, 1, DANE_VERIFY },
		{ true, true, { { 3, 0, 0, S("x") } }, 1, DANE_VERIFY },
		{ true, false, { { 3, 1, 1, SHA256 } }, 1, DANE_NONE },
		/* PKIX-TA and PKIX-EE are of no use to SMTP */
		{ true, true, { { 0, 1, 1, SHA256 }, { 1, 1, 1, SHA256 } }, 2, DANE_ENCRYPT },
		{ true, true, { { 1, 1, 1, SHA256 }, { 3, 1, 1, SHA256 } }, 2, DANE_VERIFY },
		{ true, true, { { 3, 2, 1, SHA256 } }, 1, DANE_ENCRYPT },
		{ true, true, { { 3, 1, 3, SHA256 } }, 1, DANE_ENCRYPT },
		{ true, true, { { 3, 1, 1, SHA512 } }, 1, DANE_ENCRYPT },
		{ true, true, { { 3, 1, 0, S("") } }, 1, DANE_ENCRYPT },
		{ true, true, { { 255, 1, 1, SHA256 } }, 1, DANE_ENCRYPT },
		{ true, true, { { 0 } }, 0, DANE_NONE },
		{ true, true, { { 0 } }, 0, DANE_NONE },
		{ true, true, { { 0 } }, 0, DANE_NONE },
		{ true, false, { { 0 } }, 0, DANE_NONE },
		/* who can hide the records would else turn DANE off */
		{ false, false, { { 0 } }, 0, DANE_DEFER },
		{ false, false, { { 0 } }, 0, DANE_DEFER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (dane_judge(rows[i].is_certain, rows[i].is_secure, rows[i].r, rows[i].n) != rows[i].kind)
			fail_msg("row %zu", i);
}

#define X { 3, 1, 1, SHA256 }
#define Y { 2, 0, 2, SHA512 }

static void test_terms(void **state)
{
	static const struct dns_tlsa y = Y;
	static const struct {
		struct dns_tlsa r[3];
		size_t n;
		struct str also;
		bool is_same;    /* as the first row */
	} rows[] = {
		{ { X, { 3, 0, 1, SHA256 } }, 2, S("a.test"), true }, { { { 3, 0, 1, SHA256 }, X }, 2, S("a.test"), true },
		/* DANE-EE looks at no name */
		{ { X, { 3, 0, 1, SHA256 } }, 2, S("b.test"), true },
		{ { X }, 1, S("a.test"), false }, { { X, X }, 2, S("a.test"), false }, { { { 0 } }, 0, S("a.test"), false },
		{ { X, { 3, 0, 1, SHA256 }, Y }, 3, S("a.test"), false }, { { X, { 3, 0, 2, SHA256 } }, 2, S("a.test"), false },
		{ { X, { 3, 0, 1, S("0123456789abcdef0123456789abcdeF") } }, 2, S("a.test"), false },
	};
	unsigned char first[DANE_TERMS], other[DANE_TERMS], named[DANE_TERMS];
	struct str a = S("a.test"), b = S("b.test");

	(void)state;
	dane_terms(&rows[0].also, 1, rows[0].r, rows[0].n, first);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		dane_terms(&rows[i].also, 1, rows[i].r, rows[i].n, other);
		if ((memcmp(first, other, sizeof(first)) == 0) != rows[i].is_same)
			fail_msg("row %zu", i);
	}
	dane_terms(&a, 1, &y, 1, named);
	dane_terms(&b, 1, &y, 1, other);
	assert_memory_not_equal(named, other, sizeof(other));
	dane_terms(&a, 1, &y, 1, other);
	assert_memory_equal(named, other, sizeof(other));
}
#undef X
#undef Y

static SSL *session(SSL_CTX *ctx, bool is_client)
{
	SSL *ssl = SSL_new(ctx);

	must(ssl, "a session");
	if (is_client)
		SSL_set_connect_state(ssl);
	else
		SSL_set_accept_state(ssl);
	return ssl;
}

/* The client's verdict about that server, by the one record. */
static bool handshake(const struct issued *leaf, const struct issued *ca, struct str base, struct str also,
		      const struct dns_tlsa *r)
{
	SSL_CTX *sc = SSL_CTX_new(TLS_server_method()), *cc = SSL_CTX_new(TLS_client_method());
	SSL *server, *client;
	BIO *a, *b;
	struct err e;
	bool ok;

	must(SSL_CTX_use_certificate(sc, leaf->x) && SSL_CTX_use_PrivateKey(sc, leaf->key), "a server");
	if (ca)
		SSL_CTX_add1_chain_cert(sc, ca->x);
	SSL_CTX_dane_enable(cc);
	SSL_CTX_dane_set_flags(cc, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	server = session(sc, false);
	client = session(cc, true);
	BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	ok = dane_demand(client, base, &also, also.n ? 1 : 0, r, 1, &e);
	for (int i = 0; ok && i < 10 && !SSL_is_init_finished(client); i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	ok = ok && SSL_is_init_finished(client) && SSL_get_verify_result(client) == X509_V_OK;
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(sc);
	SSL_CTX_free(cc);
	ERR_clear_error();
	return ok;
}

static void test_certificates(void **state)
{
	AUTO(issued_end) struct issued ca = fixture_issue("P-256", "root", NULL, NULL, -1, 10);
	AUTO(issued_end) struct issued leaf = fixture_issue("P-256", "mx", "DNS:mx.example.net", &ca, -1, 10);
	AUTO(issued_end) struct issued old = fixture_issue("P-256", "mx", "DNS:other.example", &ca, -10, -5);
	unsigned char leaf_hash[32], ca_hash[32], old_hash[32];
	struct str by_leaf = str_of(leaf_hash, 32), by_ca = str_of(ca_hash, 32), by_old = str_of(old_hash, 32);

	(void)state;
	X509_digest(leaf.x, EVP_sha256(), leaf_hash, NULL);
	X509_digest(ca.x, EVP_sha256(), ca_hash, NULL);
	X509_digest(old.x, EVP_sha256(), old_hash, NULL);
	assert_true(handshake(&leaf, NULL, S("mx.example.net"), S(""), &(struct dns_tlsa){ 3, 0, 1, by_leaf }));
	assert_false(handshake(&leaf, NULL, S("mx.example.net"), S(""), &(struct dns_tlsa){ 3, 0, 1, by_ca }));
	/* DANE-EE: neither the name nor the date counts (§3.1.1) */
	assert_true(handshake(&old, NULL, S("mx.example.net"), S(""), &(struct dns_tlsa){ 3, 0, 1, by_old }));
	/* DANE-TA: both do (§3.1.2) */
	assert_true(handshake(&leaf, &ca, S("mx.example.net"), S(""), &(struct dns_tlsa){ 2, 0, 1, by_ca }));
	assert_true(handshake(&leaf, &ca, S("mx.example.org"), S("mx.example.net"), &(struct dns_tlsa){ 2, 0, 1, by_ca }));
	assert_false(handshake(&leaf, &ca, S("mx.example.org"), S(""), &(struct dns_tlsa){ 2, 0, 1, by_ca }));
	assert_false(handshake(&old, &ca, S("other.example"), S(""), &(struct dns_tlsa){ 2, 0, 1, by_ca }));
	/* a record that no certificate can be read from */
	assert_false(handshake(&leaf, &ca, S("mx.example.net"), S(""), &(struct dns_tlsa){ 2, 0, 0, S("nonsense") }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
