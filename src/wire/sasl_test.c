/* sasl_test.c — exchanges as scripts: what the client says, what is wanted next, what we send. */
#include "wire/sasl.h"

#include "base/arena.h"
#include "base/buf.h"
#include "wire/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* base64 of 18 NULs */
#define OURS "AAAAAAAAAAAAAAAAAAAAAAAA"

static const uint8_t nonce[SASL_NONCE], no_signature[SASL_PROOF];
static const struct sasl_channel in_clear = { 0 };
static const struct sasl_channel over_tls = {
	.tls_exporter = S("0123456789abcdef0123456789abcdef"), .tls_server_end_point = S("hash"), .plus_offered = true,
};

/* The client's message, before base64. */
static enum sasl_want says(struct sasl *s, bool is_first, struct str message)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);

	base64_add(&b, message);
	if (is_first && message.n == 0)
		buf_add_char(&b, '=');
	return is_first ? sasl_begin(s, true, buf_str(&b)) : sasl_answer(s, buf_str(&b));
}

static void test_plain(void **state)
{
	static const struct {
		struct str message;
		enum sasl_want want;
		enum sasl_why why;
		struct str acts_for, name, password;
	} rows[] = {
		/* RFC 4616 §4 */
		{ S("\0tim\0tanstaaftanstaaf"), SASL_ASK_PASSWORD, 0, S(""), S("tim"), S("tanstaaftanstaaf") },
		{ S("Ursel\0Kurt\0xipj3plmq"), SASL_ASK_PASSWORD, 0, S("Ursel"), S("Kurt"), S("xipj3plmq") },
		{ S("\0ü\0ö"), SASL_ASK_PASSWORD, 0, S(""), S("ü"), S("ö") },
		{ S(""), SASL_NO, SASL_WHY_SYNTAX, S(""), S(""), S("") }, { S("tim"), SASL_NO, SASL_WHY_SYNTAX, S(""), S(""), S("") },
		{ S("\0tim"), SASL_NO, SASL_WHY_SYNTAX, S(""), S(""), S("") }, { S("\0tim\0"), SASL_NO, SASL_WHY_CREDENTIALS, S(""), S("tim"), S("") },
		{ S("\0\0x"), SASL_NO, SASL_WHY_CREDENTIALS, S(""), S(""), S("") },
		/* C4: the password ends at no NUL, the name is UTF-8 without control characters */
		{ S("\0tim\0a\0b"), SASL_NO, SASL_WHY_CREDENTIALS, S(""), S("tim"), S("a\0b") }, { S("\0t\xff\0x"), SASL_NO, SASL_WHY_CREDENTIALS, S(""), S(""), S("") },
		{ S("\0t\x01\0x"), SASL_NO, SASL_WHY_CREDENTIALS, S(""), S(""), S("") }, { S("\0t\r\n\0x"), SASL_NO, SASL_WHY_CREDENTIALS, S(""), S(""), S("") },
		{ S("\0\xc0\xaf\0x"), SASL_NO, SASL_WHY_CREDENTIALS, S(""), S(""), S("") }, { S("a\nb\0t\0x"), SASL_NO, SASL_WHY_CREDENTIALS, S(""), S(""), S("") },
		/* C3: literal */
		{ S("\0%{user}' OR 1=1--\0*)(uid=*"), SASL_ASK_PASSWORD, 0, S(""), S("%{user}' OR 1=1--"), S("*)(uid=*") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int initial = 0; initial < 2; initial++) {
			AUTO(sasl_end) struct sasl *s = sasl_open(SASL_PLAIN, &in_clear, nonce);
			enum sasl_want want;

			if (!initial) {
				assert_int_equal(sasl_begin(s, false, S("")), SASL_SEND);
				assert_int_equal(sasl_out(s).n, 0);
			}
			want = says(s, initial, rows[i].message);
			if (want != rows[i].want || sasl_why(s) != rows[i].why || !str_eq(sasl_name(s), rows[i].name) ||
			    !str_eq(sasl_acts_for(s), rows[i].acts_for) || !str_eq(sasl_password(s), rows[i].password))
				fail_msg("row %zu: %d %d %.*s", i, want, sasl_why(s), (int)sasl_name(s).n, sasl_name(s).p);
			if (want != SASL_ASK_PASSWORD)
				continue;
			assert_int_equal(sasl_checked(s, initial), initial ? SASL_OK : SASL_NO);
			assert_int_equal(sasl_password(s).n, 0);
		}
	}
}

