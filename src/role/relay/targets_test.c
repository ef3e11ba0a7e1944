/* targets_test.c — who takes the mail of a domain (RFC 5321 §5.1, RFC 7505, RFC 7672 §2), by a zone in a table, and
 * what TLS follows for each server (RFC 7672, RFC 8461). */
#include "role/relay/targets.h"
#include "role/relay/tls_want.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What a name has; what stands nowhere has the outcome of the last row of its type. */
static const struct {
	const char *name, *type;
	enum dns_outcome outcome;
	bool is_secure;
	const char *data;        /* "10 mx.a.test 20 …", "192.0.2.1 …", "3 1 1" */
} zone[] = {
	{ "one.test", "MX", DNS_FOUND, false, "10 mx1.one.test" },
	{ "mx1.one.test", "A", DNS_FOUND, false, "8.8.8.1" },
	{ "mx1.one.test", "AAAA", DNS_FOUND, false, "2600::1" },
	{ "order.test", "MX", DNS_FOUND, false, "10 a.test 20 b.test 20 c.test 30 d.test" },
	{ "equal.test", "MX", DNS_FOUND, false, "10 a.test 10 b.test 10 c.test 10 d.test" },
	{ "a.test", "A", DNS_FOUND, false, "8.8.8.1" }, { "b.test", "A", DNS_FOUND, false, "8.8.8.2" },
	{ "c.test", "A", DNS_FOUND, false, "8.8.8.3" }, { "d.test", "A", DNS_FOUND, false, "8.8.8.4" },
	{ "implicit.test", "MX", DNS_NONE, false, "" }, { "implicit.test", "A", DNS_FOUND, false, "8.8.8.5" },
	{ "null.test", "MX", DNS_FOUND, true, "null" },
	{ "temp.test", "MX", DNS_TEMP, false, "" }, { "bogus.test", "MX", DNS_BOGUS, false, "" },
	{ "odd.test", "MX", DNS_NO_NAME, false, "" }, { "odd.test", "A", DNS_FOUND, false, "8.8.8.6" },
	{ "odd2.test", "MX", DNS_NO_NAME, false, "" }, { "odd2.test", "A", DNS_TEMP, false, "" },
	{ "nohost.test", "MX", DNS_FOUND, false, "10 !bad" },
	{ "we.test", "MX", DNS_FOUND, false, "10 a.test 20 Mail.Our.TEST 20 b.test 30 c.test" },
	{ "weonly.test", "MX", DNS_FOUND, false, "10 mail.our.test" },
	{ "weaddr.test", "MX", DNS_FOUND, false, "10 a.test 20 own.test 30 c.test" },
	{ "own.test", "A", DNS_FOUND, false, "8.8.4.4" },
	{ "loop.test", "MX", DNS_FOUND, false, "10 lo.test" }, { "lo.test", "A", DNS_FOUND, false, "127.0.0.1" },
	{ "lan.test", "MX", DNS_FOUND, false, "10 lanhost.test 20 a.test" }, { "lanhost.test", "A", DNS_FOUND, false, "10.1.2.3" },
	{ "office.test", "MX", DNS_FOUND, false, "10 officehost.test" }, { "officehost.test", "A", DNS_FOUND, false, "10.77.0.1" },
	{ "half.test", "MX", DNS_FOUND, false, "10 gone.test 20 a.test" },
	{ "dane.test", "MX", DNS_FOUND, true, "10 sec.test" }, { "sec.test", "A", DNS_FOUND, true, "8.8.8.7" },
	{ "_25._tcp.sec.test", "TLSA", DNS_FOUND, true, "3 1 1" },
	{ "dane2.test", "MX", DNS_FOUND, true, "10 pkix.test" }, { "pkix.test", "A", DNS_FOUND, true, "8.8.8.7" },
	{ "_25._tcp.pkix.test", "TLSA", DNS_FOUND, true, "1 1 1" },
	{ "dane3.test", "MX", DNS_FOUND, true, "10 hidden.test" }, { "hidden.test", "A", DNS_FOUND, true, "8.8.8.7" },
	{ "_25._tcp.hidden.test", "TLSA", DNS_TEMP, false, "" },
	/* the address is not secure: TLSA is not even asked for */
	{ "dane4.test", "MX", DNS_FOUND, true, "10 half2.test" }, { "half2.test", "A", DNS_FOUND, false, "8.8.8.7" },
	{ "_25._tcp.half2.test", "TLSA", DNS_BOGUS, false, "" },
	{ "dane5.test", "MX", DNS_FOUND, false, "10 sec.test" },
	{ "dane6.test", "MX", DNS_FOUND, true, "10 forged.test 20 a.test" }, { "forged.test", "A", DNS_BOGUS, false, "" },
	{ "absent.test", "MX", DNS_FOUND, false, "10 gone.test 20 gone2.test" }, { "gone2.test", "A", DNS_NONE, false, "" },
	{ "gone2.test", "AAAA", DNS_NONE, false, "" }, { "absent2.test", "MX", DNS_NONE, false, "" },
	{ "unsure.test", "MX", DNS_FOUND, false, "10 gone.test 20 unsure1.test" }, { "unsure1.test", "A", DNS_TEMP, false, "" },
	{ "unsure2.test", "MX", DNS_FOUND, false, "10 gone2.test 20 unsure3.test" }, { "unsure3.test", "A", DNS_NONE, false, "" },
	{ "unsure3.test", "AAAA", DNS_BOGUS, false, "" }, { "unsure4.test", "MX", DNS_FOUND, false, "10 gone.test 20 lanhost.test" },
	{ "six.test", "MX", DNS_FOUND, false, "10 six1.test" }, { "six1.test", "A", DNS_NONE, false, "" },
	{ "six1.test", "AAAA", DNS_FOUND, false, "2600::6" },
	{ "many.test", "MX", DNS_FOUND, false, "1 g 2 g 3 g 4 g 5 g 6 g 7 g 8 g 9 g 10 g 11 g 12 g 13 g 14 g 15 g 16 g 17 a.test" },
};


