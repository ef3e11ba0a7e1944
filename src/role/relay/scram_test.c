/* scram_test.c — the exchange of RFC 7677 §3, and servers that lie. */
#include "role/relay/scram.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NONCE "rOprNGfwEbeRWgbNEkqO"
#define FIRST "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static void test_rfc7677(void **state)
{
	struct buf b = buf_over((char[512]){ 0 }, 512);
	struct scram s;
	struct err e;

	(void)state;
	assert_true(scram_first(&s, S("user"), S(NONCE), &b, &e));
	assert_true(str_eq(buf_str(&b), S("n,,n=user,r=" NONCE)));
	buf_clear(&b);
	assert_true(scram_final(&s, S(FIRST), S("pencil"), &b, &e));
	assert_true(str_eq(buf_str(&b), S("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
					  "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")));
	assert_true(scram_check(&s, S("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	assert_false(scram_check(&s, S("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=")));
	assert_false(scram_check(&s, S("v=")));
	assert_false(scram_check(&s, S("e=other-error")));
	assert_false(scram_check(&s, S("")));
}

static void test_liars(void **state)
{
	static const struct str bad[] = {
		S(""), S("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), S("r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
		S("r=" NONCE "x,s=,i=4096"), S("r=" NONCE "x,s=!!!,i=4096"), S("r=" NONCE "x,s=QQ==,i=1"),
		S("r=" NONCE "x,s=QQ==,i=4000000000"), S("r=" NONCE "x,s=QQ==,i=-1"), S("r=" NONCE "x,s=QQ=="),
		S("m=x,r=" NONCE "x,s=QQ==,i=4096"), S("r=" NONCE "\x1b[2J,s=QQ==,i=4096"), S("r=" NONCE "\xff,s=QQ==,i=4096"),
	};
	struct scram s;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf b = buf_over((char[512]){ 0 }, 512);

		assert_true(scram_first(&s, S("u,=r"), S(NONCE), &b, &e));
		assert_true(str_eq(buf_str(&b), S("n,,n=u=2C=3Dr,r=" NONCE)));
		assert_false(scram_final(&s, bad[i], S("pencil"), &b, &e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rfc7677), cmocka_unit_test(test_liars) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
