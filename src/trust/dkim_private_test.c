/* dkim_private_test.c — private keys: which are taken, what they sign, what is published of them. */
#include "trust/dkim_private.h"

#include "fiber/private_key.h"
#include "trust/dkim_crypto.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* RFC 8463 §A.2, whose secret stands there as base64 of its 32 octets. */
#define RFC8463_DER \
	"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20" \
	"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4" \
	"\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60"
#define RFC8463_RECORD "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static struct str pem_of(EVP_PKEY *key, struct arena *a)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *p;
	long n;
	struct str ret;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	n = BIO_get_mem_data(out, &p);
	ret = arena_str(a, str_of(p, (size_t)n));
	BIO_free(out);
	EVP_PKEY_free(key);
	return ret;
}

static void test_which(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	const struct {
		EVP_PKEY *key;
		unsigned bits;           /* 0: refused */
		bool is_for_tls;
	} rows[] = {
		{ EVP_RSA_gen(512), 0, false },
		{ EVP_RSA_gen(1023), 0, false },
		{ EVP_RSA_gen(1024), 1024, false },
		{ EVP_RSA_gen(2048), 2048, true },
		{ EVP_EC_gen("P-256"), 0, true },
		{ EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), 256, true },
		{ EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str pem = pem_of(rows[i].key, &a);
		AUTO(dkim_private_close) struct dkim_private k = { 0 };
		struct evp_pkey_st *tls = NULL;
		struct err e = { 0 };

		assert_int_equal(dkim_private_load(pem, &k, &e), rows[i].bits > 0);
		assert_int_equal(k.bits, rows[i].bits);
		assert_int_equal(private_key_load(pem, &tls, &e), rows[i].is_for_tls);
		private_key_end(&tls);
	}
}

static void test_rfc8463(void **state)
{
	AUTO(dkim_private_close) struct dkim_private k = { 0 };
	AUTO(buf_end) struct buf b = buf_on_heap(4096);
	struct err e = { 0 };

	(void)state;
	assert_true(dkim_private_load_der(S(RFC8463_DER), &k, &e));
	assert_true(dkim_private_record(&k, false, false, &b, &e));
	assert_true(str_eq(buf_str(&b), S(RFC8463_RECORD)));
	buf_clear(&b);
	assert_true(dkim_private_der(&k, &b, &e) && str_eq(buf_str(&b), S(RFC8463_DER)));
	for (size_t n = 0; n < sizeof(RFC8463_DER) - 1; n++) {
		struct dkim_private other = { 0 };

		assert_false(dkim_private_load_der(str_head(S(RFC8463_DER), n), &other, &e));
	}
}

/* A new one signs what its published half verifies, also after it was written down and read again. */
static void test_signs(void **state)
{
	static const enum dkim_algorithm algorithms[] = { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };
	uint8_t hash[DKIM_HASH] = { 1, 2, 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algorithms) * 4; i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(dkim_private_close) struct dkim_private made = { 0 }, k = { 0 };
		AUTO(dkim_public_close) struct dkim_public public = { 0 };
		AUTO(buf_end) struct buf der = buf_on_heap(8192), record = buf_on_heap(8192), sig = buf_on_heap(DKIM_B_MAX);
		bool testing = i / 2 & 1, strict = i / 4 & 1;
		struct dkim_key read;
		struct err e = { 0 };

		assert_true(dkim_private_make(algorithms[i % 2], &made, &e) && dkim_private_der(&made, &der, &e));
		assert_true(dkim_private_load_der(buf_str(&der), &k, &e));
		assert_int_equal(k.algorithm, algorithms[i % 2]);
		assert_true(dkim_private_record(&k, testing, strict, &record, &e));
		assert_true(dkim_key_parse(buf_str(&record), &a, &read, &e) && read.is_testing == testing);
		assert_true(read.is_strict == strict && dkim_public_open(&read, &public, &e));
		for (int again = 0; again < 3; again++, hash[0]++) {
			buf_clear(&sig);
			assert_true(dkim_private_sign(&k, str_of(hash, sizeof(hash)), &sig, &e));
			assert_true(dkim_public_verify(&public, hash, buf_str(&sig)));
		}
		assert_false(dkim_private_sign(&k, S("short"), &sig, &e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which),
		cmocka_unit_test(test_rfc8463),
		cmocka_unit_test(test_signs),
	};

	return cmocka_run_group_tests_name("dkim_private", tests, NULL, NULL);
}
