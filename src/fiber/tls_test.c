/* tls_test.c — handshakes with an OpenSSL client in another fiber; the attacks of B1, B6, B14,
 * B24, B25, B27, B28. */
#include "base/rnd.h"
#include "base/time.h"
#include "fiber/certificate.h"
#include "fiber/certificate_fixture.h"
#include "fiber/conn.h"
#include "fiber/fiber.h"
#include "fiber/line.h"
#include "fiber/private_key.h"
#include "fiber/tls.h"
#include "fiber/tls_key_provider.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* cmocka has a fail() of its own */
static bool keys_gone(struct err *e)
{
	return fail(e, FAULT_TEMP, "keys is gone");
}

#include <cmocka.h>

/* One per kind of key; key_id is the index. */
enum { RSA_2048, EC_256, EC_384, ED_25519, WILD, RENEWED, IDENTITIES };

static const struct {
	const char *kind, *san;
} made[IDENTITIES] = {
	[RSA_2048] = { "RSA", "DNS:rsa.example" },
	[EC_256] = { "P-256", "DNS:ec.example,DNS:ec2.example" },
	[EC_384] = { "P-384", "DNS:p384.example" },
	[ED_25519] = { "ED25519", "DNS:ed.example" },
	[WILD] = { "P-256", "DNS:*.wild.example" },
	[RENEWED] = { "P-256", "DNS:ec.example" },
};
static struct issued issued[IDENTITIES];
static struct certificate certificates[IDENTITIES];

/* ---- the signer ---- */

enum how { HOW_SLOWLY, HOW_FAILING, HOW_NEVER, HOW_GARBAGE };

static struct signing {
	enum how how;
	size_t asked, at_once, most_at_once;
} signing;

SUSPENDS static bool sign(void *ctx, uint32_t key_id, uint32_t scheme, struct str digest,
	struct buf *to, struct err *e)
{
	struct signing *s = ctx;
	bool ok;

	s->asked++;
	if (++s->at_once > s->most_at_once)
		s->most_at_once = s->at_once;
	ok = fiber_sleep(s->how == HOW_NEVER ? HOUR : 2 * MILLISECOND, e);
	s->at_once--;
	if (!ok)
		return false;
	if (s->how == HOW_FAILING)
		return keys_gone(e);
	if (s->how == HOW_GARBAGE) {
		buf_add(to, S("not a signature"));
		return true;
	}
	return private_key_sign(issued[key_id].key, scheme, digest, to, e);
}

static const struct tls_signer signer = { sign, &signing };
static struct tls_server *server;

