/* certificate_test.c — chains, names, broken files, and what a key signs. */
#include "base/time.h"
#include "fiber/certificate.h"
#include "fiber/certificate_fixture.h"
#include "fiber/private_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROOT, MIDDLE, LEAF, OTHER, TEST_CERTS };

static struct issued certs[TEST_CERTS];

static int setup(void **state)
{
	(void)state;
	private_key_memory();
	certs[ROOT] = fixture_issue("P-256", "Root", NULL, NULL, -1, 1000);
	certs[MIDDLE] = fixture_issue("P-256", "Middle", NULL, &certs[ROOT], -1, 500);
	certs[LEAF] = fixture_issue("P-256", "leaf", "DNS:Mail.Example.org,DNS:*.wild.example,"
		"DNS:bad name,DNS:*,DNS:a.*.b,IP:192.0.2.1,DNS:xn--mller-kva.example", &certs[MIDDLE], -1, 90);
	certs[OTHER] = fixture_issue("P-256", "other", "DNS:other", NULL, -1, 90);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_CERTS; i++)
		issued_end(&certs[i]);
	return 0;
}

/* Letters name certificates: r m l o; K and O are the keys of leaf and other. */
static void text(struct buf *to, const char *what)
{
	for (; *what; what++)
		switch (*what) {
		case 'r': fixture_cert(to, &certs[ROOT]); break;
		case 'm': fixture_cert(to, &certs[MIDDLE]); break;
		case 'l': fixture_cert(to, &certs[LEAF]); break;
		case 'o': fixture_cert(to, &certs[OTHER]); break;
		case 'K': fixture_private(to, &certs[LEAF], NULL); break;
		case '#': buf_add(to, S("a comment\n")); break;
		}
}

