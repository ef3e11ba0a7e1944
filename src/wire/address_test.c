/* address_test.c — which notations are addresses, and whose. */
#include "wire/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
	struct str in;
	unsigned flags;
	bool ok;
	struct str local, domain, rest;
};

/* A copy in a block of exactly its size: a sanitizer sees one byte too far. */
static struct str exact(struct str s)
{
	char *p = malloc(s.n ? s.n : 1);

	assert_non_null(p);
	if (s.n)
		memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct str copy = exact(rows[i].in), in = copy;
		struct smtp_path p;
		bool ok = smtp_path_parse(&in, rows[i].flags, &a, &p);

		if (ok != rows[i].ok)
			fail_msg(STR_FMT ": %s", STR_ARG(rows[i].in), ok ? "taken" : "refused");
		if (!ok)
			assert_true(in.p == copy.p && in.n == copy.n);
		else if (!str_eq(p.local, rows[i].local) || !str_eq(p.domain, rows[i].domain) ||
			 !str_eq(in, rows[i].rest))
			fail_msg(STR_FMT ": local " STR_FMT " domain " STR_FMT " rest " STR_FMT, STR_ARG(rows[i].in),
				 STR_ARG(p.local), STR_ARG(p.domain), STR_ARG(in));
		free((void *)copy.p);
	}
}

#define L10 "aaaaaaaaaa"
#define L60 L10 L10 L10 L10 L10 L10

