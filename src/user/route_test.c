/* route_test.c — where addresses lead: the table of the issue, and the 48 relay forms. */
#include "base/time.h"
#include "user/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char users_text[] =
	"sales@example.org: alice@example.org\n"                          /* 1 */
	"team@example.org: alice, bob@example.org, ALICE@example.org\n"   /* 2: duplicates, bare name */
	"*@catch.example: bob@example.org\n"                              /* 3 */
	"info@catch.example: alice@example.org\n"                         /* 4 */
	"info@sub.virtual.net: nad@localhost\n"                           /* 5 */
	"loop1@example.org: loop2@example.org\n"                          /* 6 */
	"loop2@example.org: loop1@example.org\n"                          /* 7 */
	"alice@example.org: alice@example.org, bob@example.org\n"         /* 8: itself, and a copy */
	"self@example.org: self@example.org\n"                            /* 9 */
	"gone@example.org: :fail: moved to the moon\n"                    /* 10 */
	"busy@example.org: :defer: come back\n"                           /* 11 */
	"hole@example.org: :blackhole:\n"                                 /* 12 */
	"away@example.org: x@remote.example\n"                            /* 13 */
	"prog@example.org: |/bin/cat\n"                                   /* 14 */
	"file@example.org: /var/mail/x\n"                                 /* 15 */
	"list@example.org: :include:/etc/list\n"                          /* 16 */
	"broken@example.org: \"open\n"                                    /* 17 */
	"half@example.org: bob@example.org, nobody@example.org\n"         /* 18 */
	"mixed@example.org: bob@example.org, x@remote.example\n"          /* 19 */
	"alice+news@example.org: bob@example.org\n"                       /* 20 */
	"*@strict.example: :fail: unknown\n"                              /* 21 */
	"pm@catch.example: postmaster@catch.example\n"                    /* 22 */
	"evil@x.org: x@remote.example\n"                                  /* 23: x.org is not ours */
	"empty@example.org:\n"                                            /* 24 */
	"trap@example.org: gone@example.org, bob@example.org\n";          /* 25 */

static const char star_text[] = "*: :fail: nobody here\n";
static const char own_text[] = "info: bob@example.org\n\"odd@example.org\": x@remote.example\n*: alice@example.org\n";
static const char aliases_text[] =
	"Webmaster: alice@example.org\n"
	"mailer-daemon: postmaster\n"
	"postmaster: root\n"
	"nad: nad\n"
	"noc: \"|/bin/pager\"\n"
	"box: nad\n";
static const char domains_text[] = "catch.example\nstrict.example\n*.virtual.net\nlocal.virtual.net\n";

struct world {
	struct route_world w;
	struct address_file *domains, *users, *star, *own, *aliases;
};

static bool is_one_of(struct str s, const char *const *list)
{
	for (; *list; list++)
		if (str_eq(s, str_from_z(*list)))
			return true;
	return false;
}

static enum known account_exists(const struct route_world *w, struct str local, struct str domain)
{
	static const char *const of_org[] = { "alice", "bob", "self+tag", NULL };

	(void)w;
	return str_eq(domain, S("example.org")) && is_one_of(local, of_org) ? KNOWN_YES : KNOWN_NO;
}

static enum known linux_exists(const struct route_world *w, struct str name)
{
	static const char *const names[] = { "nad", "root", "carol", NULL };

	if (str_eq(name, S("slow")))
		return KNOWN_NOT_YET;
	(void)w;
	return is_one_of(name, names) ? KNOWN_YES : KNOWN_NO;
}

static struct address_file *parse(enum address_file_kind kind, const char *text)
{
	struct err e = { 0 };
	struct address_file *f = address_file_parse(kind, S("F"), str_from_z(text), &e);

	assert_non_null(f);
	return f;
}

static const struct str alias_domains[] = { S("example.com") };

static struct route_domain blocks[] = {
	{ .name = S("example.org"), .alias_domains = alias_domains, .n_alias_domains = 1 },
	{ .name = S("caught.example"), .catch_all = S("bob@example.org") },
	{ .name = S("own.example") },
	{ .name = S("linux.example"), .has_linux_accounts = true },
	{ .name = S("office.example"), .has_others = true },
};

static struct world make_world(void)
{
	struct world x = {
		.domains = parse(ADDRESS_FILE_DOMAINS, domains_text),
		.users = parse(ADDRESS_FILE_USERS, users_text),
		.star = parse(ADDRESS_FILE_USERS, star_text),
		.own = parse(ADDRESS_FILE_USERS, own_text),
		.aliases = parse(ADDRESS_FILE_USERS, aliases_text),
	};

