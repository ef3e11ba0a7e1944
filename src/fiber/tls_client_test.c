/* tls_client_test.c — whom a client believes, and when a session is resumed (attack B26). */
#include "fiber/tls_client.h"

#include "fiber/certificate_fixture.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static SSL_CTX *server_of(const struct issued *leaf)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	must(SSL_CTX_use_certificate(ctx, leaf->x) > 0 && SSL_CTX_use_PrivateKey(ctx, leaf->key) > 0, "a server");
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
	return ctx;
}

struct verdict {
	bool shook, verified, resumed;
};

static struct verdict call(struct tls_client *t, SSL_CTX *ctx, struct str host, enum tls_trust trust, struct str key)
{
	struct verdict v = { 0 };
	SSL *server = SSL_new(ctx), *client;
	BIO *a, *b;
	struct err e;
	char octet;

	client = tls_client_session(t, host, trust, key, &e);
	must(server && client, "sessions");
	SSL_set_accept_state(server);
	BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	for (int i = 0; i < 10 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	v.shook = SSL_is_init_finished(client) && SSL_is_init_finished(server);
	/* the ticket comes with the first octets */
	if (v.shook && SSL_write(server, "x", 1) == 1)
		SSL_read(client, &octet, 1);
	v.verified = v.shook && tls_client_is_verified(client);
	v.resumed = v.shook && tls_client_is_resumed(client);
	SSL_shutdown(client);
	SSL_free(server);
	tls_client_drop(client);
	ERR_clear_error();
	return v;
}

static struct tls_client *client_with(const struct issued *ca)
{
	struct buf pem = buf_on_heap(65536);
	struct tls_client *t;
	struct err e;
	size_t n;

	buf_add(&pem, S("# a comment\n"));
	fixture_cert(&pem, ca);
	t = tls_client_open(&e);
	must(t && tls_client_set_roots(t, buf_str(&pem), &n, &e) && n == 1, "a client");
	buf_end(&pem);
	return t;
}

static void test_trust(void **state)
{
	AUTO(issued_end) struct issued ca = fixture_issue("P-256", "root", NULL, NULL, -1, 10);
	AUTO(issued_end) struct issued other = fixture_issue("P-256", "other", NULL, NULL, -1, 10);
	AUTO(issued_end) struct issued good = fixture_issue("P-256", "mx", "DNS:mx.example.net,DNS:*.wild.example,IP:192.0.2.1", &ca, -1, 10);
	AUTO(issued_end) struct issued old = fixture_issue("P-256", "mx", "DNS:mx.example.net", &ca, -10, -5);
	AUTO(issued_end) struct issued foreign = fixture_issue("P-256", "mx", "DNS:mx.example.net", &other, -1, 10);
	struct tls_client *t = client_with(&ca);
	const struct {
		const struct issued *leaf;
		struct str host;
		bool fits;
	} rows[] = {
		{ &good, S("mx.example.net"), true }, { &good, S("MX.Example.Net"), true }, { &good, S("a.wild.example"), true },
		{ &good, S("a.b.wild.example"), false }, { &good, S("wild.example"), false }, { &good, S("192.0.2.1"), true },
		{ &good, S("192.0.2.2"), false }, { &good, S("example.net"), false }, { &old, S("mx.example.net"), false },
		{ &foreign, S("mx.example.net"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		SSL_CTX *ctx = server_of(rows[i].leaf);
		struct verdict strict = call(t, ctx, rows[i].host, TLS_TRUST_ROOTS, S(""));
		struct verdict loose = call(t, ctx, rows[i].host, TLS_TRUST_ANYBODY, S(""));

		if (strict.shook != rows[i].fits || strict.verified != rows[i].fits || !loose.shook || loose.verified != rows[i].fits)
			fail_msg("row %zu", i);
		SSL_CTX_free(ctx);
	}
	tls_client_close(t);
}

static void test_B26_resumption(void **state)
{
	AUTO(issued_end) struct issued ca = fixture_issue("P-256", "root", NULL, NULL, -1, 10);
	AUTO(issued_end) struct issued good = fixture_issue("P-256", "mx", "DNS:mx.example.net", &ca, -1, 10);
	struct tls_client *t = client_with(&ca);
	SSL_CTX *ctx = server_of(&good);
	struct buf pem = buf_on_heap(65536);
	struct str host = S("mx.example.net");
	struct err e;
	size_t n;

	(void)state;
	assert_false(call(t, ctx, host, TLS_TRUST_ROOTS, S("a")).resumed);
	assert_true(call(t, ctx, host, TLS_TRUST_ROOTS, S("a")).resumed);
	assert_true(call(t, ctx, host, TLS_TRUST_ROOTS, S("a")).verified);
	/* another key: other terms, another name, another address */
	assert_false(call(t, ctx, host, TLS_TRUST_ROOTS, S("b")).resumed);
	assert_false(call(t, ctx, host, TLS_TRUST_ROOTS, S("")).resumed);
	/* other roots: who was believed by the old ones is asked anew */
	fixture_cert(&pem, &ca);
	assert_true(tls_client_set_roots(t, buf_str(&pem), &n, &e));
	assert_false(call(t, ctx, host, TLS_TRUST_ROOTS, S("a")).resumed);
	assert_false(tls_client_set_roots(t, S("nothing"), &n, &e));
	assert_true(call(t, ctx, host, TLS_TRUST_ROOTS, S("a")).resumed);
	buf_end(&pem);
	SSL_CTX_free(ctx);
	tls_client_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_trust), cmocka_unit_test(test_B26_resumption) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