static void serve_with(const int *which, size_t n)
{
	struct tls_identity list[IDENTITIES];
	struct err e;

	for (size_t i = 0; i < n; i++)
		list[i] = (struct tls_identity){ &certificates[which[i]], (uint32_t)which[i] };
	if (!tls_server_set(server, list, n, &e))
		fail_msg("%s", e.text);
	signing = (struct signing){ 0 };
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	server = tls_server_open(&signer);
	for (size_t i = 0; i < IDENTITIES; i++) {
		AUTO(buf_end) struct buf pem = buf_on_heap(1 << 16);
		struct err e;

		issued[i] = fixture_issue(made[i].kind, "x", made[i].san, NULL, -1, 90);
		fixture_cert(&pem, &issued[i]);
		assert_true(certificate_load(buf_str(&pem), issued[i].key, &certificates[i], &e));
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tls_server_close(server);
	for (size_t i = 0; i < IDENTITIES; i++) {
		certificate_end(&certificates[i]);
		issued_end(&issued[i]);
	}
	return 0;
}

/* ---- one conversation ---- */

struct talk {
	/* the client's wishes */
	const char *sni, *ciphers, *suites, *groups, *sigalgs;
	int min, max;            /* versions; 0: OpenSSL's own */
	bool ask_ticket;
	bool quit_early;         /* closes right after its first flight */
	size_t renegotiate;      /* so many times */
	size_t stay;             /* exchanges one line each 1 ms */
	/* what came of it */
	bool client_ok, server_ok;
	int seen;                /* which identity the client was shown, -1 none */
	int echoes;
	char version[16], cipher[64], sni_seen[80];
	struct err e;
	int fd[2];
};

SUSPENDS static bool client_wait(SSL *ssl, int r)
{
	struct err e;
	int why = SSL_get_error(ssl, r);

	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		return false;
	return fd_wait(SSL_get_fd(ssl), why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, "client", &e);
}

SUSPENDS static bool client_connect(SSL *ssl)
{
	int r;

	do {
		ERR_clear_error();
		r = SSL_connect(ssl);
	} while (r <= 0 && client_wait(ssl, r));
	return r == 1;
}

/* Say something and hear it again. */
SUSPENDS static bool client_echo(SSL *ssl)
{
	char got[32];
	int r;

	ERR_clear_error();
	if (SSL_write(ssl, "hello\r\n", 7) != 7)
		return false;
	do {
		ERR_clear_error();
		r = SSL_read(ssl, got, sizeof(got));
	} while (r <= 0 && client_wait(ssl, r));
	return r == 7 && memcmp(got, "hello\r\n", 7) == 0;
}

static int identity_seen(SSL *ssl)
{
	X509 *x = SSL_get0_peer_certificate(ssl);

	for (int i = 0; x && i < IDENTITIES; i++)
		if (X509_cmp(x, issued[i].x) == 0)
			return i;
	return -1;
}

static SSL_CTX *client_context(const struct talk *t)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, t->min);
	SSL_CTX_set_max_proto_version(ctx, t->max);
	if (t->ciphers)
		assert_true(SSL_CTX_set_cipher_list(ctx, t->ciphers));
	if (t->suites)
		assert_true(SSL_CTX_set_ciphersuites(ctx, t->suites));
	if (t->groups)
		assert_true(SSL_CTX_set1_groups_list(ctx, t->groups));
	if (t->sigalgs)
		assert_true(SSL_CTX_set1_sigalgs_list(ctx, t->sigalgs));
	return ctx;
}

SUSPENDS static void client_run(void *arg)
{
	struct talk *t = arg;
	SSL_CTX *ctx = client_context(t);
	SSL *ssl = SSL_new(ctx);
	struct err e;

	assert_true(SSL_set_fd(ssl, t->fd[1]));
	if (t->sni)
		SSL_set_tlsext_host_name(ssl, t->sni);
	if (t->quit_early) {
		SSL_connect(ssl);
	} else if (client_connect(ssl)) {
		t->client_ok = true;
		t->seen = identity_seen(ssl);
		for (size_t i = 0; t->client_ok && i < t->renegotiate; i++) {
			SSL_renegotiate(ssl);
			t->client_ok = SSL_do_handshake(ssl) == 1 || SSL_get_error(ssl, -1) != SSL_ERROR_SSL;
		}
		for (size_t i = 0; t->client_ok && i <= t->stay; i++) {
			t->client_ok = client_echo(ssl) && (!t->stay || fiber_sleep(MILLISECOND, &e));
			t->echoes += t->client_ok;
		}
		if (t->ask_ticket)
			t->client_ok = !SSL_session_reused(ssl) && !SSL_SESSION_has_ticket(SSL_get_session(ssl));
	}
	ERR_clear_error();
	SSL_shutdown(ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	fd_wait_forget(t->fd[1]);
	close(t->fd[1]);
}

static void note(char *to, size_t size, struct str s)
{
	snprintf(to, size, STR_FMT, STR_ARG(s));
}

SUSPENDS static void server_run(void *arg)
{
	struct talk *t = arg;
	struct tls_facts facts;
	struct line line;
	struct conn c;

	conn_init(&c, t->fd[0]);
	t->server_ok = conn_start_tls(&c, server, &t->e);
	facts = conn_tls_facts(&c);
	note(t->version, sizeof(t->version), facts.version);
	note(t->cipher, sizeof(t->cipher), facts.cipher);
	note(t->sni_seen, sizeof(t->sni_seen), facts.sni);
	while (t->server_ok && line_read(&c, 100, &line, &t->e))
		if (!conn_put(&c, line.text, &t->e) || !conn_put(&c, S("\r\n"), &t->e))
			break;
	conn_close(&c);
}

static void talk_start(struct nursery *n, struct talk *t)
{
	t->seen = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, t->fd), 0);
	assert_true(fiber_start(n, "server", server_run, t));
	assert_true(fiber_start(n, "client", client_run, t));
}

