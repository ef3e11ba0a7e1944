/* auth_results_test.c — the examples of RFC 8601 §B, bent fields, and forged ones. */
#include "wire/auth_results.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* "server|method=result{reason}[type.name=value,…]|…" */
static void flatten(struct buf *b, const struct auth_results *r)
{
	buf_add(b, r->server);
	for (const struct auth_method *m = r->methods; m; m = m->next) {
		buf_addf(b, "|" STR_FMT "=" STR_FMT, STR_ARG(m->name), STR_ARG(m->result));
		if (m->reason.n)
			buf_addf(b, "{" STR_FMT "}", STR_ARG(m->reason));
		for (const struct auth_property *o = m->properties; o; o = o->next)
			buf_addf(b, "[" STR_FMT "." STR_FMT "=" STR_FMT "]", STR_ARG(o->type), STR_ARG(o->name),
				 STR_ARG(o->value));
	}
}

static void test_read(void **state)
{
	static const struct {
		const char *field, *want;        /* NULL: it is none */
	} rows[] = {
		/* RFC 8601 §B.2 … §B.7 */
		{ " example.org 1; none", "example.org" },
		{ " example.com;\r\n          spf=pass smtp.mailfrom=example.net", "example.com|spf=pass[smtp.mailfrom=example.net]" },
		{ " example.com;\r\n      auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n      spf=pass smtp.mailfrom=example.net",
		  "example.com|auth=pass[smtp.auth=sender@example.net]|spf=pass[smtp.mailfrom=example.net]" },
		{ " example.com;\r\n      sender-id=fail header.from=example.com;\r\n      dkim=pass (good signature) header.d=example.com",
		  "example.com|sender-id=fail[header.from=example.com]|dkim=pass[header.d=example.com]" },
		{ " example.com;\r\n   dkim=pass reason=\"good signature\"\r\n     header.i=@mail-router.example.net;\r\n"
		  "   dkim=fail reason=\"bad signature\"\r\n     header.i=@newyork.example.com",
		  "example.com|dkim=pass{good signature}[header.i=@mail-router.example.net]"
		  "|dkim=fail{bad signature}[header.i=@newyork.example.com]" },
		{ " foo.example.net (foobar) 1 (baz);\r\n    dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
		  "      policy (A dot can go here) . (like that) expired\r\n"
		  "      (this surprised me) = (as I wasn't expecting it) 1362471462",
		  "foo.example.net|dkim=fail[policy.expired=1362471462]" },
		/* what is met */
		{ " mx.google.com;\r\n dkim=pass header.i=@a.example header.s=s1 header.b=\"ab/cd+e=\";",
		  "mx.google.com|dkim=pass[header.i=@a.example][header.s=s1][header.b=ab/cd+e=]" },
		{ "x; dkim=pass header.b=ab/cd+e=", "x|dkim=pass[header.b=ab/cd+e=]" },
		{ "\"a b\"; dkim=pass smtp.mailfrom=\"x y\"@example.net", "a b|dkim=pass[smtp.mailfrom=\"x y\"@example.net]" },
		{ "x;iprev=pass policy.iprev=2001:db8::1", "x|iprev=pass[policy.iprev=2001:db8::1]" },
		{ "x; spf=pass smtp.mailfrom=<>", "x|spf=pass[smtp.mailfrom=<>]" },
		{ "x;dkim=pass reason=\"a \\\"b\\\"\"", "x|dkim=pass{a \"b\"}" },
		/* none */
		{ "", NULL },
		{ "x", NULL },
		{ "x;", NULL },
		{ "x 2; none", NULL },
		{ "x; dkim/2=pass", NULL },
		{ "x; dkim", NULL },
		{ "x; dkim=", NULL },
		{ "x; =pass", NULL },
		{ "x; dkim=pass header", NULL },
		{ "x; dkim=pass header.d", NULL },
		{ "x; dkim=pass header.d=", NULL },
		{ "x; dkim=pass;; spf=pass", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf got = buf_on_heap(4096), again = buf_on_heap(4096), text = buf_on_heap(4096);
		struct str value = arena_str(&a, str_from_z(rows[i].field));
		struct auth_results r;
		bool ok = auth_results_parse(value, &a, &r);

		if (ok)
			flatten(&got, &r);
		if (ok != (rows[i].want != NULL) || !str_eq(buf_str(&got), str_from_z(rows[i].want)))
			fail_msg("%zu %s: " STR_FMT, i, rows[i].field, STR_ARG(buf_str(&got)));
		if (!ok)
			continue;
		auth_results_add(&text, &r);
		assert_true(auth_results_parse(buf_str(&text), &a, &r));
		flatten(&again, &r);
		assert_true(str_eq(buf_str(&got), buf_str(&again)));
	}
}

static void test_printed(void **state)
{
	struct auth_property d = { .type = S("header"), .name = S("d"), .value = S("a.example") };
	struct auth_property i = { .type = S("header"), .name = S("i"), .value = S("\"x y\"@a.example"), .next = &d };
	struct auth_property from = { .type = S("smtp"), .name = S("mailfrom"), .value = S("b@a.example") };
	struct auth_method dkim = { .name = S("dkim"), .result = S("fail"), .comment = S("2048 bit :)"),
				    .reason = S("the body\r\nBcc: was \"changed\""), .properties = &i };
	struct auth_method spf = { .name = S("spf"), .result = S("pass"), .properties = &from, .next = &dkim };
	struct auth_results r = { .server = S("mx.example.net"), .methods = &spf }, none = { .server = S("a b\xff") };
	AUTO(buf_end) struct buf b = buf_on_heap(4096);

	(void)state;
	auth_results_add(&b, &r);
	assert_string_equal((buf_add_char(&b, '\0'), b.p),
			    "mx.example.net;\r\n"
			    "\tspf=pass smtp.mailfrom=b@a.example;\r\n"
			    "\tdkim=fail (2048 bit :\\)) reason=\"the body??Bcc: was \\\"changed\\\"\"\r\n"
			    "\theader.i=\"\\\"x y\\\"@a.example\" header.d=a.example");
	buf_clear(&b);
	auth_results_add(&b, &none);
	assert_true(str_eq(buf_str(&b), S("\"a b?\"; none")));
}

static void test_forged(void **state)
{
	static const struct {
		const char *value;
		bool is_ours;
	} rows[] = {
		{ " mx.example.org; dkim=pass", true },
		{ " MX.Example.ORG; dkim=pass", true },
		{ "\r\n\tmx.example.org\r\n\t; dkim=pass", true },
		{ " (we (really)) mx.example.org (are) ; dkim=pass", true },
		{ " mx.example.org/1; dkim=pass", true },
		{ " mx.example.org 1; dkim=pass", true },
		{ " \"mx.example.org\"; dkim=pass", true },
		{ " \"mx.exam\\ple.org\"; dkim=pass", true },
		{ " mx.example.org.; dkim=pass", true },
		{ " mx.(x)example.org; dkim=pass", true },
		{ " mx. example.org; dkim=pass", true },
		{ "mx.example.org", true },
		{ " ; dkim=pass", true },
		{ "", true },
		{ " =?utf-8?q?mx.example.org?=; dkim=pass", true },
		{ " =?utf-8?b?bXguZXhhbXBsZS5vcmc7IGRraW09cGFzcw==?=", true },
		{ " <mx.example.org>; dkim=pass", true },
		{ " =?utf-8?b?c3BmPXNvZnRmYWlsIChzZW5kZXI=?=", false },
		{ " =?utf-8?q?other.example?=; dkim=pass", false },
		{ " <other.example>; dkim=pass mx.example.org", false },
		{ " example.org; dkim=pass", false },
		{ " mx.example.org.evil.example; dkim=pass", false },
		{ " amx.example.org; dkim=pass", false },
		{ " other.example; x=y mx.example.org; dkim=pass", false },
		{ " mx.example.organic; x", false },
		{ " mx.example.or", false },
		{ " mx.example.org\xc3\xbc; x", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };

		if (auth_results_claims(arena_str(&a, str_from_z(rows[i].value)), S("mx.example.org"), &a) != rows[i].is_ours)
			fail_msg("%s", rows[i].value);
		assert_false(a.full);
	}
}

/* The same host, written in two ways. */
static void test_idna(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };

	(void)state;
	assert_true(auth_results_claims(S(" mx.b\xc3\xbc" "cher.example; x"), S("mx.xn--bcher-kva.example"), &a));
	assert_true(auth_results_claims(S(" MX.xn--bcher-KVA.example; x"), S("mx.b\xc3\xbc" "cher.example"), &a));
	assert_false(auth_results_claims(S(" mx.bucher.example; x"), S("mx.xn--bcher-kva.example"), &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_printed),
		{ "K3 fields in our name, however they are written", test_forged, NULL, NULL, NULL },
		cmocka_unit_test(test_idna),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