static struct dns_said look(struct str name, const char *type, struct str *ret)
{
	*ret = S("");
	for (size_t i = 0; i < ARRAY_LEN(zone); i++)
		if (str_eq_nocase(name, str_from_z(zone[i].name)) && strcmp(zone[i].type, type) == 0) {
			*ret = str_from_z(zone[i].data);
			return (struct dns_said){ .outcome = zone[i].outcome, .is_secure = zone[i].is_secure, .canonical = name };
		}
	return (struct dns_said){ .outcome = strcmp(type, "TLSA") == 0 ? DNS_NONE : DNS_NO_NAME, .canonical = name };
}

SUSPENDS static bool fake_mx(struct str domain, struct arena *a, struct dns_hosts *ret, struct err *e)
{
	struct str data, word;
	uint64_t n;

	(void)e;
	*ret = (struct dns_hosts){ .said = look(domain, "MX", &data), .p = ARENA_ARRAY(a, struct dns_mx, 20) };
	if (str_eq(data, S("null"))) {
		ret->is_null = true;
		return true;
	}
	while ((word = str_word(&data)).n && str_u64(word, &n)) {
		word = str_word(&data);
		ret->p[ret->n++] = (struct dns_mx){ .preference = (uint16_t)n, .is_host = word.p[0] != '!', .host = word };
	}
	return true;
}

