/* password_test.c — hashes, SCRAM verifiers, and no difference that tells who exists. */
#include "base/attr.h"
#include "base/time.h"
#include "user/password.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_rules(void **state)
{
	static const struct {
		struct str password;
		bool ok;
	} rows[] = {
		{ S("x"), true },             { S("correct horse"), true },  { S("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb4"), true },
		{ S(""), false },             { S("a\0b"), false },          { S("\xff"), false },
		{ S("\xc0\x80"), false },     { S("\xe0\x80\x80"), false },  { S("\xed\xa0\x80"), false },
		{ S("\xf4\x90\x80\x80"), false }, { S("a\xc3"), false },     { S("\xf0\x80\x80\x80"), false },
		{ S("\xf5\x80\x80\x80"), false }, { S("\x80"), false },
	};
	char longest[PASSWORD_MAX + 1];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (password_check(rows[i].password, &e) != rows[i].ok)
			fail_msg("row %zu", i);
	memset(longest, 'x', sizeof(longest));
	assert_true(password_check(str_of(longest, PASSWORD_MAX), &e));
	assert_false(password_check(str_of(longest, PASSWORD_MAX + 1), &e));
}

static void decode(const char *base64, uint8_t *to)
{
	assert_true(EVP_DecodeBlock(to, (const uint8_t *)base64, (int)strlen(base64)) > 0);
}

