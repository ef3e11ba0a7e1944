/* dmarc_test.c — RFC 7489: whom a letter is from, which record holds, what is aligned, what shall be done. */
#include "trust/dmarc.h"
#include "trust/psl.h"
#include "trust/trust_dns_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* J4, J5, K1: what forgers do to From (Chen, Paxson, Jiang: Composition Kills, a8 to a19). */
static void test_from(void **state)
{
	static const struct { struct str header; enum dmarc_from is; const char *domain; } rows[] = {
		{ S("From: a@example.net\r\n\r\n"), DMARC_FROM_ONE, "example.net" },
		{ S("Subject: x\nFROM : Jane <a@Example.NET> (c)\n\n"), DMARC_FROM_ONE, "example.net" },
		{ S("From: \"b@legit.example\" <a@example.net>\r\n"), DMARC_FROM_ONE, "example.net" },
		{ S("From:\r\n =?utf-8?Q?J?= <a@example.net>,\r\n b@EXAMPLE.net\r\n"), DMARC_FROM_ONE, "example.net" },
		{ S("From: us: a@example.net, b@example.net;\r\n"), DMARC_FROM_ONE, "example.net" },
		{ S("From: a@b\xC3\xBC" "cher.example\r\n"), DMARC_FROM_ONE, "xn--bcher-kva.example" },
		{ S("From x@y Mon Jan  1 00:00:00 2026\nFrom: a@example.net\n\n"), DMARC_FROM_ONE, "example.net" },
		{ S("Subject: one\r\n From: two@example.org\r\nFrom: a@example.net\r\n\r\nFrom: b@example.org\r\n"), DMARC_FROM_ONE,
		  "example.net" },
		/* a comment that does not end: what is in front of it has to prove itself */
		{ S("From: a@legit.example(.evil.example\r\n\r\n"), DMARC_FROM_ONE, "legit.example" },
		{ S("Subject: x\r\n\r\nFrom: a@example.net\r\n"), DMARC_FROM_NONE, "" },
		{ S(""), DMARC_FROM_NONE, "" },
		{ S("Sender: a@example.net\r\nResent-From: a@example.net\r\n\r\n"), DMARC_FROM_NONE, "" },
		{ S("From: a@example.net\r\nFrom: a@example.net\r\n\r\n"), DMARC_FROM_FIELDS, "" },
		{ S("From: a@example.net\r\nfrom : b@legit.example\r\n\r\n"), DMARC_FROM_FIELDS, "" },
		{ S(" From: b@legit.example\r\nFrom: a@example.net\r\n\r\n"), DMARC_FROM_FIELDS, "" },
		{ S("From: a@example.net\r\nFrom\r\n : b@legit.example\r\n\r\n"), DMARC_FROM_FIELDS, "" },
		{ S("From: a@example.net\r\nno field\r\nFrom: b@legit.example\r\n\r\n"), DMARC_FROM_FIELDS, "" },
		{ S("From: a@example.net, b@legit.example\r\n\r\n"), DMARC_FROM_DOMAINS, "" },
		{ S("From: a@example.net, b@sub.example.net\r\n\r\n"), DMARC_FROM_DOMAINS, "" },
		{ S("From: <a@example.net>, c <b@legit.example>\r\n\r\n"), DMARC_FROM_DOMAINS, "" },
		{ S("From: a@example.net,<b@legit.example>c@example.org\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: <a@example.net>b@legit.example\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: a@example.net b@legit.example\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: <a@example.net@legit.example>\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: <a@example.net\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: <@example.net,@other.example:b@legit.example>\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: =?utf-8?B?YUBsZWdpdC5leGFtcGxl?=\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: bs64, <a@example.net>\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: somebody\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: undisclosed:;\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From:\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: <>\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: a@legit..example\r\n\r\n"), DMARC_FROM_BROKEN, "" },
		{ S("From: a@[192.0.2.1\r\n\r\n"), DMARC_FROM_BROKEN, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		char *exact = malloc(rows[i].header.n + 1);
		struct str domain = { 0 };
		enum dmarc_from got;

		memcpy(exact, rows[i].header.p, rows[i].header.n);
		got = dmarc_from_read(str_of(exact, rows[i].header.n), &a, &domain);
		if (got != rows[i].is || !str_eq(domain, str_from_z(rows[i].domain)))
			fail_msg(STR_FMT ": %s, " STR_FMT, STR_ARG(rows[i].header), dmarc_from_why(got), STR_ARG(domain));
		free(exact);
	}
}

static const struct psl_ctx_st *list;

static void check(const char *zone, const struct dmarc_question *q, struct arena *a, struct dmarc_answer *ret)
{
	struct trust_dns_table table;
	struct trust_dns dns = trust_dns_of_table(&table);
	struct err e = { 0 };

	if (!trust_dns_table_read(str_from_z(zone), a, &table, &e))
		fail_msg("%s", e.text);
	assert_true(dmarc_check(q, &dns, list, a, ret, &e));
	assert_true(table.asked <= 2);
}

#define REC(at, tags) "_dmarc." at " TXT \"v=DMARC1;" tags "\"\n"

/* Which record holds, and what it says for this domain; nothing has passed. */
static void test_discovery(void **state)
{
	static const struct {
		const char *zone;
		struct str from;
		enum dmarc_result result;
		enum dmarc_policy policy;
		const char *at, *problem;
	} rows[] = {
		{ REC("example.net", "p=reject"), S("example.net"), DMARC_FAIL, DMARC_POLICY_REJECT, "example.net", "" },
		{ REC("example.net", "p=reject"), S("a.b.example.net"), DMARC_FAIL, DMARC_POLICY_REJECT, "example.net", "" },
		{ REC("example.net", "p=reject; sp=none"), S("a.example.net"), DMARC_FAIL, DMARC_POLICY_NONE, "example.net", "" },
		{ REC("example.net", "p=none; sp=reject"), S("example.net"), DMARC_FAIL, DMARC_POLICY_NONE, "example.net", "" },
		{ REC("example.net", "p=reject") REC("a.example.net", "p=none"), S("a.example.net"), DMARC_FAIL, DMARC_POLICY_NONE,
		  "a.example.net", "" },
		/* only the organisation's, not one between */
		{ REC("b.example.net", "p=reject"), S("a.b.example.net"), DMARC_NONE, DMARC_POLICY_NONE, "", "" },
		{ REC("co.uk", "p=reject"), S("example.co.uk"), DMARC_NONE, DMARC_POLICY_NONE, "", "" },
		{ REC("co.uk", "p=reject"), S("co.uk"), DMARC_FAIL, DMARC_POLICY_REJECT, "co.uk", "" },
		{ "", S("example.net"), DMARC_NONE, DMARC_POLICY_NONE, "", "" },
		{ "_dmarc.example.net TXT \"hello\"\n" REC("example.net", "p=reject"), S("example.net"), DMARC_FAIL, DMARC_POLICY_REJECT,
		  "example.net", "" },
		/* discarded records are as none: then the organisation's holds (§6.6.3, 2 and 3) */
		{ "_dmarc.a.example.net TXT \"v=dmarc1; p=none\"\n" REC("example.net", "p=reject"), S("a.example.net"), DMARC_FAIL,
		  DMARC_POLICY_REJECT, "example.net", "" },
		{ REC("example.net", "p=reject") REC("example.net", "p=none"), S("example.net"), DMARC_PERMERROR, DMARC_POLICY_NONE,
		  "example.net", "_dmarc.example.net has 2 DMARC records" },
		{ REC("example.net", "p=deny"), S("example.net"), DMARC_PERMERROR, DMARC_POLICY_NONE, "example.net",
		  "_dmarc.example.net: its p= is not valid" },
		{ REC("example.net", "p=deny; rua=mailto:a@example.net"), S("example.net"), DMARC_FAIL, DMARC_POLICY_NONE, "example.net",
		  "_dmarc.example.net: its p= is not valid" },
		{ "_dmarc.example.net TEMP\n", S("example.net"), DMARC_TEMPERROR, DMARC_POLICY_NONE, "",
		  "the DNS says nothing useful about _dmarc.example.net (temporary)" },
		{ "_dmarc.a.example.net BOGUS\n" REC("example.net", "p=reject"), S("a.example.net"), DMARC_TEMPERROR, DMARC_POLICY_NONE, "",
		  "the DNS says nothing useful about _dmarc.a.example.net (bogus)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct dmarc_question q = { .from = rows[i].from };
		struct dmarc_answer r;

		check(rows[i].zone, &q, &a, &r);
		if (r.result != rows[i].result || (r.result == DMARC_FAIL && r.policy != rows[i].policy) ||
		    r.disposition != rows[i].policy || !str_eq(r.published_at, str_from_z(rows[i].at)) ||
		    !str_eq(r.problem, str_from_z(rows[i].problem)))
			fail_msg("%zu: %s %s at " STR_FMT ": " STR_FMT, i, dmarc_result_name(r.result),
				 dmarc_policy_name(r.disposition), STR_ARG(r.published_at), STR_ARG(r.problem));
	}
}

/* §3.1: p=reject throughout. */
static void test_alignment(void **state)
{
	static const struct {
		const char *tags;
		struct str from;
		struct spf_answer spf;
		struct dmarc_signature dkim;
		enum dmarc_result result;
		const char *aligned;
	} rows[] = {
#define SPF_OF(d, r) { .domain = S(d), .result = r }
#define PASSED(d) { .domain = S(d), .has_passed = true }
#define NO_DKIM { .domain = S("") }
		{ "", S("example.net"), SPF_OF("example.net", SPF_PASS), NO_DKIM, DMARC_PASS, "example.net" },
		{ "", S("example.net"), SPF_OF("bounces.example.net", SPF_PASS), NO_DKIM, DMARC_PASS, "bounces.example.net" },
		{ "", S("a.example.net"), SPF_OF("example.net", SPF_PASS), NO_DKIM, DMARC_PASS, "example.net" },
		{ "", S("a.example.net"), SPF_OF("b.example.net", SPF_PASS), NO_DKIM, DMARC_PASS, "b.example.net" },
		{ "aspf=s", S("example.net"), SPF_OF("bounces.example.net", SPF_PASS), NO_DKIM, DMARC_FAIL, "" },
		{ "aspf=s", S("example.net"), SPF_OF("EXAMPLE.net", SPF_PASS), NO_DKIM, DMARC_PASS, "EXAMPLE.net" },
		{ "aspf=s", S("example.net"), SPF_OF("a.example.net", SPF_PASS), PASSED("a.example.net"), DMARC_PASS, "a.example.net" },
		{ "adkim=s", S("example.net"), SPF_OF("", SPF_NONE), PASSED("a.example.net"), DMARC_FAIL, "" },
		{ "adkim=s", S("example.net"), SPF_OF("", SPF_NONE), PASSED("example.net"), DMARC_PASS, "example.net" },
		{ "", S("example.net"), SPF_OF("", SPF_NONE), PASSED("a.example.net"), DMARC_PASS, "a.example.net" },
		{ "", S("example.net"), SPF_OF("attack.example", SPF_PASS), PASSED("attack.example"), DMARC_FAIL, "" },
		{ "", S("example.net"), SPF_OF("badexample.net", SPF_PASS), PASSED("net"), DMARC_FAIL, "" },
		/* others below one public suffix are others */
		{ "", S("example.co.uk"), SPF_OF("attack.co.uk", SPF_PASS), PASSED("co.uk"), DMARC_FAIL, "" },
		{ "", S("us.github.io"), SPF_OF("them.github.io", SPF_PASS), PASSED("github.io"), DMARC_FAIL, "" },
		{ "", S("example.net"), SPF_OF("example.net", SPF_SOFTFAIL), NO_DKIM, DMARC_FAIL, "" },
		{ "", S("example.net"), SPF_OF("example.net", SPF_NEUTRAL), NO_DKIM, DMARC_FAIL, "" },
		{ "", S("example.net"), SPF_OF("example.net", SPF_PERMERROR), NO_DKIM, DMARC_FAIL, "" },
		/* what could not be asked is not held against the letter, if it matters */
		{ "", S("example.net"), SPF_OF("example.net", SPF_TEMPERROR), NO_DKIM, DMARC_TEMPERROR, "" },
		{ "", S("example.net"), SPF_OF("attack.example", SPF_TEMPERROR), NO_DKIM, DMARC_FAIL, "" },
		{ "", S("example.net"), SPF_OF("example.net", SPF_TEMPERROR), PASSED("example.net"), DMARC_PASS, "example.net" },
		{ "", S("example.net"), SPF_OF("", SPF_NONE), { .domain = S("example.net"), .is_temporary = true }, DMARC_TEMPERROR, "" },
		{ "", S("example.net"), SPF_OF("", SPF_NONE), { .domain = S("attack.example"), .is_temporary = true }, DMARC_FAIL, "" },
		{ "", S("example.net"), SPF_OF("", SPF_NONE), { .domain = S("example.net") }, DMARC_FAIL, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct dmarc_question q = { .from = rows[i].from, .spf = &rows[i].spf, .signatures = &rows[i].dkim, .n_signatures = 1 };
		struct str top = psl_organization(list, rows[i].from);
		struct dmarc_answer r;
		char zone[200];

		snprintf(zone, sizeof(zone), "_dmarc." STR_FMT " TXT \"v=DMARC1; p=reject; %s\"\n", STR_ARG(top), rows[i].tags);
		check(zone, &q, &a, &r);
		if (r.result != rows[i].result || !str_eq(r.aligned, str_from_z(rows[i].aligned)) ||
		    r.disposition != (r.result == DMARC_FAIL ? DMARC_POLICY_REJECT : DMARC_POLICY_NONE))
			fail_msg("%zu: %s, " STR_FMT, i, dmarc_result_name(r.result), STR_ARG(r.aligned));
	}
}

/* §6.6.4 */
static void test_pct(void **state)
{
	static const struct { const char *zone; unsigned dice; enum dmarc_policy wanted; } rows[] = {
		{ REC("example.net", "p=reject; pct=25"), 24, DMARC_POLICY_REJECT },
		{ REC("example.net", "p=reject; pct=25"), 25, DMARC_POLICY_QUARANTINE },
		{ REC("example.net", "p=reject; pct=0"), 0, DMARC_POLICY_QUARANTINE },
		{ REC("example.net", "p=reject"), 99, DMARC_POLICY_REJECT },
		{ REC("example.net", "p=quarantine; pct=10"), 50, DMARC_POLICY_NONE },
		{ REC("example.net", "p=quarantine; pct=10"), 9, DMARC_POLICY_QUARANTINE },
		{ REC("example.net", "p=none; pct=0"), 0, DMARC_POLICY_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct dmarc_question q = { .from = S("example.net"), .dice = rows[i].dice };
		struct dmarc_answer r;

		check(rows[i].zone, &q, &a, &r);
		assert_int_equal(r.result, DMARC_FAIL);
		if (r.disposition != rows[i].wanted)
			fail_msg("%zu: %s", i, dmarc_policy_name(r.disposition));
	}
}

static int list_open(void **state)
{
	(void)state;
	list = psl_list_open();
	return list ? 0 : -1;
}

static int list_close(void **state)
{
	(void)state;
	psl_list_close(list);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_pct),
	};

	return cmocka_run_group_tests(tests, list_open, list_close);
}