static void test_chain(void **state)
{
	static const struct row {
		const char *in;
		int key;                 /* -1: none */
		const char *chain;       /* NULL: refused, with why */
		const char *why;
	} rows[] = {
		{ "l", LEAF, "l", NULL },
		{ "lm", LEAF, "lm", NULL },
		{ "ml", LEAF, "lm", NULL },
		{ "lmr", LEAF, "lm", NULL },
		{ "rml", LEAF, "lm", NULL },
		{ "mrl", -1, "lm", NULL },
		{ "#r#m#l", -1, "lm", NULL },
		{ "Kol#m", LEAF, "lm", NULL },
		{ "lmlm", -1, "lm", NULL },
		{ "lr", LEAF, "l", NULL },
		{ "o", OTHER, "o", NULL },
		{ "r", ROOT, "r", NULL },
		{ "olm", OTHER, "o", NULL },
		{ "lm", OTHER, NULL, "the key does not belong to the certificate" },
		{ "", LEAF, NULL, "there is no certificate in PEM form" },
		{ "K", LEAF, NULL, "there is no certificate in PEM form" },
		{ "llllllllllllllllllllllllllllllllll", LEAF, NULL, "more than 31 certificates" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf in = buf_on_heap(1 << 20);
		AUTO(buf_end) struct buf want = buf_on_heap(1 << 20);
		AUTO(buf_end) struct buf got = buf_on_heap(1 << 20);
		AUTO(certificate_end) struct certificate c = { 0 };
		const struct row *r = &rows[i];
		struct err e = { 0 };

		text(&in, r->in);
		if (!certificate_load(buf_str(&in), r->key < 0 ? NULL : certs[r->key].key, &c, &e)) {
			if (r->chain || strcmp(e.text, r->why) != 0)
				fail_msg("'%s': %s", r->in, e.text);
			continue;
		}
		if (!r->chain)
			fail_msg("'%s' was taken", r->in);
		text(&want, r->chain);
		assert_true(certificate_print(&c, &got, &e));
		if (!str_eq(buf_str(&want), buf_str(&got)))
			fail_msg("'%s' gave another chain than '%s'", r->in, r->chain);
	}
}

/* How the file was put together, whatever was made of it. */
static void test_look(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		bool is_ordered, has_root, has_stranger, is_self_signed;
		const char *issuer;
	} rows[] = {
		{ "l", 1, true, false, false, false, "Middle" },
		{ "lm", 2, true, false, false, false, "Root" },
		{ "Klm", 2, true, false, false, false, "Root" },
		{ "ml", 2, false, false, false, false, "Root" },
		{ "lmr", 3, true, true, false, false, "Root" },
		{ "lrm", 3, false, true, false, false, "Root" },
		{ "lmo", 3, true, false, true, false, "Root" },
		{ "olm", 3, false, false, true, false, "Root" },
		{ "llm", 3, false, false, false, false, "Root" },
		{ "o", 1, true, false, false, true, "other" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(certificate_end) struct certificate c = { 0 };
		AUTO(buf_end) struct buf in = buf_on_heap(1 << 20);
		const struct issued *leaf = &certs[strchr(rows[i].in, 'l') ? LEAF : OTHER];
		struct certificate_look l;
		struct err e = { 0 };

		text(&in, rows[i].in);
		assert_true(certificate_load(buf_str(&in), leaf->key, &c, &e));
		assert_true(certificate_look(buf_str(&in), &c, &l, &e));
		if (l.n != rows[i].n || l.is_ordered != rows[i].is_ordered || l.has_root != rows[i].has_root ||
		    l.has_stranger != rows[i].has_stranger || l.is_self_signed != rows[i].is_self_signed ||
		    !strstr(l.issuer, rows[i].issuer))
			fail_msg("'%s': %zu %d %d %d %d %s", rows[i].in, l.n, l.is_ordered, l.has_root, l.has_stranger,
				 l.is_self_signed, l.issuer);
	}
}

/* A file that is being written: every beginning of it is refused or a whole certificate. */
static void test_every_truncation(void **state)
{
	AUTO(buf_end) struct buf in = buf_on_heap(1 << 20);
	AUTO(buf_end) struct buf key = buf_on_heap(1 << 20);
	struct evp_pkey_st *k;
	size_t one, taken = 0;
	struct err e;

	(void)state;
	text(&in, "l");
	one = in.n;
	text(&in, "m");
	for (size_t n = 0; n <= in.n; n++) {
		AUTO(certificate_end) struct certificate c = { 0 };
		char *exact = malloc(n ? n : 1);

		memcpy(exact, in.p, n);
		if (certificate_load(str_of(exact, n), certs[LEAF].key, &c, &e)) {
			taken++;
			/* the last newline may be missing, and half a "-----BEGIN " is a comment */
			if (n < one - 1 || (n >= one + 11 && n < in.n - 1))
				fail_msg("%zu of %zu + %zu bytes were taken", n, one, in.n - one);
		}
		free(exact);
	}
	assert_int_equal(taken, 14);
	assert_false(certificate_load(str_head(buf_str(&in), one + 300), NULL,
		&(struct certificate){ 0 }, &e));
	assert_string_equal(e.text, "half a PEM block");

	text(&key, "K");
	for (size_t n = 0; n + 1 < key.n; n++)
		assert_false(private_key_load(str_head(buf_str(&key), n), &k, &e));
	assert_true(private_key_load(buf_str(&key), &k, &e));
	private_key_end(&k);
}

/* Each byte changed in turn: refused or taken, never worse. */
static void test_damage(void **state)
{
	AUTO(buf_end) struct buf in = buf_on_heap(1 << 20);
	struct err e;

	(void)state;
	text(&in, "l");
	for (size_t i = 0; i < in.n; i++) {
		AUTO(certificate_end) struct certificate c = { 0 };
		char was = in.p[i];

		in.p[i] = was == 'A' ? 'z' : 'A';
		(void)certificate_load(buf_str(&in), NULL, &c, &e);
		in.p[i] = was;
	}
}

static void test_names(void **state)
{
	static const struct row {
		struct str host;
		bool exact, wild;
	} rows[] = {
		{ S("mail.example.org"), true, false },
		{ S("MAIL.EXAMPLE.ORG"), true, false },
		{ S("mail.example.org."), false, false },
		{ S("x.mail.example.org"), false, false },
		{ S("a.wild.example"), false, true },
		{ S("A.Wild.Example"), false, true },
		{ S("wild.example"), false, false },
		{ S("a.b.wild.example"), false, false },
		{ S(".wild.example"), false, false },
		{ S("bad name"), false, false },
		{ S("*"), false, false },
		{ S("a.x.b"), false, false },
		{ S("leaf"), false, false },             /* commonName does not count */
		{ S("192.0.2.1"), false, false },
		{ S("xn--mller-kva.example"), true, false },
		{ S(""), false, false },
	};
	AUTO(buf_end) struct buf in = buf_on_heap(1 << 20);
	AUTO(certificate_end) struct certificate c = { 0 };
	struct err e;

	(void)state;
	text(&in, "l");
	assert_true(certificate_load(buf_str(&in), NULL, &c, &e));
	assert_int_equal(c.n_names, 3);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(certificate_has_name(&c, rows[i].host), rows[i].exact);
		assert_int_equal(certificate_has_wildcard_for(&c, rows[i].host), rows[i].wild);
	}
}