SUSPENDS static bool fake_addresses(struct str name, int family, struct arena *a, struct dns_addresses *ret, struct err *e)
{
	struct str data, word;

	(void)e;
	*ret = (struct dns_addresses){ .said = look(name, family == AF_INET ? "A" : "AAAA", &data),
				       .p = ARENA_ARRAY(a, struct dns_address, 8) };
	if (ret->said.outcome == DNS_NO_NAME && family == AF_INET6 && look(name, "A", &word).outcome != DNS_NO_NAME)
		ret->said.outcome = DNS_NONE;
	while ((word = str_word(&data)).n) {
		struct dns_address *to = &ret->p[ret->n++];
		char z[64];

		snprintf(z, sizeof(z), STR_FMT, STR_ARG(word));
		to->is_v4 = family == AF_INET;
		if (to->is_v4)
			to->addr[10] = to->addr[11] = 0xff;
		inet_pton(family, z, to->addr + (to->is_v4 ? 12 : 0));
	}
	return true;
}

SUSPENDS static bool fake_tlsa(struct str name, struct arena *a, struct dns_tlsas *ret, struct err *e)
{
	struct str data;

	(void)e;
	*ret = (struct dns_tlsas){ .said = look(name, "TLSA", &data), .p = ARENA_ARRAY(a, struct dns_tlsa, 1) };
	if (data.n) {
		ret->p[ret->n++] = (struct dns_tlsa){ (uint8_t)(data.p[0] - '0'), (uint8_t)(data.p[2] - '0'), (uint8_t)(data.p[4] - '0'),
						      S("0123456789abcdef0123456789abcdef") };
	}
	return true;
}

static const struct resolver fake = { fake_mx, fake_addresses, fake_tlsa };

static bool is_own(const uint8_t addr[16], uint16_t port)
{
	static const uint8_t own[16] = { [10] = 0xff, 0xff, 8, 8, 4, 4 };

	return port == 25 && memcmp(addr, own, 16) == 0;
}

static struct conf_net office = { { [10] = 0xff, 0xff, 10, 77 }, 112 };
static const struct conf_nets allowed = { &office, 1 };
static const struct target_rules rules = { .hostname = S("mail.our.test"), .use_v6 = true, .allow_private = &allowed,
					   .is_ours = is_own };

/* The servers with their addresses, as they would be tried: "10 mx1.one.test 2600::1 8.8.8.1;". */
static void print(struct targets *t, struct arena *a, struct buf *b)
{
	struct err e;

	for (size_t i = 0; i < t->n; i++) {
		assert_true(t->target[i].is_resolved || targets_resolve(&fake, &rules, t, i, a, &e));
		if (i >= t->n)
			break;
		buf_addf(b, "%u " STR_FMT, t->target[i].preference, STR_ARG(t->target[i].name));
		for (size_t k = 0; k < t->target[i].n; k++) {
			const struct dns_address *x = &t->target[i].address[k];
			char z[64] = "";

			inet_ntop(x->is_v4 ? AF_INET : AF_INET6, x->addr + (x->is_v4 ? 12 : 0), z, sizeof(z));
			buf_addf(b, " %s", z);
		}
		if (t->target[i].dane)
			buf_addf(b, " dane:%s", dane_kind_name(t->target[i].dane));
		buf_add_char(b, ';');
	}
}