	blocks[2].users_file = x.own;
	x.w = (struct route_world){
		.subaddress = '+', .hostname = S("mx.example.org"), .contact = S("bob@example.org"),
		.domains = blocks, .n_domains = ARRAY_LEN(blocks), .domains_file = x.domains,
		.users_file = x.users, .aliases_file = x.aliases,
		.account_exists = account_exists, .linux_exists = linux_exists,
	};
	return x;
}

static void end_world(struct world *x)
{
	address_file_close(x->domains);
	address_file_close(x->users);
	address_file_close(x->star);
	address_file_close(x->own);
	address_file_close(x->aliases);
}

/* "250 account:alice@example.org linux:nad" */
static void describe(const struct route *r, struct buf *b)
{
	static const char *const names[] = {
		[ROUTE_ACCOUNT] = "account", [ROUTE_LINUX] = "linux", [ROUTE_REMOTE] = "remote",
		[ROUTE_PIPE] = "pipe", [ROUTE_FILE] = "file", [ROUTE_INCLUDE] = "include",
		[ROUTE_BLACKHOLE] = "blackhole", [ROUTE_FAIL] = "fail", [ROUTE_DEFER] = "defer",
		[ROUTE_DMARC_REPORTS] = "reports",
	};

	buf_addf(b, "%d %s", r->code, r->status);
	for (size_t i = 0; i < r->n_targets; i++) {
		const struct route_target *t = &r->targets[i];

		buf_addf(b, " %s", names[t->kind]);
		if (t->kind == ROUTE_FAIL || t->kind == ROUTE_DEFER)
			continue;
		if (t->local.n)
			buf_addf(b, ":" STR_FMT, STR_ARG(t->local));
		if (t->tag.n)
			buf_addf(b, "+" STR_FMT, STR_ARG(t->tag));
		if (t->domain.n)
			buf_addf(b, "@" STR_FMT, STR_ARG(t->domain));
	}
}

static void expect(const struct route_world *w, struct str local, struct str domain, const char *want)
{
	AUTO(arena_end) struct arena a = { .limit = ROUTE_MEMORY };
	char mem[1000];
	struct buf b = buf_over(mem, sizeof(mem));
	struct err e = { 0 };
	struct route r;

	if (!route_address(w, local, domain, &a, &r, &e))
		fail_msg("%s", e.text);
	describe(&r, &b);
	assert_true(r.reason.n > 0 && r.text.n > 0);
	if (!str_eq(buf_str(&b), str_from_z(want)))
		fail_msg(STR_FMT "@" STR_FMT ": " STR_FMT " (" STR_FMT "), not %s", STR_ARG(local), STR_ARG(domain),
			 STR_ARG(buf_str(&b)), STR_ARG(r.reason), want);
}