/* The dialogue of RFC 7677 §3: our keys must give its server signature and fit its client proof. */
static void test_scram(void **state)
{
	static const char message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	uint8_t salt[24], want[48], proof[48], got[SCRAM_KEY];
	struct scram_verifier v;
	struct err e = { 0 };

	(void)state;
	decode("W22ZaJ0SNY7soEsUEjb6gQ==", salt);
	decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", want);
	decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", proof);
	assert_true(scram_verifier_make(S("pencil"), salt, 4096, &v, &e));
	HMAC(EVP_sha256(), v.server_key, SCRAM_KEY, (const uint8_t *)message, strlen(message), got, NULL);
	assert_memory_equal(got, want, SCRAM_KEY);
	HMAC(EVP_sha256(), v.stored_key, SCRAM_KEY, (const uint8_t *)message, strlen(message), got, NULL);
	for (size_t i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= got[i];
	SHA256(proof, SCRAM_KEY, got);
	assert_memory_equal(got, v.stored_key, SCRAM_KEY);
	assert_false(scram_verifier_make(S("pencil"), salt, 4095, &v, &e));
	assert_false(scram_verifier_make(S("pencil"), salt, SCRAM_ITERATIONS_MAX + 1, &v, &e));
}

/* The exchange of RFC 7677 §3; then each part of it changed. */
static void test_proof(void **state)
{
	static const char message[] =
		"n=user,r=rOprNGfwEbeRWgbNEkqO,"
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	uint8_t salt[48], proof[48], signature[48], said[SCRAM_KEY];
	struct scram_verifier v, none = { 0 };
	struct str p = str_of(proof, SCRAM_KEY);
	struct err e = { 0 };

	(void)state;
	decode("W22ZaJ0SNY7soEsUEjb6gQ==", salt);
	decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", proof);
	decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", signature);
	assert_true(scram_verifier_make(S("pencil"), salt, 4096, &v, &e));
	assert_true(scram_proof_fits(&v, str_from_z(message), p, said));
	assert_memory_equal(said, signature, SCRAM_KEY);
	assert_false(scram_proof_fits(&v, str_from(str_from_z(message), 1), p, said));
	assert_false(scram_proof_fits(&v, str_from_z(message), str_head(p, 31), said));
	assert_false(scram_proof_fits(&v, str_from_z(message), S(""), said));
	assert_false(scram_proof_fits(NULL, str_from_z(message), p, said));
	assert_false(scram_proof_fits(&none, str_from_z(message), p, said));
	proof[31] ^= 1;
	assert_false(scram_proof_fits(&v, str_from_z(message), p, said));
}

/* Hashes of other servers: `openssl passwd`, mkpasswd(1). */
static void test_imported(void **state)
{
	static const struct {
		const char *hash;
		bool ok;
	} rows[] = {
		{ "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", true },
		{ "$1$saltstri$4yysRi9x7/n75C/JawK2C.", true },
		{ "$9$nothing", false }, { "!", false }, { "*", false }, { "hello", false }, { "", false },
		{ "{SSHA}abcdefgh", false },
	};
	struct password_record r;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (password_take_hash(str_from_z(rows[i].hash), &r, &e) != rows[i].ok)
			fail_msg("%s: %s", rows[i].hash, e.text);
	/* as `openssl passwd -6` makes it; the first test vector of the SHA-crypt specification */
	assert_true(password_take_hash(str_from_z(rows[0].hash), &r, &e));
	assert_int_equal(r.scram.iterations, 0);
	assert_true(password_fits(&r, S("Hello world!")));
	assert_false(password_fits(&r, S("Hello world")));
	/* openssl passwd -6 -salt saltstring, of "e" and a combining acute: its SASLprep form is another */
	assert_true(password_take_hash(S("$6$saltstring$Y/ezYiNU93Lq.fRBh5KpnJ8jMoPahmksrL27/jmuhONR.wOlq93aOmGxCFdDQhhoaSYpZxolkS6CBTFQc56HT1"), &r, &e));
	assert_true(password_fits(&r, S("e\xcc\x81")));
}

static void test_fits(void **state)
{
	struct password_record r, again, none = { 0 };
	struct err e = { 0 };
	char longest[PASSWORD_MAX];

	(void)state;
	assert_true(password_make(S("alice-demo"), &r, &e));
	assert_memory_equal(r.hash, "$y$", 3);
	assert_int_equal(r.scram.iterations, SCRAM_ITERATIONS);
	assert_true(password_fits(&r, S("alice-demo")));
	assert_false(password_fits(&r, S("alice-dem")));
	assert_false(password_fits(&r, S("")));
	assert_false(password_fits(NULL, S("alice-demo")));
	assert_false(password_fits(&none, S("alice-demo")));
	assert_true(password_make(S("alice-demo"), &again, &e));
	assert_string_not_equal(r.hash, again.hash);
	/* All of a long password counts, also past what crypt(3) takes. */
	memset(longest, 'x', sizeof(longest));
	assert_true(password_make(str_of(longest, sizeof(longest)), &r, &e));
	assert_true(password_fits(&r, str_of(longest, sizeof(longest))));
	longest[sizeof(longest) - 1] = 'y';
	assert_false(password_fits(&r, str_of(longest, sizeof(longest))));
	assert_false(password_fits(&r, str_of(longest, sizeof(longest) - 1)));
}

/* What a person types is one password, however the keyboard writes it, for both kinds of hash. */
static void test_form(void **state)
{
	static const uint8_t salt[SCRAM_SALT] = "0123456789abcde";
	static const struct str composed = S("caf\xc3\xa9 \xf0\x9f\x90\xb4");
	static const struct str apart = S("cafe\xcc\x81\xc2\xa0\xf0\x9f\x90\xb4");
	struct scram_verifier v, w;
	struct password_record r;
	struct err e = { 0 };

	(void)state;
	assert_true(password_make(apart, &r, &e));
	assert_true(password_fits(&r, composed));
	assert_true(password_fits(&r, apart));
	assert_false(password_fits(&r, S("cafe \xf0\x9f\x90\xb4")));
	assert_true(scram_verifier_make(composed, salt, SCRAM_ITERATIONS, &v, &e));
	assert_true(scram_verifier_make(apart, salt, SCRAM_ITERATIONS, &w, &e));
	assert_memory_equal(v.stored_key, w.stored_key, SCRAM_KEY);
	/* a soft hyphen alone is a password, and not an empty one or another */
	assert_true(password_make(S("\xc2\xad"), &r, &e));
	assert_true(password_fits(&r, S("\xc2\xad")));
	assert_false(password_fits(&r, S("\xe2\x81\xa0")));
}

static int by_value(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return (a > b) - (a < b);
}

/* C9: a user who does not exist costs the same hash. */
static void test_timing(void **state)
{
	enum { ROUNDS = 15 };
	int64_t known[ROUNDS], unknown[ROUNDS], start;
	struct password_record r;
	struct err e = { 0 };

	(void)state;
	assert_true(password_make(S("alice-demo"), &r, &e));
	for (int i = 0; i < ROUNDS; i++) {
		start = time_mono();
		assert_false(password_fits(&r, S("wrong")));
		known[i] = time_mono() - start;
		start = time_mono();
		assert_false(password_fits(NULL, S("wrong")));
		unknown[i] = time_mono() - start;
	}
	qsort(known, ROUNDS, sizeof(known[0]), by_value);
	qsort(unknown, ROUNDS, sizeof(unknown[0]), by_value);
	print_message("# fastest and median of %d: known %lld %lld us, unknown %lld %lld us\n", ROUNDS,
		      (long long)known[0], (long long)known[ROUNDS / 2], (long long)unknown[0],
		      (long long)unknown[ROUNDS / 2]);
	/* A missing hash would differ by the whole of it; a busy machine differs by less than half. */
	assert_true(known[0] * 2 > unknown[0] && unknown[0] * 2 > known[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules), cmocka_unit_test(test_scram), cmocka_unit_test(test_fits),
		cmocka_unit_test(test_proof), cmocka_unit_test(test_imported),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_timing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