static const struct {
	const char *destination;
	enum targets_end end;
	const char *want;        /* servers, or the beginning of why */
	bool is_us;
} rows[] = {
	{ "one.test", TARGETS_FOUND, "10 mx1.one.test 2600::1 8.8.8.1;", false },
	{ "ONE.test", TARGETS_FOUND, "10 mx1.one.test 2600::1 8.8.8.1;", false },
	{ "implicit.test", TARGETS_FOUND, "0 implicit.test 8.8.8.5;", false },
	{ "null.test", TARGETS_NEVER, "556 5.1.10", false },
	{ "nothing.test", TARGETS_NEVER, "550 5.1.2", false },
	/* L6: nothing but NXDOMAIN everywhere bounces */
	{ "temp.test", TARGETS_LATER, "451 4.4.3", false },
	{ "bogus.test", TARGETS_LATER, "451 4.4.3", false },
	{ "odd.test", TARGETS_LATER, "451 4.4.3", false },
	{ "odd2.test", TARGETS_LATER, "451 4.4.3", false },
	{ "nohost.test", TARGETS_LATER, "451 4.4.4", false },
	{ "half.test", TARGETS_FOUND, "10 gone.test;20 a.test 8.8.8.1;", false },
	{ "[8.8.8.8]", TARGETS_FOUND, "0 8.8.8.8 8.8.8.8;", false },
	{ "[IPv6:2600::9]", TARGETS_FOUND, "0 2600::9 2600::9;", false },
	{ "[10.1.2.3]", TARGETS_NEVER, "550 5.4.4", false },
	{ "[10.77.0.9]", TARGETS_FOUND, "0 10.77.0.9 10.77.0.9;", false },
	{ "[8.8.4.4]", TARGETS_NEVER, "554 5.4.6", false },
	{ "[127.0.0.1]", TARGETS_NEVER, "550 5.4.4", false },
	{ "[x]", TARGETS_NEVER, "550 5.1.2", false },
	{ "no domain", TARGETS_NEVER, "550 5.1.2", false },
	/* ourselves: we and all that are no better go */
	{ "we.test", TARGETS_FOUND, "10 a.test 8.8.8.1;", true },
	{ "weonly.test", TARGETS_NEVER, "554 5.4.6", true },
	{ "weaddr.test", TARGETS_FOUND, "10 a.test 8.8.8.1;", true },
	{ "loop.test", TARGETS_FOUND, "", true },
	/* what is private stands nowhere out there */
	{ "lan.test", TARGETS_FOUND, "10 lanhost.test;20 a.test 8.8.8.1;", false },
	{ "office.test", TARGETS_FOUND, "10 officehost.test 10.77.0.1;", false },
	{ "dane.test", TARGETS_FOUND, "10 sec.test 8.8.8.7 dane:verify;", false },
	{ "dane2.test", TARGETS_FOUND, "10 pkix.test 8.8.8.7 dane:encrypt;", false },
	{ "dane3.test", TARGETS_FOUND, "10 hidden.test 8.8.8.7 dane:defer;", false },
	{ "dane4.test", TARGETS_FOUND, "10 half2.test 8.8.8.7;", false },
	{ "dane5.test", TARGETS_FOUND, "10 sec.test 8.8.8.7;", false },
	{ "dane6.test", TARGETS_FOUND, "10 forged.test;20 a.test 8.8.8.1;", false },
};

static void test_rows(void **state)
{
	static struct targets t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct buf b = buf_over((char[1000]){ 0 }, 1000);
		enum targets_end end;
		struct err e;

		assert_true(targets_find(&fake, &rules, str_from_z(rows[i].destination), NULL, &a, &t, &end, &e));
		if (end != rows[i].end)
			fail_msg("%s: end %d, %s", rows[i].destination, (int)end, t.why);
		if (end == TARGETS_FOUND)
			print(&t, &a, &b);
		else
			buf_add(&b, str_head(str_from_z(t.why), strlen(rows[i].want)));
		if (!str_eq(buf_str(&b), str_from_z(rows[i].want)))
			fail_msg("%s: " STR_FMT, rows[i].destination, STR_ARG(buf_str(&b)));
		assert_int_equal(t.met_ourselves, rows[i].is_us);
	}
}

