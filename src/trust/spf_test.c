/* spf_test.c — check_host() over small zones: RFC 7208 §4 to §7, its limits, and what is told of errors.
 *
 * The openspf suite runs in test/interop/spf_test.py. */
#include "fiber/fiber.h"
#include "trust/spf.h"
#include "trust/trust_dns_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct asked {
	struct spf_answer r;
	struct trust_dns_table table;
};

static void ask(struct str zone, const char *ip, const struct spf_question *q, struct arena *a, struct asked *ret)
{
	struct spf_question full = *q;
	struct trust_dns dns = trust_dns_of_table(&ret->table);
	struct err e = { 0 };

	if (!full.helo.n)
		full.helo = S("mx.example.net");
	assert_true(dns_address_read(str_from_z(ip), full.ip));
	if (!trust_dns_table_read(zone, a, &ret->table, &e))
		fail_msg("%s", e.text);
	assert_true(spf_check_mail_from(&full, &dns, a, &ret->r, &e));
}

static const struct spf_question from_example = { .local = S("user"), .domain = S("example.net") };

#define TXT(name, text) name " TXT \"" text "\"\n"

static void test_results(void **state)
{
	static const struct {
		const char *ip;
		const char *zone;
		enum spf_result result;
		const char *matched, *matched_in, *problem;
	} rows[] = {
		{ "192.0.2.1", TXT("example.net", "v=spf1 ip4:192.0.2.0/24 -all"), SPF_PASS, "ip4:192.0.2.0/24", "example.net", "" },
		{ "::ffff:192.0.2.1", TXT("example.net", "v=spf1 ip4:192.0.2.0/31 -all"), SPF_PASS, "ip4:192.0.2.0/31", "example.net", "" },
		{ "192.0.2.2", TXT("example.net", "v=spf1 ip4:192.0.2.0/31 ~all"), SPF_SOFTFAIL, "~all", "example.net", "" },
		{ "192.0.2.2", TXT("example.net", "v=spf1 ip4:192.0.2.1"), SPF_NEUTRAL, "", "", "" },
		{ "2001:db8::1", TXT("example.net", "v=spf1 ip6:2001:db8:8000::/33 ip6:2001:db8::/33 -all"), SPF_PASS, "ip6:2001:db8::/33", "example.net", "" },
		{ "2001:db8::1", TXT("example.net", "v=spf1 ip4:0.0.0.0/0 -all"), SPF_FAIL, "-all", "example.net", "" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 ip6:::/0 -all"), SPF_FAIL, "-all", "example.net", "" },
		{ "192.0.2.1", TXT("example.net", "hello"), SPF_NONE, "", "", "" },
		{ "192.0.2.1", "example.net TEMP\n", SPF_TEMPERROR, "", "", "the DNS says nothing useful about example.net (temporary)" },
		{ "192.0.2.1", "example.net BOGUS\n", SPF_TEMPERROR, "", "", "the DNS says nothing useful about example.net (bogus)" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 -all") TXT("example.net", "v=spf1 -all"), SPF_PERMERROR, "", "",
		  "example.net has more than one SPF record" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 include:b.example -all") TXT("b.example", "v=spf1 ip4:1.2.3"), SPF_PERMERROR,
		  "include:b.example", "example.net", "b.example, term 1 \"ip4:1.2.3\": not an IPv4 network" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 include:b.example -all"), SPF_PERMERROR, "include:b.example", "example.net",
		  "b.example has no SPF record to include" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 redirect=b.example"), SPF_PERMERROR, "", "",
		  "b.example has no SPF record to redirect to" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 redirect=b.example") TXT("b.example", "v=spf1 ?all"), SPF_NEUTRAL, "?all",
		  "b.example", "" },
		/* what an include matched is the include's */
		{ "192.0.2.1", TXT("example.net", "v=spf1 -include:b.example ~all") TXT("b.example", "v=spf1 +all"), SPF_FAIL,
		  "-include:b.example", "example.net", "" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 include:b.example") TXT("b.example", "v=spf1 -all"), SPF_NEUTRAL, "", "", "" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 a:b.example -all") "b.example TEMP\n", SPF_TEMPERROR, "a:b.example",
		  "example.net", "the DNS says nothing useful about b.example (temporary)" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 ptr -all") "1.2.0.192.in-addr.arpa TEMP\n", SPF_FAIL, "-all", "example.net", "" },
		/* a malformed name of a mechanism: nothing matches, nothing is asked */
		{ "192.0.2.1", TXT("example.net", "v=spf1 a:b..example -all"), SPF_FAIL, "-all", "example.net", "" },
		{ "192.0.2.1", TXT("example.net", "v=spf1 include:b..example -all"), SPF_PERMERROR, "include:b..example", "example.net",
		  "include:b..example names no domain" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct asked got;

		ask(str_from_z(rows[i].zone), rows[i].ip, &from_example, &a, &got);
		if (got.r.result != rows[i].result || !str_eq(got.r.matched, str_from_z(rows[i].matched)) ||
		    !str_eq(got.r.matched_in, str_from_z(rows[i].matched_in)) ||
		    !str_eq(got.r.problem, str_from_z(rows[i].problem)))
			fail_msg("%zu: %s by \"" STR_FMT "\" in " STR_FMT ": " STR_FMT, i, spf_result_name(got.r.result),
				 STR_ARG(got.r.matched), STR_ARG(got.r.matched_in), STR_ARG(got.r.problem));
	}
}

/* §4.3: what is no domain of several labels has no record, and nobody is asked. */
static void test_no_domains(void **state)
{
	static const struct str domains[] = {
		S("localhost"), S("[192.0.2.1]"), S("a..example"), S(".example.net"), S("ex ample.net"),
		S("a123456789012345678901234567890123456789012345678901234567890123.example"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct asked got;

		ask(S("example.net TXT \"v=spf1 -all\"\n"), "192.0.2.1", &(struct spf_question){ .local = S("x"), .domain = domains[i] },
		    &a, &got);
		assert_int_equal(got.r.result, SPF_NONE);
		assert_int_equal(got.table.asked, 0);
	}
}

/* §2.4: the null path is postmaster at the HELO name.  RFC 8616: U-labels are asked for as A-labels. */
static void test_identities(void **state)
{
	static const struct {
		struct spf_question q;
		enum spf_result result;
		const char *domain;
	} rows[] = {
		{ { .helo = S("mail.example.net") }, SPF_PASS, "mail.example.net" },
		{ { .helo = S("mail.example.net"), .domain = S("example.net") }, SPF_FAIL, "example.net" },
		{ { .helo = S("mail.example.net"), .domain = S("EXAMPLE.NET."), .local = S("x") }, SPF_FAIL, "example.net" },
		{ { .domain = S("b\xC3\xBC" "cher.example"), .local = S("x") }, SPF_SOFTFAIL, "xn--bcher-kva.example" },
		/* §4 of RFC 8616: a local part that is not ASCII matches nothing */
		{ { .domain = S("exists.example"), .local = S("b\xC3\xBC") }, SPF_FAIL, "exists.example" },
		{ { .domain = S("exists.example"), .local = S("x") }, SPF_PASS, "exists.example" },
	};
	static const struct str zone = S(
		TXT("mail.example.net", "v=spf1 exists:%{l}.ok.example -all")
		TXT("example.net", "v=spf1 -all")
		TXT("xn--bcher-kva.example", "v=spf1 ~all")
		TXT("exists.example", "v=spf1 exists:%{l}.any.example -all")
		"postmaster.ok.example A 127.0.0.2\n*.any.example A 127.0.0.2\n");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct asked got;

		ask(zone, "192.0.2.1", &rows[i].q, &a, &got);
		if (got.r.result != rows[i].result || !str_eq(got.r.domain, str_from_z(rows[i].domain)))
			fail_msg("%zu: %s " STR_FMT, i, spf_result_name(got.r.result), STR_ARG(got.r.domain));
	}
}

/* §7.4, asked for as an explanation. */
static void test_macros(void **state)
{
	static const struct { const char *ip, *macro, *wanted; } rows[] = {
		{ "192.0.2.3", "%{s}", "strong-bad@email.example.com" },
		{ "192.0.2.3", "%{o}", "email.example.com" },
		{ "192.0.2.3", "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com" },
		{ "192.0.2.3", "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net" },
		{ "2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}",
		  "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com" },
		{ "2001:db8::cb01", "%{c} %{C}", "2001:db8::cb01 2001%3Adb8%3A%3Acb01" },
		{ "192.0.2.3", "%{h} %{r} %{t} %{p}", "mx.example.net our.example 1234 mx.example.org" },
		{ "192.0.2.4", "%{p}", "unknown" },
		/* what is no text for a reply is none at all */
		{ "192.0.2.3", "%{x}", "" }, { "192.0.2.3", "\\195\\164", "" }, { "192.0.2.3", "a\\010b", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct spf_question q = { .local = S("strong-bad"), .domain = S("email.example.com"), .receiver = S("our.example"),
					  .now = 1234 * SECOND };
		struct asked got;

		ask(arena_printf(&a, TXT("email.example.com", "v=spf1 -all exp=exp.example.com") TXT("exp.example.com", "%s")
				 "3.2.0.192.in-addr.arpa PTR mx.example.org\nmx.example.org A 192.0.2.3\n"
				 "4.2.0.192.in-addr.arpa PTR mx.example.org\n", rows[i].macro), rows[i].ip, &q, &a, &got);
		assert_int_equal(got.r.result, SPF_FAIL);
		if (!str_eq(got.r.explanation, str_from_z(rows[i].wanted)))
			fail_msg("%s: " STR_FMT, rows[i].macro, STR_ARG(got.r.explanation));
	}
}

/* §5.5: the closest name counts for %{p}, only names of the domain for ptr, and all that is asked is bounded. */
static void test_ptr(void **state)
{
	static const struct str zone = S(
		TXT("example.net", "v=spf1 exists:%{p}.equal.example ptr -all")
		TXT("b.example", "v=spf1 ptr:below.example ~all")
		TXT("c.example", "v=spf1 ptr:other.example ~all")
		"1.2.0.192.in-addr.arpa PTR void.example\n1.2.0.192.in-addr.arpa PTR other.example\n"
		"1.2.0.192.in-addr.arpa PTR a.below.example\n1.2.0.192.in-addr.arpa PTR notbelow.example\n"
		"1.2.0.192.in-addr.arpa PTR Example.Net\n"
		"other.example A 192.0.2.9\na.below.example A 192.0.2.1\nnotbelow.example A 192.0.2.1\nexample.net A 192.0.2.1\n"
		"example.net.equal.example A 127.0.0.2\n");
	static const struct { struct str domain; const char *matched; } rows[] = {
		{ S("example.net"), "exists:%{p}.equal.example" },
		{ S("b.example"), "ptr:below.example" },
		{ S("c.example"), "~all" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct asked got;

		ask(zone, "192.0.2.1", &(struct spf_question){ .local = S("x"), .domain = rows[i].domain }, &a, &got);
		if (!str_eq(got.r.matched, str_from_z(rows[i].matched)))
			fail_msg(STR_FMT ": " STR_FMT, STR_ARG(rows[i].domain), STR_ARG(got.r.matched));
		assert_int_equal(got.r.voids, 0);
	}
}

/* "#" in the word is its number. */
static struct str repeated(struct arena *a, const char *head, const char *word, int times, const char *tail)
{
	AUTO(buf_end) struct buf b = buf_on_heap(100000);

	buf_add(&b, str_from_z(head));
	for (int i = 0; i < times; i++)
		for (const char *p = word; *p; p++)
			if (*p == '#')
				buf_add_u64(&b, (uint64_t)i);
			else
				buf_add_char(&b, *p);
	buf_add(&b, str_from_z(tail));
	return arena_str(a, buf_str(&b));
}

/* I2, I3: whatever is published, one check asks so much and no more (§4.6.4). */
static void test_limits(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	const char *begin = "example.net TXT \"v=spf1 ", *end = " ?all\"\nh.example A 192.0.2.9\n";
	struct {
		struct str zone;
		enum spf_result result;
		const char *problem;
		size_t asked;
	} rows[] = {
		{ repeated(&a, begin, "a:h.example ", 10, end), SPF_NEUTRAL, "", 11 },
		{ repeated(&a, begin, "a:h.example ", 11, end), SPF_PERMERROR, "more than 10 terms ask the DNS", 11 },
		{ repeated(&a, begin, "a:v#.example ", 2, end), SPF_NEUTRAL, "", 3 },
		{ repeated(&a, begin, "exists:v#.example ", 3, end), SPF_PERMERROR,
		  "more than 2 questions find nothing, the last one for v2.example", 4 },
		{ repeated(&a, TXT("example.net", "v=spf1 mx ?all"), "example.net MX 1 m#.example\nm#.example A 192.0.2.9\n", 10, ""),
		  SPF_NEUTRAL, "", 12 },
		{ repeated(&a, TXT("example.net", "v=spf1 mx ?all"), "example.net MX 1 m#.example\nm#.example A 192.0.2.1\n", 11, ""),
		  SPF_PERMERROR, "example.net has more than 10 MX records", 2 },
		{ repeated(&a, TXT("example.net", "v=spf1 ptr ptr ?all"),
			   "1.2.0.192.in-addr.arpa PTR p#.example.net\np#.example.net A 192.0.2.9\n", 40, ""), SPF_NEUTRAL, "", 12 },
		/* records that name each other */
		{ S(TXT("example.net", "v=spf1 include:b.example") TXT("b.example", "v=spf1 include:example.net")), SPF_PERMERROR,
		  "more than 10 terms ask the DNS", 11 },
		{ S(TXT("example.net", "v=spf1 redirect=example.net")), SPF_PERMERROR, "more than 10 terms ask the DNS", 11 },
		/* a bomb: each of ten asks for ten MX */
		{ repeated(&a, "example.net TXT \"v=spf1 mx mx mx mx mx mx mx mx mx mx ?all\"\n",
			   "example.net MX 1 m#.example\nm#.example A 192.0.2.9\n", 10, ""), SPF_NEUTRAL, "", 111 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct asked got;

		ask(rows[i].zone, "192.0.2.1", &from_example, &a, &got);
		if (got.r.result != rows[i].result || !str_eq(got.r.problem, str_from_z(rows[i].problem)) ||
		    got.table.asked != rows[i].asked)
			fail_msg("%zu: %s, %zu asked: " STR_FMT, i, spf_result_name(got.r.result), got.table.asked,
				 STR_ARG(got.r.problem));
	}
}

/* §7.3: 253 octets, labels cut on the left; what expands beyond all measure is an error. */
static void test_long_names(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct asked got;
	struct str label = S("a1234567890123456789012345678901234567890123456789");       /* 50 octets */
	struct str four = arena_printf(&a, STR_FMT "." STR_FMT "." STR_FMT "." STR_FMT, STR_ARG(label), STR_ARG(label),
				       STR_ARG(label), STR_ARG(label));
	struct spf_question q = { .local = four, .domain = S("example.net") };
	struct str many;

	(void)state;
	/* "x.LOCAL.y.LOCAL.z.example" has 418 octets: what fits is LOCAL.z.example and of the other labels "y" */
	ask(arena_printf(&a, TXT("example.net", "v=spf1 exists:x.%%{l}.y.%%{l}.z.example -all") "y." STR_FMT ".z.example A 127.0.0.2\n",
			 STR_ARG(four)), "192.0.2.1", &q, &a, &got);
	assert_int_equal(got.r.result, SPF_PASS);
	many = repeated(&a, "", "%{l}", 60, "");
	many = arena_printf(&a, "example.net TXT \"v=spf1 exists:\" \"" STR_FMT "\" \".example -all\"\n", STR_ARG(many));
	ask(many, "192.0.2.1", &q, &a, &got);
	assert_int_equal(got.r.result, SPF_PERMERROR);
	assert_true(str_eq(got.r.problem, S("a name of more than 8192 octets")));
}

/* -- time ------------------------------------------------------------------- */

/* A resolver that waits until the deadline has passed, or is told to end. */
static bool waits(void *ctx, struct str name, uint16_t type, struct arena *a, struct trust_answer *ret, struct err *e)
{
	const enum fault *fault = ctx;

	(void)name, (void)type, (void)a, (void)ret;
	*e = (struct err){ .fault = *fault, .timed_out = *fault == FAULT_TEMP };
	return false;
}

static void test_deadline(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	enum fault fault = FAULT_TEMP;
	struct trust_dns dns = { waits, &fault };
	struct spf_answer r = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_true(spf_check_mail_from(&from_example, &dns, &a, &r, &e));
	assert_int_equal(r.result, SPF_TEMPERROR);
	assert_true(str_eq(r.problem, S("the DNS takes longer than 20 s")));
	fault = FAULT_CANCEL;
	assert_false(spf_check_mail_from(&from_example, &dns, &a, &r, &e));
	assert_int_equal(e.fault, FAULT_CANCEL);
}

struct outer {
	bool ok;
	struct err e;
};

SUSPENDS static bool sleeps(void *ctx, struct str name, uint16_t type, struct arena *a, struct trust_answer *ret, struct err *e)
{
	(void)ctx, (void)name, (void)type, (void)a, (void)ret;
	return fiber_sleep(10 * SECOND, e);
}

SUSPENDS static void outer_fiber(void *arg)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct outer *o = arg;
	struct spf_answer r;
	struct trust_dns dns = { sleeps, NULL };

	WITHIN(20 * MILLISECOND)
		o->ok = spf_check_mail_from(&from_example, &dns, &a, &r, &o->e);
}

/* Whoever asks has less time: that is not SPF's to answer. */
static void test_outer_deadline(void **state)
{
	struct outer o = { .ok = true };

	(void)state;
	loop_run(outer_fiber, &o);
	assert_false(o.ok);
	assert_true(o.e.timed_out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results), cmocka_unit_test(test_no_domains), cmocka_unit_test(test_identities),
		cmocka_unit_test(test_macros), cmocka_unit_test(test_ptr), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_long_names), cmocka_unit_test(test_deadline), cmocka_unit_test(test_outer_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