static void test_table(void **state)
{
	static const struct {
		const char *local, *domain, *want;
	} rows[] = {
		{ "alice", "example.org", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "ALICE", "EXAMPLE.org", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "bob", "example.org", "250 2.1.5 account:bob@example.org" },
		{ "bob+lists", "example.org", "250 2.1.5 account:bob+lists@example.org" },
		{ "sales", "example.org", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "sales+x", "example.org", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "alice+news", "example.org", "250 2.1.5 account:bob@example.org" },
		{ "team", "example.org", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "nobody", "example.org", "550 5.1.1 fail" },
		{ "empty", "example.org", "550 5.1.1 fail" },
		{ "sales", "example.com", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "info", "catch.example", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "any", "catch.example", "250 2.1.5 account:bob@example.org" },
		{ "info", "sub.virtual.net", "250 2.1.5 linux:nad" },
		{ "other", "sub.virtual.net", "550 5.1.1 fail" },
		{ "any", "caught.example", "250 2.1.5 account:bob@example.org" },
		{ "info", "own.example", "250 2.1.5 account:bob@example.org" },
		{ "else", "own.example", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "loop1", "example.org", "550 5.4.6" },
		{ "self", "example.org", "550 5.4.6" },
		{ "gone", "example.org", "550 5.1.1 fail" },
		{ "busy", "example.org", "451 4.3.0 defer" },
		{ "hole", "example.org", "250 2.1.5 blackhole" },
		{ "away", "example.org", "250 2.1.5 remote:x@remote.example" },
		{ "prog", "example.org", "451 4.3.0 pipe" },
		{ "file", "example.org", "451 4.3.0 file" },
		{ "list", "example.org", "451 4.3.0 include" },
		{ "broken", "example.org", "451 4.3.0 defer" },
		{ "half", "example.org", "250 2.1.5 account:bob@example.org fail" },
		{ "trap", "example.org", "250 2.1.5 fail account:bob@example.org" },
		{ "who", "office.example", "250 2.1.5 remote:who@office.example" },
		{ "Postmaster", "office.example", "250 2.1.5 account:bob@example.org" },
		{ "mixed", "example.org", "250 2.1.5 remote:x@remote.example account:bob@example.org" },
		{ "webmaster", "example.org", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "webmaster", "catch.example", "250 2.1.5 account:bob@example.org" },
		{ "nad", "example.org", "250 2.1.5 linux:nad" },
		{ "nad", "localhost", "250 2.1.5 linux:nad" },
		{ "box", "mx.example.org", "250 2.1.5 linux:nad" },
		{ "carol+t", "linux.example", "250 2.1.5 linux:carol+t" },
		{ "carol", "own2.example", "550 5.7.1" },
		{ "carol", "strict.example", "550 5.1.1 fail" },
		{ "carol", "caught.example", "250 2.1.5 account:bob@example.org" },
		{ "noc", "localhost", "451 4.3.0 pipe" },
		{ "bob", "localhost", "250 2.1.5 account:bob@example.org" },
		{ "slow", "example.org", "451 4.3.0 defer" },
		{ "root", "localhost", "250 2.1.5 account:bob@example.org" },
		{ "root", "example.org", "250 2.1.5 account:bob@example.org" },
		{ "root", "strict.example", "550 5.1.1 fail" },
		{ "postmaster", "", "250 2.1.5 account:bob@example.org" },
		{ "Postmaster", "example.org", "250 2.1.5 account:bob@example.org" },
		{ "abuse", "strict.example", "250 2.1.5 account:bob@example.org" },
		{ "abuse+x", "a.b.virtual.net", "250 2.1.5 account:bob@example.org" },
		{ "abuse", "own.example", "250 2.1.5 account:alice@example.org account:bob@example.org" },
		{ "bob", "", "550 5.1.3" },
		{ "", "example.org", "550 5.1.3" },
	};
	struct world x = make_world();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect(&x.w, str_from_z(rows[i].local), str_from_z(rows[i].domain), rows[i].want);
	end_world(&x);
}

/* Reports are read whoever else gets them; by no wildcard, and by no catch-all, anybody does. */
static void test_reports(void **state)
{
	struct world x = make_world();

	(void)state;
	expect(&x.w, S("DMARC-Reports"), S("example.org"), "250 2.1.5 reports");
	expect(&x.w, S("dmarc-reports+google"), S("example.com"), "250 2.1.5 reports");
	expect(&x.w, S("dmarc-reports"), S("catch.example"), "250 2.1.5 reports");
	expect(&x.w, S("dmarc-reports"), S("strict.example"), "250 2.1.5 reports");
	expect(&x.w, S("dmarc-reports"), S("office.example"), "250 2.1.5 reports");
	expect(&x.w, S("dmarc-reports"), S("mx.example.org"), "250 2.1.5 reports");
	expect(&x.w, S("dmarc-reports"), S("remote.example"), "550 5.7.1");
	x.w.users_file = x.star;
	expect(&x.w, S("dmarc-reports"), S("strict.example"), "250 2.1.5 reports");
	x.w.users_file = x.users;
	blocks[0].dmarc_reports = S("bob@example.org");
	expect(&x.w, S("bob"), S("example.org"), "250 2.1.5 reports account:bob@example.org");
	expect(&x.w, S("dmarc-reports"), S("example.org"), "550 5.1.1 fail");
	expect(&x.w, S("dmarc-reports"), S("catch.example"), "250 2.1.5 reports");
	blocks[0].dmarc_reports = S("postmaster@example.org");
	expect(&x.w, S("postmaster"), S("example.org"), "250 2.1.5 reports account:bob@example.org");
	blocks[0].dmarc_reports = S("");
	end_world(&x);
}