/* RFC 5321 §5.1: what has no address at all is reported; in any doubt it is not. */
static void test_absent(void **state)
{
	static const struct {
		const char *destination;
		bool no_v6, absent;
	} list[] = {
		{ "absent.test", false, true }, { "absent.test", true, true }, { "absent2.test", false, true }, { "absent2.test", true, true },
		{ "one.test", false, false }, { "half.test", false, false }, { "unsure.test", false, false }, { "unsure2.test", false, false },
		{ "unsure2.test", true, false }, { "unsure4.test", false, false }, { "six.test", false, false }, { "six.test", true, false },
		{ "many.test", false, false },
	};
	static struct targets t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct target_rules mine = rules;
		enum targets_end end;
		struct err e;

		mine.use_v6 = !list[i].no_v6;
		assert_true(targets_find(&fake, &mine, str_from_z(list[i].destination), NULL, &a, &t, &end, &e));
		assert_int_equal(end, TARGETS_FOUND);
		assert_false(targets_have_no_address(&t));
		for (size_t k = 0; k < t.n; k++)
			assert_true(t.target[k].is_resolved || targets_resolve(&fake, &mine, &t, k, &a, &e));
		if (targets_have_no_address(&t) != list[i].absent)
			fail_msg("%s", list[i].destination);
	}
}

/* Lower preferences first, equals in every order. */
static void test_order(void **state)
{
	static struct targets t;
	unsigned first[4] = { 0 };

	(void)state;
	for (size_t i = 0; i < 400; i++) {
		AUTO(arena_end) struct arena a = { 0 };
		enum targets_end end;
		struct err e;

		assert_true(targets_find(&fake, &rules, S("order.test"), NULL, &a, &t, &end, &e));
		assert_true(t.n == 4 && str_eq(t.target[0].name, S("a.test")) && str_eq(t.target[3].name, S("d.test")));
		assert_true(targets_find(&fake, &rules, S("equal.test"), NULL, &a, &t, &end, &e));
		first[t.target[0].name.p[0] - 'a']++;
	}
	for (size_t i = 0; i < 4; i++)
		assert_in_range(first[i], 50, 150);
}