static void test_host_names(void **state)
{
	static const struct row {
		struct str host;
		bool ok;
	} rows[] = {
		{ S("a"), true }, { S("a.b-c.d_e"), true }, { S("xn--p1ai"), true },
		{ S(""), false }, { S("."), false }, { S("a..b"), false }, { S(".a"), false },
		{ S("a."), false }, { S("a\0b"), false }, { S("a/b"), false }, { S("../x"), false },
		{ S("m\xc3\xbcller"), false }, { S("a b"), false }, { S("a\\"), false }, { S("*.a"), false },
		{ S("a123456789012345678901234567890123456789012345678901234567890123"), false },
		{ S("a12345678901234567890123456789012345678901234567890123456789012"), true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(host_name_valid(rows[i].host), rows[i].ok);
}

static void test_warnings(void **state)
{
	static const struct row {
		int from, to;
		const char *starts;      /* NULL: none */
	} rows[] = {
		{ -10, 90, NULL },
		{ -10, 5, "the certificate expires at " },
		{ -10, -5, "the certificate has expired at " },
		{ 5, 90, "the certificate is valid only from " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(issued_end) struct issued x =
			fixture_issue("P-256", "x", "DNS:x", NULL, rows[i].from, rows[i].to);
		AUTO(buf_end) struct buf in = buf_on_heap(1 << 20);
		AUTO(buf_end) struct buf why = buf_on_heap(1000);
		AUTO(certificate_end) struct certificate c = { 0 };
		struct err e;

		fixture_cert(&in, &x);
		assert_true(certificate_load(buf_str(&in), x.key, &c, &e));
		assert_int_equal(certificate_warn(&c, time_now(), 14 * DAY, &why), rows[i].starts != NULL);
		if (rows[i].starts)
			assert_true(str_starts(buf_str(&why), str_from_z(rows[i].starts)));
		assert_true(llabs(c.not_after - time_now() - rows[i].to * DAY) < MINUTE);
	}
}

static void test_make(void **state)
{
	AUTO(buf_end) struct buf cert = buf_on_heap(1 << 16);
	AUTO(buf_end) struct buf key = buf_on_heap(1 << 16);
	AUTO(certificate_end) struct certificate c = { 0 };
	struct evp_pkey_st *k;
	struct err e;

	(void)state;
	assert_true(certificate_make(S("mx.example.org"), time_now(), &cert, &key, &e));
	assert_true(private_key_load(buf_str(&key), &k, &e));
	assert_true(certificate_load(buf_str(&cert), k, &c, &e));
	private_key_end(&k);
	assert_int_equal(c.n, 1);
	assert_true(certificate_has_name(&c, S("mx.example.org")));
	assert_true(c.not_after > time_now() + 3649 * DAY && c.not_after < time_now() + 3651 * DAY);
	assert_false(certificate_make(S("a,DNS:evil"), time_now(), &cert, &key, &e));
	assert_false(certificate_make(S(""), time_now(), &cert, &key, &e));
}

static void test_keys_refused(void **state)
{
	static const struct row {
		const char *kind, *passphrase, *why;     /* why NULL: taken */
	} rows[] = {
		{ "RSA", NULL, NULL }, { "P-256", NULL, NULL }, { "P-384", NULL, NULL },
		{ "ED25519", NULL, NULL },
		{ "RSA1024", NULL, "an RSA key of 1024 bits; 2048 to 8192 are taken" },
		{ "P-521", NULL, "the key is on a curve that is not taken (P-256, P-384)" },
		{ "P-256", "secret", "the key is protected by a passphrase" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf pem = buf_on_heap(1 << 16);
		struct issued x = { .key = fixture_key(rows[i].kind) };
		struct evp_pkey_st *k = NULL;
		struct err e = { 0 };

		fixture_private(&pem, &x, rows[i].passphrase);
		assert_int_equal(private_key_load(buf_str(&pem), &k, &e), !rows[i].why);
		if (rows[i].why)
			assert_string_equal(e.text, rows[i].why);
		private_key_end(&k);
		issued_end(&x);
	}
}

/* OpenSSL's own verification of a whole message is the judge. */
static bool verifies(EVP_PKEY *key, uint32_t scheme, struct str message, struct str sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	const EVP_MD *md = scheme == SIGN_ED25519 ? NULL : EVP_sha256();
	bool ok = EVP_DigestVerifyInit(ctx, &pctx, md, NULL, key) > 0;

	if (ok && scheme == SIGN_RSA_PSS_SHA256)
		ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0 &&
			EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	ok = ok && EVP_DigestVerify(ctx, (const unsigned char *)sig.p, sig.n,
		(const unsigned char *)message.p, message.n) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static void test_sign(void **state)
{
	static const struct row {
		const char *kind;
		uint32_t scheme;
		size_t n;                /* bytes of digest; 32 is the right one of the message */
		bool ok;
	} rows[] = {
		{ "RSA", SIGN_RSA_SHA256, 32, true },
		{ "RSA", SIGN_RSA_PSS_SHA256, 32, true },
		{ "P-256", SIGN_ECDSA_SHA256, 32, true },
		{ "P-384", SIGN_ECDSA_SHA256, 32, true },
		{ "ED25519", SIGN_ED25519, 32, true },
		{ "RSA", SIGN_RSA_SHA256, 31, false },
		{ "RSA", SIGN_RSA_SHA256, 48, false },
		{ "RSA", SIGN_RSA_SHA256, 0, false },
		{ "RSA", SIGN_ECDSA_SHA256, 32, false },
		{ "RSA", 0x0201, 20, false },            /* SHA-1 */
		{ "RSA", 0x0000, 32, false },
		{ "RSA", 0x0809, 32, false },
		{ "P-256", SIGN_RSA_SHA256, 32, false },
		{ "P-256", SIGN_ECDSA_SHA384, 32, false },
		{ "P-256", SIGN_ED25519, 32, false },
		{ "ED25519", SIGN_ED25519, 0, false },
		{ "ED25519", SIGN_ED25519, SIGN_MESSAGE_MAX + 1, false },
	};
	static char zeros[SIGN_MESSAGE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct str message = S("a message that is signed");
		char mem[SIGNATURE_MAX], digest[32];
		struct buf sig = buf_over(mem, sizeof(mem));
		struct issued x = { .key = fixture_key(r->kind) };
		struct str in = str_of(zeros, r->n);
		struct err e;

		EVP_Digest(message.p, message.n, (unsigned char *)digest, NULL, EVP_sha256(), NULL);
		if (r->ok)
			in = r->scheme == SIGN_ED25519 ? message : str_of(digest, 32);
		assert_int_equal(private_key_sign(x.key, r->scheme, in, &sig, &e), r->ok);
		if (r->ok)
			assert_true(verifies(x.key, r->scheme, message, buf_str(&sig)));
		else
			assert_int_equal(e.fault, FAULT_PEER);
		issued_end(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain), cmocka_unit_test(test_look),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_host_names),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_make),
		cmocka_unit_test(test_keys_refused),
		cmocka_unit_test(test_sign),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