/* The forms of attacks D1-D48 that reach the router, as the SMTP parser may hand them over. */
static void test_relay(void **state)
{
	static const struct {
		struct str local, domain;
	} rows[] = {
		{ S("v"), S("victim.example") },
		{ S("v%victim.example"), S("example.org") },
		{ S("v%victim.example"), S("[192.0.2.25]") },
		{ S("v%victim.example"), S("") },
		{ S("v@victim.example"), S("") },
		{ S("v@victim.example"), S("example.org") },
		{ S("v@victim.example"), S("[192.0.2.25]") },
		{ S("@example.org:v"), S("victim.example") },
		{ S("victim.example!v"), S("") },
		{ S("victim.example!v"), S("example.org") },
		{ S("victim.example!v"), S("[192.0.2.25]") },
		{ S("example.org!victim.example!v"), S("") },
		{ S("v@victim.example"), S("example.org") },
		{ S("v"), S("victim.example%example.org") },
		{ S("v"), S("[198.51.100.9]") },
		{ S("v"), S("victim.example.") },
		{ S("u"), S("[192.0.2.25]") },
		{ S("u"), S("localhost") },
		{ S("u"), S("") },
		{ S("u@example.org>,<v"), S("victim.example") },
		{ S("u"), S("example.org\0@victim.example") },
		{ S("u\0"), S("example.org") },
		{ S("u"), S("example.org\r@victim.example") },
		{ S("u\n"), S("example.org") },
		{ S("v"), S("victim.example(example.org)") },
		{ S("v"), S("victim.example,example.org") },
		{ S("SRS0=HHH=TT=victim.example=v"), S("example.org") },
		{ S("prvs=1234abcdef=v/victim.example"), S("example.org") },
		{ S("v\xef\xbc\xa0victim.example"), S("example.org") },
		{ S("v\xef\xbc\x85victim.example"), S("example.org") },
		{ S("v"), S("victim\xef\xbc\x8e" "example") },
		{ S("v"), S("victim\xe3\x80\x82" "example") },
		{ S("nobody"), S("ex\xd0\xb0mple.org") },
		{ S("v"), S("x.example.org") },
		{ S("list-request"), S("example.org") },
		{ S("odd@example.org"), S("own2.example") },
		{ S("evil"), S("x.org") },
		{ S("|/bin/sh"), S("example.org") },
		{ S("/etc/passwd"), S("example.org") },
		{ S(":include:/etc/passwd"), S("example.org") },
		{ S("../../alice"), S("example.org") },
		{ S("away@example.org"), S("localhost") },
		{ S("*"), S("example.org") },
		{ S("' OR 1=1--"), S("example.org") },
		{ S("${run{x}}"), S("localhost") },
		{ S("%{variable}"), S("example.org") },
		{ S("\xff\xfe"), S("example.org") },
	};
	struct world x = make_world();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = ROUTE_MEMORY };
		struct err e = { 0 };
		struct route r;

		assert_true(route_address(&x.w, rows[i].local, rows[i].domain, &a, &r, &e));
		if (r.code != 550)
			fail_msg("row %zu: %d " STR_FMT, i, r.code, STR_ARG(r.reason));
		for (size_t j = 0; j < r.n_targets; j++)
			assert_int_equal(r.targets[j].kind, ROUTE_FAIL);
	}
	/* D38: the tag is no address; the account is meant. */
	expect(&x.w, S("bob+v%victim.example"), S("example.org"),
	       "250 2.1.5 account:bob+v%victim.example@example.org");
	/* A key of a domain's own file is a local part, even if it looks like another address. */
	expect(&x.w, S("odd@example.org"), S("own.example"),
	       "250 2.1.5 account:alice@example.org account:bob@example.org");
	end_world(&x);
}

/* A lone * holds for declared domains, and leaves localhost and postmaster alone. */
static void test_lone_star(void **state)
{
	struct world x = make_world();

	(void)state;
	x.w.users_file = x.star;
	expect(&x.w, S("nad"), S("localhost"), "250 2.1.5 linux:nad");
	expect(&x.w, S("bob"), S("mx.example.org"), "250 2.1.5 account:bob@example.org");
	expect(&x.w, S("x"), S("catch.example"), "550 5.1.1 fail");
	expect(&x.w, S("postmaster"), S("catch.example"), "451 4.3.0 fail");
	x.w.contact = S("nad@localhost");
	expect(&x.w, S("postmaster"), S("catch.example"), "250 2.1.5 linux:nad");
	end_world(&x);
}

/* Where nobody reads mail the contact gets what comes for people of the machine. */
static void test_satellite(void **state)
{
	struct world x = make_world();

	(void)state;
	x.w.is_satellite = true;
	x.w.n_domains = 0;
	x.w.contact = S("admin@main.example");
	expect(&x.w, S("root"), S("mx.example.org"), "250 2.1.5 remote:admin@main.example");
	expect(&x.w, S("nad"), S("localhost"), "250 2.1.5 remote:admin@main.example");
	expect(&x.w, S("nobody-here"), S("localhost"), "550 5.1.1 fail");
	x.w.contact = S("nad@localhost");
	expect(&x.w, S("root"), S("localhost"), "250 2.1.5 linux:nad");
	end_world(&x);
}

