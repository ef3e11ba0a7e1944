/* spf_record_test.c — the grammar of RFC 7208 §12, and what is told of records that do not keep it. */
#include "wire/spf_macro.h"
#include "wire/spf_record.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_is(void **state)
{
	static const struct { struct str text; bool is; } rows[] = {
		{ S("v=spf1"), true }, { S("V=SPF1 -all"), true }, { S("v=spf1 "), true }, { S("v=spf10 -all"), false },
		{ S("v=spf1\t-all"), false }, { S("v=spf2.0/pra -all"), false }, { S(" v=spf1"), false }, { S("v=spf"), false },
		{ S(""), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (spf_record_is(rows[i].text) != rows[i].is)
			fail_msg(STR_FMT, STR_ARG(rows[i].text));
}

/* Terms as they are understood: kind, qualifier, domain, bits. */
static void test_terms(void **state)
{
	static const struct {
		struct str term;
		enum spf_term_kind kind;
		char qualifier;
		struct str domain;
		unsigned bits4, bits6;
	} rows[] = {
		{ S("all"), SPF_TERM_ALL, '+', S(""), 32, 128 },
		{ S("-ALL"), SPF_TERM_ALL, '-', S(""), 32, 128 },
		{ S("~include:a.example"), SPF_TERM_INCLUDE, '~', S("a.example"), 32, 128 },
		{ S("?a"), SPF_TERM_A, '?', S(""), 32, 128 },
		{ S("a:%{d}"), SPF_TERM_A, '+', S("%{d}"), 32, 128 },
		{ S("a/0"), SPF_TERM_A, '+', S(""), 0, 128 },
		{ S("mx//0"), SPF_TERM_MX, '+', S(""), 32, 0 },
		{ S("A:a.example/24//64"), SPF_TERM_A, '+', S("a.example"), 24, 64 },
		{ S("a:b/c.example/8"), SPF_TERM_A, '+', S("b/c.example"), 8, 128 },
		{ S("a:x/24/b.example"), SPF_TERM_A, '+', S("x/24/b.example"), 32, 128 },
		{ S("mx:%{d2}/32"), SPF_TERM_MX, '+', S("%{d2}"), 32, 128 },
		{ S("ptr:a.example."), SPF_TERM_PTR, '+', S("a.example."), 32, 128 },
		{ S("exists:%{l1r+-}.a.%{d2}"), SPF_TERM_EXISTS, '+', S("%{l1r+-}.a.%{d2}"), 32, 128 },
		{ S("ip4:192.0.2.0/24"), SPF_TERM_IP4, '+', S(""), 24, 128 },
		{ S("ip6:2001:db8::/32"), SPF_TERM_IP6, '+', S(""), 32, 32 },
		{ S("redirect=_spf.example.net"), SPF_TERM_REDIRECT, 0, S("_spf.example.net"), 32, 128 },
		{ S("Exp=x.%{d}"), SPF_TERM_EXP, 0, S("x.%{d}"), 32, 128 },
		{ S("moo.cow-far_out=man:dog/cat"), SPF_TERM_OTHER, 0, S("man:dog/cat"), 32, 128 },
		{ S("x="), SPF_TERM_OTHER, 0, S(""), 32, 128 },
		{ S("a:xn--a.xn--zckzah"), SPF_TERM_A, '+', S("xn--a.xn--zckzah"), 32, 128 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str in = rows[i].term;
		struct spf_term t;

		if (!spf_term_next(&in, &t) || t.kind != rows[i].kind || t.qualifier != rows[i].qualifier ||
		    !str_eq(t.domain, rows[i].domain) || t.bits4 != rows[i].bits4 || t.bits6 != rows[i].bits6)
			fail_msg(STR_FMT, STR_ARG(rows[i].term));
		assert_int_equal(in.n, 0);
	}
}

#define RECORD(terms) S("v=spf1 " terms)

/* What is wrong is told with its place. */
static void test_errors(void **state)
{
	static const struct { struct str text; const char *why; } rows[] = {
		{ RECORD("a b -all"), "term 2 \"b\": no such mechanism" },
		{ RECORD("  mx   +"), "term 2 \"+\": no such mechanism" },
		{ RECORD("--all"), "term 1 \"--all\": no such mechanism" },
		{ RECORD("all:x.example"), "term 1 \"all:x.example\": nothing like that may stand behind the name" },
		{ RECORD("ptr/24"), "term 1 \"ptr/24\": nothing like that may stand behind the name" },
		{ RECORD("a/24/64"), "term 1 \"a/24/64\": an IPv4 network has 0 to 32 bits" },
		{ RECORD("a/33"), "term 1 \"a/33\": an IPv4 network has 0 to 32 bits" },
		{ RECORD("a/08"), "term 1 \"a/08\": an IPv4 network has 0 to 32 bits" },
		{ RECORD("a//129"), "term 1 \"a//129\": an IPv6 network has 0 to 128 bits" },
		{ RECORD("a/"), "term 1 \"a/\": nothing like that may stand behind the name" },
		{ RECORD("include"), "term 1 \"include\": a domain is missing" },
		{ RECORD("include:"), "term 1 \"include:\": a domain is missing" },
		{ RECORD("a:museum."), "term 1 \"a:museum.\": not a domain with a top-level label" },
		{ RECORD("a:192.0.2.1"), "term 1 \"a:192.0.2.1\": not a domain with a top-level label" },
		{ RECORD("a:a.-b"), "term 1 \"a:a.-b\": not a domain with a top-level label" },
		{ RECORD("a:a.b-"), "term 1 \"a:a.b-\": not a domain with a top-level label" },
		{ RECORD("a:%{d}."), "term 1 \"a:%{d}.\": not a domain with a top-level label" },
		{ RECORD("a:%{d0}"), "term 1 \"a:%{d0}\": a malformed macro" },
		{ RECORD("a:%{c}"), "term 1 \"a:%{c}\": a malformed macro" },
		{ RECORD("a:%{dr2}"), "term 1 \"a:%{dr2}\": a malformed macro" },
		{ RECORD("a:%{d"), "term 1 \"a:%{d\": a malformed macro" },
		{ RECORD("a:%a.example"), "term 1 \"a:%a.example\": a malformed macro" },
		{ RECORD("x=%"), "term 1 \"x=%\": a malformed macro" },
		{ RECORD("ip4"), "term 1 \"ip4\": a network is missing" },
		{ RECORD("ip4:"), "term 1 \"ip4:\": not an IPv4 network" },
		{ RECORD("ip4:1.2.3"), "term 1 \"ip4:1.2.3\": not an IPv4 network" },
		{ RECORD("ip4:01.2.3.4"), "term 1 \"ip4:01.2.3.4\": not an IPv4 network" },
		{ RECORD("ip4:::1"), "term 1 \"ip4:::1\": not an IPv4 network" },
		{ RECORD("ip4:1.2.3.4/"), "term 1 \"ip4:1.2.3.4/\": an IPv4 network has 0 to 32 bits" },
		{ RECORD("ip6:1.2.3.4"), "term 1 \"ip6:1.2.3.4\": not an IPv6 network" },
		{ RECORD("ip6:::1//64"), "term 1 \"ip6:::1//64\": an IPv6 network has 0 to 128 bits" },
		{ RECORD("exp=a.example exp=a.example"), "term 2 \"exp=a.example\": stands twice" },
		{ RECORD("-all redirect=a.example redirect=b.example"), "term 3 \"redirect=b.example\": stands twice" },
		{ RECORD("-redirect=a.example"), "term 1 \"-redirect=a.example\": no such mechanism" },
		{ RECORD("=all"), "term 1 \"=all\": no such mechanism" },
		{ RECORD("a\rmx"), "term 1 \"a\\x0dmx\": nothing like that may stand behind the name" },
		{ RECORD("\xEF\xBB\xBF" "a"), "term 1 \"\\xef\\xbb\\xbfa\": no such mechanism" },
		{ S("v=spf2"), "not a record of version spf1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *exact = malloc(rows[i].text.n);
		struct spf_record r;
		struct err e = { 0 };

		memcpy(exact, rows[i].text.p, rows[i].text.n);
		if (spf_record_read(str_of(exact, rows[i].text.n), &r, &e))
			fail_msg(STR_FMT " is taken", STR_ARG(rows[i].text));
		assert_string_equal(e.text, rows[i].why);
		assert_int_equal(e.fault, FAULT_PERM);
		free(exact);
	}
}

static void test_record(void **state)
{
	struct spf_record r;
	struct spf_term t;
	struct err e;
	size_t n = 0;

	(void)state;
	assert_true(spf_record_read(S("v=spf1  a  exp=e.example mx redirect=r.example  "), &r, &e));
	assert_true(str_eq(r.exp, S("e.example")));
	assert_true(str_eq(r.redirect, S("r.example")));
	while (spf_term_next(&r.terms, &t))
		n++;
	assert_int_equal(n, 4);
	assert_true(spf_record_read(S("v=spf1"), &r, &e));
	assert_false(spf_term_next(&r.terms, &t));
}

static void test_size(void **state)
{
	static char text[SPF_RECORD_MAX + 1];
	struct spf_record r;
	struct err e;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "v=spf1", 6);
	assert_true(spf_record_read(str_of(text, SPF_RECORD_MAX), &r, &e));
	assert_false(spf_record_read(str_of(text, SPF_RECORD_MAX + 1), &r, &e));
}

/* §7.3, and the example of §7.4: reversed, then the right-hand parts, joined with dots. */
static void test_transformers(void **state)
{
	static const struct { struct str macro, value, wanted; } rows[] = {
		{ S("%{d4}"), S("email.example.com"), S("email.example.com") },
		{ S("%{d3}"), S("email.example.com"), S("email.example.com") },
		{ S("%{d2}"), S("email.example.com"), S("example.com") },
		{ S("%{d1}"), S("email.example.com"), S("com") },
		{ S("%{dr}"), S("email.example.com"), S("com.example.email") },
		{ S("%{d2r}"), S("email.example.com"), S("example.email") },
		{ S("%{l-}"), S("strong-bad"), S("strong.bad") },
		{ S("%{lr}"), S("strong-bad"), S("strong-bad") },
		{ S("%{lr-}"), S("strong-bad"), S("bad.strong") },
		{ S("%{l1r-}"), S("strong-bad"), S("strong") },
		{ S("%{l2+-}"), S("a.b-c+d"), S("c.d") },
		{ S("%{l.-+,/_=}"), S("a.b-c+d,e/f_g=h"), S("a.b.c.d.e.f.g.h") },
		{ S("%{l-}"), S("-a--b-"), S(".a..b.") },
		{ S("%{lr-}"), S("-a--b-"), S(".b..a.") },
		{ S("%{l1-}"), S("a-"), S("") },
		{ S("%{l99999999999999999999}"), S("a.b"), S("a.b") },
		{ S("%{dr}"), S(""), S("") },
		{ S("%{L}"), S("~jack&jill=up-a_b3.c"), S("~jack%26jill%3Dup-a_b3.c") },
		{ S("%{LR-}"), S("a b-c"), S("c.a%20b") },
		{ S("%{s-}"), S("\xC3\xA4-b"), S("\xC3\xA4.b") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char mem[100];
		struct buf b = buf_over(mem, sizeof(mem));
		struct str in = rows[i].macro;
		struct spf_macro m;

		assert_true(spf_macro_next(&in, SPF_IN_DOMAIN, &m));
		spf_macro_add(&b, &m, rows[i].value);
		if (!str_eq(buf_str(&b), rows[i].wanted) || in.n)
			fail_msg(STR_FMT " of " STR_FMT ": " STR_FMT, STR_ARG(rows[i].macro), STR_ARG(rows[i].value),
				 STR_ARG(buf_str(&b)));
	}
}

static void test_explanations(void **state)
{
	static const struct { struct str text; bool in_domain, in_explanation; } rows[] = {
		{ S("%{c} %{r} %{t}"), false, true }, { S("%%%_%-"), true, true }, { S("a b"), false, true },
		{ S("%{x}"), false, false }, { S("\x7F"), false, false }, { S("\xC3\xA4"), false, false },
		{ S("a\tb"), false, false }, { S("%"), false, false }, { S(""), true, true }, { S("%{s2r-.}!"), true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (spf_macro_is_valid(rows[i].text, SPF_IN_DOMAIN) != rows[i].in_domain ||
		    spf_macro_is_valid(rows[i].text, SPF_IN_EXPLANATION) != rows[i].in_explanation)
			fail_msg(STR_FMT, STR_ARG(rows[i].text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is), cmocka_unit_test(test_terms), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_record), cmocka_unit_test(test_size), cmocka_unit_test(test_transformers),
		cmocka_unit_test(test_explanations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