SUSPENDS static void talk_main(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	struct err e;

	talk_start(&n, arg);
	assert_true(nursery_join(&n, &e));
}

static struct talk talk(struct talk t)
{
	loop_run(talk_main, &t);
	return t;
}

/* ---- tests ---- */

static void test_kinds_and_versions(void **state)
{
	static const struct row {
		int id, version;
		const char *name, *cipher;
	} rows[] = {
		{ RSA_2048, TLS1_2_VERSION, "TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384" },
		{ RSA_2048, TLS1_3_VERSION, "TLSv1.3", "TLS_AES_256_GCM_SHA384" },
		{ EC_256, TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384" },
		{ EC_256, TLS1_3_VERSION, "TLSv1.3", "TLS_AES_256_GCM_SHA384" },
		{ EC_384, TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384" },
		{ EC_384, TLS1_3_VERSION, "TLSv1.3", "TLS_AES_256_GCM_SHA384" },
		{ ED_25519, TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384" },
		{ ED_25519, TLS1_3_VERSION, "TLSv1.3", "TLS_AES_256_GCM_SHA384" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct talk t;

		serve_with(&r->id, 1);
		t = talk((struct talk){ .sni = "some.example", .min = r->version, .max = r->version,
			.ask_ticket = true });
		if (!t.client_ok || !t.server_ok)
			fail_msg("row %zu: %s", i, t.e.text);
		assert_int_equal(signing.asked, 1);
		assert_int_equal(t.seen, r->id);
		assert_string_equal(t.version, r->name);
		assert_string_equal(t.cipher, r->cipher);
		assert_string_equal(t.sni_seen, "some.example");
	}
}

/* The signer fails, lies, or is never heard of again: a clean end, and the next one works. */
static void test_signer_fails(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	static const int id = EC_256;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct talk wish = { .min = versions[i], .max = versions[i] }, t;

		serve_with(&id, 1);
		signing.how = HOW_FAILING;
		t = talk(wish);
		assert_false(t.client_ok || t.server_ok);
		assert_int_equal(t.e.fault, FAULT_TEMP);
		assert_string_equal(t.e.text, "TLS handshake: keys is gone");
		signing.how = HOW_GARBAGE;
		t = talk(wish);
		assert_false(t.client_ok);
		signing.how = HOW_SLOWLY;
		t = talk(wish);
		assert_true(t.client_ok && t.server_ok);
	}
}

SUSPENDS static void silent_main(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	struct talk t = { 0 };
	struct err e;

	(void)arg;
	talk_start(&n, &t);
	assert_true(fiber_sleep(30 * MILLISECOND, &e));
	assert_int_equal(signing.at_once, 1);
	nursery_cancel(&n);
	assert_true(nursery_join(&n, &e));
	assert_false(t.server_ok);
	assert_int_equal(t.e.fault, FAULT_CANCEL);
}

static void test_signer_silent(void **state)
{
	static const int id = RSA_2048;

	(void)state;
	serve_with(&id, 1);
	signing.how = HOW_NEVER;
	loop_run(silent_main, NULL);
}

enum { CROWD = 64 };

SUSPENDS static void crowd_main(void *arg)
{
	struct talk *t = arg;
	AUTO(nursery_end) struct nursery n = { 0 };
	struct err e;

	for (size_t i = 0; i < CROWD; i++)
		talk_start(&n, &t[i]);
	assert_true(nursery_join(&n, &e));
}

/* Many fibers inside the signature call at once, some leaving in the middle. */
static void test_crowd(void **state)
{
	static const int ids[] = { RSA_2048, EC_256 };
	static struct talk t[CROWD];

	(void)state;
	serve_with(ids, 2);
	for (size_t i = 0; i < CROWD; i++)
		t[i] = (struct talk){ .sni = i & 1 ? "ec.example" : "rsa.example",
			.max = i & 2 ? TLS1_2_VERSION : 0, .quit_early = i % 8 == 5 };
	loop_run(crowd_main, t);
	assert_true(signing.most_at_once > 8);
	for (size_t i = 0; i < CROWD; i++) {
		assert_int_equal(t[i].client_ok, !t[i].quit_early);
		if (t[i].client_ok)
			assert_int_equal(t[i].seen, ids[i & 1]);
	}
}

static void test_sni(void **state)
{
	static const int ids[] = { RSA_2048, EC_256, WILD, EC_384 };
	static const struct row {
		const char *sni;
		int seen;
		const char *fact;
	} rows[] = {
		{ NULL, RSA_2048, "" },
		{ "rsa.example", RSA_2048, "rsa.example" },
		{ "ec.example", EC_256, "ec.example" },
		{ "EC2.Example", EC_256, "EC2.Example" },
		{ "p384.example", EC_384, "p384.example" },
		{ "a.wild.example", WILD, "a.wild.example" },
		{ "wild.example", RSA_2048, "wild.example" },
		{ "a.b.wild.example", RSA_2048, "a.b.wild.example" },
		{ "unknown.example", RSA_2048, "unknown.example" },
		{ "x", RSA_2048, "x" },
		{ "a\\", RSA_2048, "" },
		{ "../../etc/passwd", RSA_2048, "" },
		{ "*.wild.example", RSA_2048, "" },
		{ "ec.example.", RSA_2048, "" },
		{ "\xff\xfe", RSA_2048, "" },
		{ "a/b", RSA_2048, "" },
		{ ".", RSA_2048, "" },
	};

	(void)state;
	serve_with(ids, 4);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct talk t = talk((struct talk){ .sni = rows[i].sni });

		if (!t.client_ok || t.seen != rows[i].seen)
			fail_msg("%s: got certificate %d", rows[i].sni, t.seen);
		assert_string_equal(t.sni_seen, rows[i].fact);
	}
}

/* B27, by what connects; what a modern server must offer stands beside what it must not. */
static void test_what_connects(void **state)
{
	static const int rsa = RSA_2048, ec = EC_256;
	static const struct row {
		struct talk wish;
		bool rsa, ec;
	} rows[] = {
		{ { .max = TLS1_1_VERSION, .ciphers = "ALL:COMPLEMENTOFALL" }, false, false },
		{ { .max = TLS1_VERSION, .ciphers = "ALL:COMPLEMENTOFALL" }, false, false },
		{ { .max = TLS1_2_VERSION }, true, true },
		{ { .max = TLS1_2_VERSION, .ciphers = "kRSA" }, false, false },
		{ { .max = TLS1_2_VERSION, .ciphers = "kDHE" }, false, false },
		{ { .max = TLS1_2_VERSION, .ciphers = "aNULL:eNULL" }, false, false },
		{ { .max = TLS1_2_VERSION, .ciphers = "PSK" }, false, false },
		{ { .max = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA256" },
			false, false },
		{ { .max = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA" },
			false, false },
		{ { .max = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-CCM" }, false, false },
		{ { .max = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256" }, true, false },
		{ { .max = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" }, false, true },
		{ { .max = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-CHACHA20-POLY1305" }, true, false },
		{ { .max = TLS1_2_VERSION, .sigalgs = "RSA+SHA1:ECDSA+SHA1" }, false, false },
		{ { .max = TLS1_2_VERSION, .sigalgs = "RSA+SHA256" }, true, false },
		{ { .max = TLS1_2_VERSION, .groups = "P-521" }, false, false },
		{ { .min = TLS1_3_VERSION, .suites = "TLS_AES_128_GCM_SHA256" }, true, true },
		{ { .min = TLS1_3_VERSION, .suites = "TLS_CHACHA20_POLY1305_SHA256" }, true, true },
		{ { .min = TLS1_3_VERSION, .groups = "P-256" }, true, true },
		{ { .min = TLS1_3_VERSION, .sigalgs = "rsa_pss_rsae_sha512" }, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool ok;

		serve_with(&rsa, 1);
		ok = talk(rows[i].wish).client_ok;
		if (ok != rows[i].rsa)
			fail_msg("row %zu with RSA: %s", i, ok ? "connects" : "does not connect");
		serve_with(&ec, 1);
		ok = talk(rows[i].wish).client_ok;
		if (ok != rows[i].ec)
			fail_msg("row %zu with ECDSA: %s", i, ok ? "connects" : "does not connect");
	}
}

static void test_no_renegotiation(void **state)
{
	static const int id = EC_256;
	struct talk t;

	(void)state;
	serve_with(&id, 1);
	t = talk((struct talk){ .max = TLS1_2_VERSION, .renegotiate = 1 });
	assert_true(t.server_ok);
	assert_false(t.client_ok);
	assert_int_equal(t.echoes, 0);
	assert_int_equal(signing.asked, 1);     /* no second handshake */
}

/* B1: bytes behind STARTTLS; B6: bytes in the place of the ClientHello. */
static void test_injected(void **state)
{
	static const int id = EC_256;
	struct conn c;
	struct err e;
	int sv[2];
	char got[100];
	ssize_t got_n;

	(void)state;
	serve_with(&id, 1);
	for (int late = 0; late < 2; late++) {
		struct line line;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
		conn_init(&c, sv[0]);
		assert_int_equal(write(sv[1], "STARTTLS\r\nNOOP\r\n", late ? 10 : 16), late ? 10 : 16);
		assert_true(line_read(&c, 100, &line, &e));
		if (late)
			assert_int_equal(write(sv[1], "NOOP\r\n", 6), 6);
		assert_true(conn_put(&c, S("220 go\r\n"), &e));
		assert_false(conn_start_tls(&c, server, &e));
		assert_int_equal(e.fault, FAULT_PEER);
		if (late)
			assert_false(line_read(&c, 100, &line, &e));
		conn_end(&c);
		got_n = read(sv[1], got, sizeof(got));
		if (late)
			assert_true(str_starts(str_of(got, (size_t)got_n), S("220 go\r\n")));
		else
			assert_int_equal(got_n, 0);     /* not even the 220 */
		close(sv[1]);
	}
	assert_int_equal(signing.asked, 0);
}

struct dead_letter {
	int fd;
	size_t echoed;
	bool sent;
};

SUSPENDS static void dead_letter_client(void *arg)
{
	struct dead_letter *d = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);

	SSL_set_fd(ssl, d->fd);
	assert_true(client_connect(ssl));
	assert_true(client_echo(ssl));
	SSL_shutdown(ssl);
	d->sent = send(d->fd, "RSET\r\n", 6, MSG_NOSIGNAL) == 6;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* B14: close_notify, then bytes in the clear on the same connection: they are never a command. */
SUSPENDS static void dead_letter_main(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	struct dead_letter *d = arg;
	struct line line;
	struct conn c;
	struct err e;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	d->fd = sv[1];
	conn_init(&c, sv[0]);
	assert_true(fiber_start(&n, "client", dead_letter_client, d));
	assert_true(conn_start_tls(&c, server, &e));
	while (line_read(&c, 100, &line, &e)) {
		d->echoed++;
		assert_true(conn_put(&c, line.text, &e) && conn_put(&c, S("\r\n"), &e));
	}
	assert_true(c.eof);
	assert_true(nursery_join(&n, &e));
	for (int i = 0; i < 3; i++)
		assert_false(line_read(&c, 100, &line, &e));
	conn_close(&c);
	fd_wait_forget(sv[1]);
	close(sv[1]);
}

static void test_dead_letter(void **state)
{
	static const int id = EC_256;
	struct dead_letter d = { 0 };

	(void)state;
	serve_with(&id, 1);
	loop_run(dead_letter_main, &d);
	assert_true(d.sent);
	assert_int_equal(d.echoed, 1);
}

/* Random bytes and cut-off or changed ClientHellos. */
static void test_garbage(void **state)
{
	static const int id = EC_256;
	char hello[600];
	int sv[2], n;

	(void)state;
	serve_with(&id, 1);
	{
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL *ssl = SSL_new(ctx);

		SSL_set_connect_state(ssl);
		SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
		SSL_set_tlsext_host_name(ssl, "ec.example");
		SSL_do_handshake(ssl);
		n = BIO_read(SSL_get_wbio(ssl), hello, sizeof(hello));
		assert_true(n > 100);
		SSL_free(ssl);
		SSL_CTX_free(ctx);
	}
	for (int i = 0; i < 3 * n; i++) {
		char in[600];
		struct conn c;
		struct err e;
		int len = i < n ? i : n;

		memcpy(in, hello, (size_t)n);
		if (i >= n)
			in[i % n] = (char)(i < 2 * n ? 0 : rnd_below(256));
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
		conn_init(&c, sv[0]);
		assert_int_equal(send(sv[1], in, (size_t)len, 0), len);
		shutdown(sv[1], SHUT_WR);
		assert_false(conn_start_tls(&c, server, &e));
		assert_true(e.fault != FAULT_NONE);
		conn_close(&c);
		close(sv[1]);
	}
}

enum { LIVE = 200, SWAPS = 30 };

/* B28: the set is replaced under sessions that go on talking; a bad one changes nothing. */
SUSPENDS static void swap_main(void *arg)
{
	static const int ids[] = { RENEWED, EC_256 };
	struct talk *t = arg;
	AUTO(nursery_end) struct nursery n = { 0 };
	struct err e;

	for (size_t i = 0; i < LIVE; i++)
		talk_start(&n, &t[i]);
	for (size_t i = 0; i < SWAPS; i++) {
		struct tls_identity id = { &certificates[ids[i & 1]], (uint32_t)ids[i & 1] };

		assert_true(fiber_sleep(10 * MILLISECOND, &e));
		assert_true(tls_server_set(server, &id, 1, &e));
		assert_false(tls_server_set(server, &id, 0, &e));
	}
	assert_true(nursery_join(&n, &e));
}

static void test_swap(void **state)
{
	static const int id = EC_256;
	static struct talk t[LIVE];
	size_t shown[IDENTITIES] = { 0 };

	(void)state;
	serve_with(&id, 1);
	for (size_t i = 0; i < LIVE; i++)
		t[i] = (struct talk){ .sni = "ec.example", .stay = 200 };
	loop_run(swap_main, t);
	for (size_t i = 0; i < LIVE; i++) {
		if (!t[i].client_ok)
			fail_msg("session %zu: %s", i, t[i].e.text);
		assert_int_equal(t[i].echoes, 201);
		shown[t[i].seen]++;
	}
	assert_int_equal(shown[EC_256] + shown[RENEWED], LIVE);
}

static void test_unset_and_wrong_key(void **state)
{
	struct tls_server *t = tls_server_open(&signer);
	struct conn c;
	struct err e;
	int sv[2];

	(void)state;
	assert_false(tls_server_is_set(t));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	conn_init(&c, sv[0]);
	assert_false(conn_start_tls(&c, t, &e));
	assert_int_equal(e.fault, FAULT_TEMP);
	conn_close(&c);
	close(sv[1]);
	tls_server_close(t);
}

/* The key is a name for a key: nothing private can be had from it. */
static void test_no_export(void **state)
{
	struct evp_pkey_st *key;
	BIO *out = BIO_new(BIO_s_mem());
	OSSL_PARAM *params = NULL;
	struct err e;

	(void)state;
	for (int i = RSA_2048; i <= ED_25519; i++) {
		assert_true(tls_key_open(issued[i].key, &signer, 1, &key, &e));
		assert_true(EVP_PKEY_eq(key, issued[i].key) == 1);
		assert_false(EVP_PKEY_eq(key, issued[WILD].key) == 1);
		assert_false(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params) > 0);
		assert_false(PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) > 0);
		private_key_end(&key);
	}
	ERR_clear_error();
	BIO_free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_and_versions),
		cmocka_unit_test(test_signer_fails),
		cmocka_unit_test(test_signer_silent),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_sni),
		cmocka_unit_test(test_what_connects),
		cmocka_unit_test(test_no_renegotiation),
		cmocka_unit_test(test_injected),
		cmocka_unit_test(test_dead_letter),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_unset_and_wrong_key),
		cmocka_unit_test(test_no_export),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