static void test_paths(void **state)
{
	static const struct row rows[] = {
		{ S("<a@b>"), 0, true, S("a"), S("b"), S("") },
		{ S("<a@b> SIZE=1"), 0, true, S("a"), S("b"), S(" SIZE=1") },
		{ S("<a.b+c=d@mx-1.example.org>"), 0, true, S("a.b+c=d"), S("mx-1.example.org"), S("") },
		{ S("<\"a b\"@c>"), 0, true, S("a b"), S("c"), S("") },
		{ S("<\"a\\\"\\\\b\"@c>"), 0, true, S("a\"\\b"), S("c"), S("") },
		{ S("<a@[192.0.2.1]>"), 0, true, S("a"), S("[192.0.2.1]"), S("") },
		{ S("<a@[IPv6:2001:db8::1]>"), 0, true, S("a"), S("[IPv6:2001:db8::1]"), S("") },
		{ S("<a@[IPv6:::ffff:192.0.2.1]>"), 0, true, S("a"), S("[IPv6:::ffff:192.0.2.1]"), S("") },
		{ S("<>"), PATH_NULL, true, S(""), S(""), S("") },
		{ S("<>"), 0, false, S(""), S(""), S("") },
		{ S("<PostMaster>"), PATH_POSTMASTER, true, S("PostMaster"), S(""), S("") },
		{ S("<postmaster>"), PATH_NULL, false, S(""), S(""), S("") },
		{ S("<abuse>"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		{ S("<" L60 "aaaa@b>"), 0, true, S(L60 "aaaa"), S("b"), S("") },
		{ S("<" L60 "aaaaa@b>"), 0, false, S(""), S(""), S("") },
		{ S("<a@" L60 "aaa>"), 0, true, S("a"), S(L60 "aaa"), S("") },
		{ S("<a@" L60 "aaaa>"), 0, false, S(""), S(""), S("") },
		{ S("<a@" L60 "." L60 "." L60 "." L60 "." L10 "a>"), 0, true, S("a"),
		  S(L60 "." L60 "." L60 "." L60 "." L10 "a"), S("") },
		{ S("<a@" L60 "." L60 "." L60 "." L60 "." L10 "aa>"), 0, false, S(""), S(""), S("") },
		{ S("<a@[192.0.2.256]>"), 0, false, S(""), S(""), S("") },
		{ S("<a@[2001:db8::1]>"), 0, false, S(""), S(""), S("") },
		{ S("<a@[x:y]>"), 0, false, S(""), S(""), S("") },
		{ S("<a@[192.0.2.1>"), 0, false, S(""), S(""), S("") },
		{ S("<a@-b>"), 0, false, S(""), S(""), S("") },
		{ S("<a@b-.c>"), 0, false, S(""), S(""), S("") },
		{ S("<a@b..c>"), 0, false, S(""), S(""), S("") },
		{ S("<a@b"), 0, false, S(""), S(""), S("") },
		{ S("<a@"), 0, false, S(""), S(""), S("") },
		{ S("<\"a"), 0, false, S(""), S(""), S("") },
		{ S("<\"a\\"), 0, false, S(""), S(""), S("") },
		{ S("<"), PATH_NULL, false, S(""), S(""), S("") },
		{ S(""), PATH_NULL, false, S(""), S(""), S("") },
		{ S("<ü@b>"), 0, false, S(""), S(""), S("") },
		{ S("<ü@b>"), PATH_UTF8, true, S("ü"), S("b"), S("") },
		{ S("<\"ü \\\\ö\"@b>"), PATH_UTF8, true, S("ü \\ö"), S("b"), S("") },
		{ S("<\"\\ü\"@b>"), PATH_UTF8, false, S(""), S(""), S("") },
		{ S("<a@bücher.example>"), PATH_UTF8, true, S("a"), S("bücher.example"), S("") },
		{ S("<a@bücher.example>"), 0, false, S(""), S(""), S("") },
		{ S("<\xc3@b>"), PATH_UTF8, false, S(""), S(""), S("") },
		{ S("<\xc0\xaf@b>"), PATH_UTF8, false, S(""), S(""), S("") },
		{ S("<\xed\xa0\x80@b>"), PATH_UTF8, false, S(""), S(""), S("") },
		{ S("<\xc2\x85@b>"), PATH_UTF8, false, S(""), S(""), S("") },
		{ S("<\xe2\x80\xa8@b>"), PATH_UTF8, false, S(""), S(""), S("") },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

/* B20 and E1, E2, E4 of attacks.md: alive, and refused or taken by the letter. */
static void test_b20_empty_parts(void **state)
{
	static const struct row rows[] = {
		{ S("<\"\">"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		{ S("<\"\"@d>"), 0, false, S(""), S(""), S("") },
		{ S("<@>"), 0, false, S(""), S(""), S("") },
		{ S("<@d>"), 0, false, S(""), S(""), S("") },
		{ S("<.@d>"), 0, false, S(""), S(""), S("") },
		{ S("<a..b@d>"), 0, false, S(""), S(""), S("") },
		{ S("<.a@d>"), 0, false, S(""), S(""), S("") },
		{ S("<a.@d>"), 0, false, S(""), S(""), S("") },
		/* E1 */
		{ S("<;sleep 66;>"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		{ S("<;sleep@d>"), 0, false, S(""), S(""), S("") },
		/* E2: without backslashes it is an atom, and stays one */
		{ S("<${run{x}}@localhost>"), 0, true, S("${run{x}}"), S("localhost"), S("") },
		{ S("<${run{\\x2fbin}}@localhost>"), 0, false, S(""), S(""), S("") },
		/* E4 */
		{ S("<-oQ/tmp@d>"), 0, true, S("-oQ/tmp"), S("d"), S("") },
		{ S("<-oQ/tmp -X/x@d>"), 0, false, S(""), S(""), S("") },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

/* D1–D39 of attacks.md: what each notation means.  Those that parse name either the foreign
 * domain or a local part that is taken by the letter. */
static void test_d_relay_forms(void **state)
{
	static const struct row rows[] = {
		/* D1 */ { S("<v@victim.example>"), 0, true, S("v"), S("victim.example"), S("") },
		/* D2 */ { S("<v%victim.example@example.org>"), 0, true, S("v%victim.example"), S("example.org"), S("") },
		/* D3 */ { S("<v%victim.example@[192.0.2.25]>"), 0, true, S("v%victim.example"), S("[192.0.2.25]"), S("") },
		/* D4 */ { S("<v%victim.example>"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		/* D5 */ { S("<\"v@victim.example\">"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		/* D6 */ { S("<\"v%victim.example\">"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		/* D7 */ { S("<\"v@victim.example\"@example.org>"), 0, true, S("v@victim.example"), S("example.org"), S("") },
		/* D8 */ { S("<\"v%victim.example\"@example.org>"), 0, true, S("v%victim.example"), S("example.org"), S("") },
		/* D9 */ { S("<\"v@victim.example\"@[192.0.2.25]>"), 0, true, S("v@victim.example"), S("[192.0.2.25]"), S("") },
		/* D10 */ { S("<@example.org:v@victim.example>"), 0, true, S("v"), S("victim.example"), S("") },
		/* D11 */ { S("<@[192.0.2.25]:v@victim.example>"), 0, true, S("v"), S("victim.example"), S("") },
		/* D12 */ { S("<@example.org,@mx.example.org:v@victim.example>"), 0, true, S("v"), S("victim.example"), S("") },
		/* D13 */ { S("<victim.example!v>"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		/* D14 */ { S("<victim.example!v@example.org>"), 0, true, S("victim.example!v"), S("example.org"), S("") },
		/* D15 */ { S("<victim.example!v@[192.0.2.25]>"), 0, true, S("victim.example!v"), S("[192.0.2.25]"), S("") },
		/* D16 */ { S("<example.org!victim.example!v>"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		/* D17 */ { S("<v@victim.example@example.org>"), 0, false, S(""), S(""), S("") },
		/* D18 */ { S("<v@victim.example%example.org>"), 0, false, S(""), S(""), S("") },
		/* D19 */ { S("<v@[198.51.100.9]>"), 0, true, S("v"), S("[198.51.100.9]"), S("") },
		/* D20 */ { S("<v@victim.example.>"), 0, false, S(""), S(""), S("") },
		/* D21 */ { S("<>"), PATH_NULL, true, S(""), S(""), S("") },
		/* D22 */ { S("<postmaster@example.org>"), 0, true, S("postmaster"), S("example.org"), S("") },
		/* D23 */ { S("<u@[192.0.2.25]>"), 0, true, S("u"), S("[192.0.2.25]"), S("") },
		/* D24 */ { S("<u@localhost>"), 0, true, S("u"), S("localhost"), S("") },
		/* D25 */ { S("<u>"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		/* D26 */ { S("<victim@victim.example>"), 0, true, S("victim"), S("victim.example"), S("") },
		/* D27: what follows the first path makes the command wrong */
		{ S("<u@example.org>,<v@victim.example>"), 0, true, S("u"), S("example.org"), S(",<v@victim.example>") },
		/* D28 */ { S("v@victim.example"), 0, false, S(""), S(""), S("") },
		/* D29 */ { S("<u@example.org\0@victim.example>"), 0, false, S(""), S(""), S("") },
		/* D30 */ { S("<u@example.org\r@victim.example>"), 0, false, S(""), S(""), S("") },
		/* D30 */ { S("<u@example.org\n@victim.example>"), 0, false, S(""), S(""), S("") },
		/* D29 */ { S("<\"u\0\"@victim.example>"), 0, false, S(""), S(""), S("") },
		/* D30 */ { S("<\"u\\\n\"@victim.example>"), 0, false, S(""), S(""), S("") },
		/* D31 */ { S("<v@victim.example(example.org)>"), 0, false, S(""), S(""), S("") },
		/* D32 */ { S("<v@victim.example,example.org>"), 0, false, S(""), S(""), S("") },
		/* D37 */ { S("<SRS0=x=y=victim.example=v@example.org>"), 0, true, S("SRS0=x=y=victim.example=v"), S("example.org"), S("") },
		/* D38 */ { S("<user+v%victim.example@example.org>"), 0, true, S("user+v%victim.example"), S("example.org"), S("") },
		/* D39: full-width @ and ., ideographic stop, full-width % */
		{ S("<u＠example.org>"), PATH_UTF8 | PATH_POSTMASTER, false, S(""), S(""), S("") },
		{ S("<u@example．org>"), PATH_UTF8, false, S(""), S(""), S("") },
		{ S("<u@example。org>"), PATH_UTF8, false, S(""), S(""), S("") },
		{ S("<v@victim％example.org>"), PATH_UTF8, false, S(""), S(""), S("") },
		/* D40 */ { S("<u@x.example.org>"), 0, true, S("u"), S("x.example.org"), S("") },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

/* RFC 5321 §4.1.2 and §F.2: a source route is read, held to the grammar and forgotten. */
static void test_routes(void **state)
{
	static const struct row rows[] = {
		{ S("<@a.example:u@b> SIZE=1"), 0, true, S("u"), S("b"), S(" SIZE=1") },
		{ S("<@a.example,@b.example,@[IPv6:2001:db8::1]:\"u v\"@b>"), PATH_NULL, true, S("u v"), S("b"), S("") },
		{ S("<@bücher.example:u@b>"), PATH_UTF8, true, S("u"), S("b"), S("") },
		{ S("<@bücher.example:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@a:postmaster>"), PATH_POSTMASTER, false, S(""), S(""), S("") },
		{ S("<@a:>"), PATH_NULL | PATH_POSTMASTER, false, S(""), S(""), S("") },
		{ S("<@a,:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@a,b:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@a,@:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@a@c:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@a, @c:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<a:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@a:@c:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@a..c:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@" L60 "aaaa:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@" L60 "." L60 "." L60 "." L60 "." L10 "aa:u@b>"), 0, false, S(""), S(""), S("") },
		{ S("<@a:u@b"), 0, false, S(""), S(""), S("") },
		{ S("<@a,"), 0, false, S(""), S(""), S("") },
		{ S("<@a"), 0, false, S(""), S(""), S("") },
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct str in = S("<@bücher.example:u@b>");
	struct smtp_path p;

	(void)state;
	check(rows, ARRAY_LEN(rows));
	/* the route is not ASCII, so SMTPUTF8 must have been asked for */
	assert_true(smtp_path_parse(&in, PATH_UTF8, &a, &p) && p.is_utf8 && str_eq(p.text, S("u@b")));
}

static void test_fold(void **state)
{
	static const struct { struct str in; bool ok; struct str out; } rows[] = {
		{ S("MX.Example.ORG"), true, S("mx.example.org") },
		{ S("B\xc3\xbc" "cher.example"), true, S("xn--bcher-kva.example") },
		{ S("b\xc3\x9c" "cher.example"), false, S("") },
		{ S("a\xe2\x80\x8b" "b.example"), false, S("") },
		{ S("XN--BCHER-KVA.example"), true, S("xn--bcher-kva.example") },
		{ S("[192.0.2.1]"), true, S("[192.0.2.1]") },
		{ S("[IPv6:2001:DB8:0:0::1]"), true, S("[ipv6:2001:db8::1]") },
		{ S("[192.0.2.01]"), false, S("") },
		{ S("\xd1\x80\xd0\xb0ypal.example"), true, S("xn--ypal-43d9g.example") },
		{ S(""), false, S("") },
		{ S("a b"), false, S("") },
		{ S("a\0b"), false, S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct str out = { 0 };

		if (address_domain_fold(rows[i].in, &a, &out) != rows[i].ok || !str_eq(out, rows[i].out))
			fail_msg(STR_FMT " folds to " STR_FMT, STR_ARG(rows[i].in), STR_ARG(out));
	}
}

static void test_print(void **state)
{
	static const struct { struct str local, domain, out; } rows[] = {
		{ S("a.b"), S("c"), S("a.b@c") },
		{ S("a b"), S("c"), S("\"a b\"@c") },
		{ S("a\"\\"), S("c"), S("\"a\\\"\\\\\"@c") },
		{ S("a..b"), S("c"), S("\"a..b\"@c") },
		{ S("v@w"), S("[192.0.2.1]"), S("\"v@w\"@[192.0.2.1]") },
		{ S("postmaster"), S(""), S("postmaster") },
		{ S(""), S(""), S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char mem[100];
		struct buf b = buf_over(mem, sizeof(mem));

		smtp_path_add(&b, rows[i].local, rows[i].domain);
		assert_false(b.full);
		assert_true(str_eq(buf_str(&b), rows[i].out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_b20_empty_parts),
		cmocka_unit_test(test_d_relay_forms),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