static void test_login(void **state)
{
	AUTO(sasl_end) struct sasl *s = sasl_open(SASL_LOGIN, &in_clear, nonce), *t = sasl_open(SASL_LOGIN, &in_clear, nonce),
				   *empty = sasl_open(SASL_LOGIN, &in_clear, nonce);

	(void)state;
	assert_int_equal(sasl_begin(s, false, S("")), SASL_SEND);
	assert_true(str_eq(sasl_out(s), S("Username:")));
	assert_int_equal(sasl_answer(s, S("dGlt")), SASL_SEND);
	assert_true(str_eq(sasl_out(s), S("Password:")));
	assert_int_equal(sasl_answer(s, S("c2VjcmV0")), SASL_ASK_PASSWORD);
	assert_true(str_eq(sasl_name(s), S("tim")) && str_eq(sasl_password(s), S("secret")));
	assert_int_equal(sasl_checked(s, true), SASL_OK);
	assert_int_equal(sasl_begin(t, true, S("dGlt")), SASL_SEND);
	assert_true(str_eq(sasl_out(t), S("Password:")));
	assert_int_equal(sasl_answer(t, S("")), SASL_NO);
	assert_int_equal(sasl_begin(empty, true, S("=")), SASL_NO);
	assert_int_equal(sasl_why(empty), SASL_WHY_CREDENTIALS);
}

static void test_c1_base64(void **state)
{
	static const struct str rows[] = { S("AGEAYg"), S("AGEAYg="), S("AGE AYg=="), S("*AGEAYg=="), S("=AGEAYg="), S("AGEAYh=="), S("AG\0AYg=="), S("===="), S("x") };
	static char huge[20000];

	(void)state;
	memset(huge, 'A', sizeof(huge));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(sasl_end) struct sasl *s = sasl_open(SASL_PLAIN, &in_clear, nonce);

		assert_int_equal(sasl_begin(s, true, rows[i]), SASL_NO);
		assert_int_equal(sasl_why(s), SASL_WHY_BASE64);
	}
	for (size_t n = 0; n <= sizeof(huge); n += n < 64 ? 1 : 123) {
		AUTO(sasl_end) struct sasl *s = sasl_open(SASL_PLAIN, &in_clear, nonce);

		assert_int_equal(sasl_begin(s, true, str_of(huge, n)), SASL_NO);
	}
}

static void test_c5_cancel(void **state)
{
	AUTO(sasl_end) struct sasl *s = sasl_open(SASL_LOGIN, &in_clear, nonce);

	(void)state;
	sasl_begin(s, false, S(""));
	assert_int_equal(sasl_answer(s, S("*")), SASL_NO);
	assert_int_equal(sasl_why(s), SASL_WHY_CANCELLED);
}