/* A contact that leads nowhere makes mail wait, whatever is wrong with it. */
static void test_contact(void **state)
{
	static const struct {
		const char *contact, *want;
	} rows[] = {
		{ "", "451 4.3.0 defer" },
		{ "nobody@example.org", "451 4.3.0 fail" },
		{ "postmaster@strict.example", "451 4.3.0" },
		{ "abuse@strict.example", "451 4.3.0" },
		{ "loop1@example.org", "451 4.3.0" },
		{ "x@remote.example", "250 2.1.5 remote:x@remote.example" },
		{ "bob@@", "451 4.3.0 defer" },
		{ "bob@example.org", "250 2.1.5 account:bob@example.org" },
	};
	struct world x = make_world();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		x.w.contact = str_from_z(rows[i].contact);
		expect(&x.w, S("postmaster"), S("strict.example"), rows[i].want);
	}
	end_world(&x);
}

static struct str chain_text(struct buf *b, int steps)
{
	buf_clear(b);
	for (int i = 0; i < steps; i++)
		buf_addf(b, "s%d@example.org: s%d@example.org\n", i, i + 1);
	buf_addf(b, "s%d@example.org: bob@example.org\n", steps);
	return buf_str(b);
}

static void test_limits(void **state)
{
	struct world x = make_world();
	struct buf b = buf_on_heap(1 << 20);
	struct address_file *f;
	struct err e = { 0 };

	(void)state;
	f = address_file_parse(ADDRESS_FILE_USERS, S("F"), chain_text(&b, ROUTE_STEPS_MAX - 1), &e);
	x.w.users_file = f;
	expect(&x.w, S("s0"), S("example.org"), "250 2.1.5 account:bob@example.org");
	address_file_close(f);
	f = address_file_parse(ADDRESS_FILE_USERS, S("F"), chain_text(&b, ROUTE_STEPS_MAX), &e);
	x.w.users_file = f;
	expect(&x.w, S("s0"), S("example.org"), "550 5.4.6");
	address_file_close(f);
	for (int n = ROUTE_TARGETS_MAX; n <= ROUTE_TARGETS_MAX + 1; n++) {
		buf_clear(&b);
		buf_add(&b, S("all@example.org: bob@example.org"));
		for (int i = 1; i < n; i++)
			buf_add(&b, S(",bob@example.org"));
		f = address_file_parse(ADDRESS_FILE_USERS, S("F"), buf_str(&b), &e);
		x.w.users_file = f;
		expect(&x.w, S("all"), S("example.org"),
		       n <= ROUTE_TARGETS_MAX ? "250 2.1.5 account:bob@example.org" : "550 5.4.6");
		address_file_close(f);
	}
	/* Doubling at each step would be 2^40 targets. */
	buf_clear(&b);
	for (int i = 0; i < 40; i++)
		buf_addf(&b, "d%d@example.org: d%d@example.org, d%d+x@example.org\n", i, i + 1, i + 1);
	f = address_file_parse(ADDRESS_FILE_USERS, S("F"), buf_str(&b), &e);
	x.w.users_file = f;
	expect(&x.w, S("d0"), S("example.org"), "550 5.1.1 fail fail");
	address_file_close(f);
	buf_end(&b);
	end_world(&x);
}

static void test_print(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = ROUTE_MEMORY };
	struct world x = make_world();
	struct buf b = buf_on_heap(10000);
	struct err e = { 0 };
	struct route r;

	(void)state;
	assert_true(route_address(&x.w, S("sales"), S("example.com"), &a, &r, &e));
	route_print(&r, &b);
	assert_true(str_eq(buf_str(&b), S(
		"  account alice@example.org\n"
		"    alias domain: sales@example.com → sales@example.org\n"
		"    users file F line 1: sales@example.org → alice@example.org\n"
		"    users file F line 8: alice@example.org → alice@example.org\n"
		"    alice@example.org: account alice@example.org\n"
		"  account bob@example.org\n"
		"    alias domain: sales@example.com → sales@example.org\n"
		"    users file F line 1: sales@example.org → alice@example.org\n"
		"    users file F line 8: alice@example.org → bob@example.org\n"
		"    bob@example.org: account bob@example.org\n"
		"  → 250 2.1.5 ok  (alice@example.org: account alice@example.org)\n")));
	buf_end(&b);
	end_world(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table), cmocka_unit_test(test_reports), cmocka_unit_test(test_relay), cmocka_unit_test(test_lone_star),
		cmocka_unit_test(test_contact), cmocka_unit_test(test_satellite), cmocka_unit_test(test_limits), cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