static void test_private(void **state)
{
	static const struct { const char *address; bool is_private; } list[] = {
		{ "8.8.8.8", false }, { "1.1.1.1", false }, { "100.63.255.255", false }, { "100.64.0.0", true },
		{ "100.127.255.255", true }, { "100.128.0.0", false }, { "0.0.0.0", true }, { "10.255.255.255", true },
		{ "11.0.0.0", false }, { "127.1.2.3", true }, { "169.254.0.1", true }, { "172.15.255.255", false },
		{ "172.16.0.0", true }, { "172.31.255.255", true }, { "172.32.0.0", false }, { "192.168.255.1", true },
		{ "192.169.0.0", false }, { "198.18.0.1", true }, { "198.20.0.0", false }, { "224.0.0.1", true },
		{ "240.0.0.1", true }, { "255.255.255.255", true }, { "223.255.255.255", false }, { "192.0.2.1", true },
		{ "2600::1", false }, { "2001:4860::1", false }, { "2001:db8::1", true }, { "2001::1", true }, { "2002::1", true },
		{ "::1", true }, { "::", true }, { "fe80::1", true }, { "fc00::1", true }, { "ff02::1", true }, { "64:ff9b::1", true },
		{ "3fff:ffff::1", false }, { "4000::1", true }, { "1fff::1", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

		assert_true(inet_pton(AF_INET, list[i].address, addr + 12) == 1 || inet_pton(AF_INET6, list[i].address, addr) == 1);
		if (address_is_private(addr) != list[i].is_private)
			fail_msg("%s", list[i].address);
	}
}

/* Which TLS: DANE, then MTA-STS, then the configuration. */
static void test_tls(void **state)
{
	static const struct {
		enum dane_kind dane;
		const char *sts;         /* mode, or NULL; names good.test */
		const char *host;
		enum conf_demand conf;
		int use;                 /* -1: the server is not used */
		enum tls_trust trust;
		const char *by;
	} list[] = {
		{ DANE_NONE, NULL, "good.test", CONF_TLS_IF_OFFERED, TLS_USE_IF_OFFERED, TLS_TRUST_ANYBODY, "" },
		{ DANE_NONE, NULL, "good.test", CONF_TLS_NEVER, TLS_USE_NEVER, TLS_TRUST_ANYBODY, "tls" },
		{ DANE_NONE, NULL, "good.test", CONF_TLS_ENCRYPT, TLS_USE_ALWAYS, TLS_TRUST_ANYBODY, "tls" },
		{ DANE_NONE, NULL, "good.test", CONF_TLS_VERIFY, TLS_USE_ALWAYS, TLS_TRUST_ROOTS, "tls" },
		{ DANE_VERIFY, NULL, "good.test", CONF_TLS_IF_OFFERED, TLS_USE_ALWAYS, TLS_TRUST_DANE, "DANE" },
		{ DANE_VERIFY, NULL, "good.test", CONF_TLS_NEVER, TLS_USE_ALWAYS, TLS_TRUST_DANE, "DANE" },
		{ DANE_ENCRYPT, NULL, "good.test", CONF_TLS_IF_OFFERED, TLS_USE_ALWAYS, TLS_TRUST_ANYBODY, "DANE" },
		{ DANE_ENCRYPT, NULL, "good.test", CONF_TLS_VERIFY, TLS_USE_ALWAYS, TLS_TRUST_ROOTS, "tls" },
		{ DANE_DEFER, NULL, "good.test", CONF_TLS_IF_OFFERED, -1, 0, "" },
		{ DANE_NONE, "enforce", "good.test", CONF_TLS_IF_OFFERED, TLS_USE_ALWAYS, TLS_TRUST_ROOTS, "MTA-STS" },
		{ DANE_NONE, "enforce", "bad.test", CONF_TLS_IF_OFFERED, -1, 0, "" },
		{ DANE_NONE, "testing", "bad.test", CONF_TLS_IF_OFFERED, TLS_USE_IF_OFFERED, TLS_TRUST_ANYBODY, "" },
		{ DANE_NONE, "none", "bad.test", CONF_TLS_IF_OFFERED, TLS_USE_IF_OFFERED, TLS_TRUST_ANYBODY, "" },
		/* RFC 8461 §2: MTA-STS never overrides DANE */
		{ DANE_VERIFY, "enforce", "bad.test", CONF_TLS_IF_OFFERED, TLS_USE_ALWAYS, TLS_TRUST_DANE, "DANE" },
		{ DANE_DEFER, "enforce", "good.test", CONF_TLS_IF_OFFERED, -1, 0, "" },
		/* TLSA records of no use authenticate nobody: what the policy demands holds (§5) */
		{ DANE_ENCRYPT, "enforce", "good.test", CONF_TLS_IF_OFFERED, TLS_USE_ALWAYS, TLS_TRUST_ROOTS, "MTA-STS" },
		{ DANE_ENCRYPT, "enforce", "bad.test", CONF_TLS_IF_OFFERED, -1, 0, "" },
		{ DANE_ENCRYPT, "testing", "bad.test", CONF_TLS_IF_OFFERED, TLS_USE_ALWAYS, TLS_TRUST_ANYBODY, "DANE" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct target to = { .name = str_from_z(list[i].host), .dane = list[i].dane, .base = str_from_z(list[i].host) };
		static struct targets all;
		static struct mtasts_policy p;
		struct tls_want w;
		struct err e;
		bool ok;

		all = (struct targets){ .domain = S("d.test"), .is_by_mx = true };
		if (list[i].sts)
			assert_true(mtasts_policy_parse(arena_printf(&a, "version: STSv1\nmode: %s\nmx: good.test\nmax_age: 9\n", list[i].sts), &p));
		ok = tls_want_of(&to, &all, NULL, list[i].conf, list[i].sts ? &p : NULL, &w, &e);
		if (ok != (list[i].use >= 0))
			fail_msg("row %zu", i);
		if (ok && ((int)w.use != list[i].use || w.trust != list[i].trust || strcmp(w.by, list[i].by) != 0))
			fail_msg("row %zu: %s by %s", i, tls_want_name(&w), w.by);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