/* The messages of RFC 7677 §3, but for our nonce. */
static void test_scram(void **state)
{
	AUTO(sasl_end) struct sasl *s = sasl_open(SASL_SCRAM_SHA_256, &in_clear, nonce);
	static const struct str salt = S("\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81");
	static const uint8_t signature[SASL_PROOF] = { 0xea, 0xba, 0xe2 };

	(void)state;
	assert_int_equal(says(s, true, S("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")), SASL_ASK_SALT);
	assert_true(str_eq(sasl_name(s), S("user")) && sasl_acts_for(s).n == 0);
	assert_int_equal(sasl_salt(s, salt, 4096), SASL_SEND);
	assert_true(str_eq(sasl_out(s), S("r=rOprNGfwEbeRWgbNEkqO" OURS ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")));
	assert_int_equal(says(s, false, S("c=biws,r=rOprNGfwEbeRWgbNEkqO" OURS ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")), SASL_ASK_PROOF);
	assert_true(str_eq(sasl_auth_message(s), S("n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO" OURS
						   ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO" OURS)));
	assert_int_equal(sasl_proof(s).n, SASL_PROOF);
	assert_int_equal((unsigned char)sasl_proof(s).p[0], 0x74);
	assert_int_equal(sasl_proved(s, true, signature), SASL_SEND);
	assert_true(str_starts(sasl_out(s), S("v=6rri")));
	assert_int_equal(sasl_answer(s, S("")), SASL_OK);
}

static void test_scram_first(void **state)
{
	static const struct {
		enum sasl_mechanism mechanism;
		const struct sasl_channel *channel;
		struct str message;
		enum sasl_want want;
		enum sasl_why why;
		struct str name;
	} rows[] = {
		{ SASL_SCRAM_SHA_256, &in_clear, S("n,a=boss,n=a=2Cb=3D,r=x"), SASL_ASK_SALT, 0, S("a,b=") },
		{ SASL_SCRAM_SHA_256, &in_clear, S("n,,n=a,r=x,ext=1"), SASL_ASK_SALT, 0, S("a") },
		{ SASL_SCRAM_SHA_256, &in_clear, S("y,,n=a,r=x"), SASL_ASK_SALT, 0, S("a") },
		{ SASL_SCRAM_SHA_256, &over_tls, S("n,,n=a,r=x"), SASL_ASK_SALT, 0, S("a") },
		{ SASL_SCRAM_SHA_256_PLUS, &over_tls, S("p=tls-exporter,,n=a,r=x"), SASL_ASK_SALT, 0, S("a") },
		{ SASL_SCRAM_SHA_256_PLUS, &over_tls, S("p=tls-server-end-point,,n=a,r=x"), SASL_ASK_SALT, 0, S("a") },
		/* C5: channel binding taken away on the way, or not ours */
		{ SASL_SCRAM_SHA_256, &over_tls, S("y,,n=a,r=x"), SASL_NO, SASL_WHY_BINDING, S("") },
		{ SASL_SCRAM_SHA_256, &over_tls, S("p=tls-exporter,,n=a,r=x"), SASL_NO, SASL_WHY_BINDING, S("") },
		{ SASL_SCRAM_SHA_256_PLUS, &over_tls, S("n,,n=a,r=x"), SASL_NO, SASL_WHY_BINDING, S("") },
		{ SASL_SCRAM_SHA_256_PLUS, &over_tls, S("y,,n=a,r=x"), SASL_NO, SASL_WHY_BINDING, S("") },
		{ SASL_SCRAM_SHA_256_PLUS, &over_tls, S("p=tls-unique,,n=a,r=x"), SASL_NO, SASL_WHY_BINDING, S("") },
		{ SASL_SCRAM_SHA_256_PLUS, &over_tls, S("p=foo,,n=a,r=x"), SASL_NO, SASL_WHY_BINDING, S("") },
		{ SASL_SCRAM_SHA_256_PLUS, &in_clear, S("p=tls-exporter,,n=a,r=x"), SASL_NO, SASL_WHY_BINDING, S("") },
		/* not of this form */
		{ SASL_SCRAM_SHA_256, &in_clear, S(""), SASL_NO, SASL_WHY_SYNTAX, S("") }, { SASL_SCRAM_SHA_256, &in_clear, S("n"), SASL_NO, SASL_WHY_SYNTAX, S("") },
		{ SASL_SCRAM_SHA_256, &in_clear, S("x,,n=a,r=x"), SASL_NO, SASL_WHY_SYNTAX, S("") }, { SASL_SCRAM_SHA_256, &in_clear, S("n,n=a,r=x"), SASL_NO, SASL_WHY_SYNTAX, S("") },
		{ SASL_SCRAM_SHA_256, &in_clear, S("n,,m=1,n=a,r=x"), SASL_NO, SASL_WHY_SYNTAX, S("") }, { SASL_SCRAM_SHA_256, &in_clear, S("n,,n=a"), SASL_NO, SASL_WHY_SYNTAX, S("") },
		{ SASL_SCRAM_SHA_256, &in_clear, S("n,,n=a,r="), SASL_NO, SASL_WHY_SYNTAX, S("") }, { SASL_SCRAM_SHA_256, &in_clear, S("n,,n=a,r=a b"), SASL_NO, SASL_WHY_SYNTAX, S("") },
		{ SASL_SCRAM_SHA_256, &in_clear, S("n,,r=x,n=a"), SASL_NO, SASL_WHY_SYNTAX, S("") },
		{ SASL_SCRAM_SHA_256, &in_clear, S("n,,n=,r=x"), SASL_NO, SASL_WHY_CREDENTIALS, S("") }, { SASL_SCRAM_SHA_256, &in_clear, S("n,,n=a=b,r=x"), SASL_NO, SASL_WHY_CREDENTIALS, S("") },
		{ SASL_SCRAM_SHA_256, &in_clear, S("n,,n=a=2c,r=x"), SASL_NO, SASL_WHY_CREDENTIALS, S("") }, { SASL_SCRAM_SHA_256, &in_clear, S("n,,n=a\x01,r=x"), SASL_NO, SASL_WHY_CREDENTIALS, S("") },
		{ SASL_SCRAM_SHA_256, &in_clear, S("n,,n=a\xff,r=x"), SASL_NO, SASL_WHY_SYNTAX, S("") }, { SASL_SCRAM_SHA_256, &in_clear, S("n,,n=a\0,r=x"), SASL_NO, SASL_WHY_SYNTAX, S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(sasl_end) struct sasl *s = sasl_open(rows[i].mechanism, rows[i].channel, nonce);
		enum sasl_want want = says(s, true, rows[i].message);

		if (want != rows[i].want || sasl_why(s) != rows[i].why || !str_eq(sasl_name(s), rows[i].name))
			fail_msg("row %zu " STR_FMT ": %d %d", i, STR_ARG(rows[i].message), want, sasl_why(s));
	}
}

#define PROOF ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static void test_scram_final(void **state)
{
	static const struct {
		struct str message;
		enum sasl_want want;
		enum sasl_why why;
	} rows[] = {
		/* "p=tls-server-end-point,," and "hash" */
		{ S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,r=x" OURS PROOF), SASL_ASK_PROOF, 0 },
		{ S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,r=x" OURS ",e=1" PROOF), SASL_ASK_PROOF, 0 },
		{ S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaQ==,r=x" OURS PROOF), SASL_NO, SASL_WHY_BINDING },
		{ S("c=biws,r=x" OURS PROOF), SASL_NO, SASL_WHY_BINDING }, { S("c=,r=x" OURS PROOF), SASL_NO, SASL_WHY_BINDING },
		{ S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,r=x" PROOF), SASL_NO, SASL_WHY_CREDENTIALS },
		{ S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,r=y" OURS PROOF), SASL_NO, SASL_WHY_CREDENTIALS },
		{ S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,r=x" OURS ",m=1" PROOF), SASL_NO, SASL_WHY_SYNTAX },
		{ S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,r=x" OURS), SASL_NO, SASL_WHY_SYNTAX },
		{ S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,r=x" OURS ",p="), SASL_NO, SASL_WHY_SYNTAX },
		{ S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,r=x" OURS ",p=AAAA"), SASL_NO, SASL_WHY_SYNTAX },
		{ S("r=x" OURS PROOF), SASL_NO, SASL_WHY_SYNTAX }, { S(""), SASL_NO, SASL_WHY_SYNTAX }, { S(","), SASL_NO, SASL_WHY_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(sasl_end) struct sasl *s = sasl_open(SASL_SCRAM_SHA_256_PLUS, &over_tls, nonce);
		enum sasl_want want;

		assert_int_equal(says(s, true, S("p=tls-server-end-point,,n=a,r=x")), SASL_ASK_SALT);
		assert_int_equal(sasl_salt(s, S("0123456789abcdef"), 4096), SASL_SEND);
		want = says(s, false, rows[i].message);
		if (want != rows[i].want || sasl_why(s) != rows[i].why)
			fail_msg("row %zu " STR_FMT ": %d %d", i, STR_ARG(rows[i].message), want, sasl_why(s));
		if (want == SASL_ASK_PROOF)
			assert_int_equal(sasl_proved(s, false, no_signature), SASL_NO);
	}
}

static void test_c4_limits(void **state)
{
	static char mem[70000];
	static const struct { enum sasl_mechanism m; const char *begin; size_t n; const char *end; enum sasl_want want; } rows[] = {
		{ SASL_SCRAM_SHA_256, "n,,n=", 255, ",r=x", SASL_ASK_SALT }, { SASL_SCRAM_SHA_256, "n,,n=", 256, ",r=x", SASL_NO },
		{ SASL_SCRAM_SHA_256, "n,,n=a,r=", 1000, "", SASL_ASK_SALT }, { SASL_SCRAM_SHA_256, "n,,n=a,r=", 2000, "", SASL_NO },
		{ SASL_SCRAM_SHA_256, "n,a=", 256, ",n=a,r=x", SASL_NO }, { SASL_SCRAM_SHA_256, "n,,n=", 9000, ",r=x", SASL_NO },
		{ SASL_LOGIN, "", 255, "", SASL_SEND }, { SASL_LOGIN, "", 256, "", SASL_NO }, { SASL_LOGIN, "", 65536, "", SASL_NO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(sasl_end) struct sasl *s = sasl_open(rows[i].m, &in_clear, nonce);
		struct buf b = buf_over(mem, sizeof(mem));

		buf_addf(&b, "%s", rows[i].begin);
		for (size_t k = 0; k < rows[i].n; k++)
			buf_add_char(&b, 'z');
		buf_addf(&b, "%s", rows[i].end);
		if (says(s, true, buf_str(&b)) != rows[i].want)
			fail_msg("row %zu", i);
		if (rows[i].want == SASL_ASK_SALT)
			assert_int_equal(sasl_salt(s, S("0123456789abcdef"), 4096), SASL_SEND);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(sasl_mechanism_parse(S("scram-sha-256-plus")), SASL_SCRAM_SHA_256_PLUS);
	assert_int_equal(sasl_mechanism_parse(S("")), SASL_NONE);
	assert_int_equal(sasl_mechanism_parse(S("CRAM-MD5")), SASL_NONE);
	assert_int_equal(sasl_mechanism_parse(S("NTLM")), SASL_NONE);
	for (int m = SASL_PLAIN; m < SASL_MECHANISM_COUNT; m++)
		assert_int_equal(sasl_mechanism_parse(sasl_mechanism_name((enum sasl_mechanism)m)), m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain), cmocka_unit_test(test_login), cmocka_unit_test(test_c1_base64),
		cmocka_unit_test(test_c5_cancel), cmocka_unit_test(test_scram), cmocka_unit_test(test_scram_first),
		cmocka_unit_test(test_scram_final), cmocka_unit_test(test_c4_limits), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
