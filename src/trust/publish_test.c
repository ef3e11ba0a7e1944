/* publish_test.c — which records follow from which facts, and what counts as published. */
#include "trust/publish.h"
#include "trust/psl.h"
#include "trust/trust_dns_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define V4(d) { [10] = 0xFF, [11] = 0xFF, 192, 0, 2, d }
#define RSA "v=DKIM1; k=rsa; p=TUlJQklqQU5CZ2txaGtpRzl3MEJBUUVGQUFPQ0FROEFNSUlCQ2dLQ0FRRUE="
#define ED "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define HEX "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"

static const struct publish_address both[] = {
	{ V4(1), PUBLISH_LISTENS | PUBLISH_SENDS },
	{ { 0x20, 0x01, 0x0D, 0xB8, [15] = 1 }, PUBLISH_LISTENS | PUBLISH_SENDS },
};
static const struct publish_address second_sends[] = { { V4(1), PUBLISH_LISTENS }, { V4(2), PUBLISH_SENDS } };
static const struct publish_address natted[] = { { V4(1), PUBLISH_LISTENS | PUBLISH_SENDS | PUBLISH_FROM_DNS } };
static const struct publish_key keys[] = {
	{ S("example.net"), S("20261121r"), S(RSA), PUBLISH_KEY_USED },
	{ S("example.net"), S("20261121e"), S(ED), PUBLISH_KEY_USED },
};
static const struct publish_key old_key[] = { { S("example.net"), S("old"), S(ED), PUBLISH_KEY_GONE } };
static const uint8_t tls_keys[][PUBLISH_KEY_DIGEST] = {
	{ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32 },
};
static const struct str smart[] = { S("smart.isp.example"), S("198.51.100.7") };

#define WHO .domain = S("example.net"), .host = S("mx.example.net")
#define FULL WHO, .takes_mail = true, .takes_domain = true, .addresses = both, .n_addresses = 2, .sends_directly = true, \
	.keys = keys, .n_keys = 2, .tls_keys = tls_keys, .n_tls_keys = 1, .authority = S("ca.example"), \
	.ports = { 465, 587, 993, 143, 995, 110 }, .reports = S("reports@example.net"), .tls_reports = S("tls@example.org")

static struct str print(const struct publish_facts *f, enum publish_format format, struct arena *a)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 16);
	struct publish_list list;
	struct err e = { 0 };

	if (!publish_wishes(f, a, &list, &e))
		fail_msg("%s", e.text);
	publish_print(f, &list, format, &b);
	assert_false(b.full);
	return arena_str(a, buf_str(&b));
}

/* The lines that are records, without owner and TTL where all have the same. */
static struct str records_of(struct str zone, struct arena *a)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 16);

	while (zone.n) {
		struct str line = str_cut(zone, '\n', &zone);

		if (!str_starts(line, S(";")))
			buf_addf(&b, STR_FMT "\n", STR_ARG(line));
	}
	return arena_str(a, buf_str(&b));
}

static void test_zone(void **state)
{
	static const struct {
		struct publish_facts f;
		const char *zone;        /* without comments */
	} rows[] = {
		{ { FULL },
		  "mx.example.net. 3600 IN A 192.0.2.1\n"
		  "mx.example.net. 3600 IN AAAA 2001:db8::1\n"
		  "example.net. 3600 IN MX 10 mx.example.net.\n"
		  "example.net. 3600 IN TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\"\n"
		  "mx.example.net. 3600 IN TXT \"v=spf1 a -all\"\n"
		  "20261121r._domainkey.example.net. 3600 IN TXT \"" RSA "\"\n"
		  "20261121e._domainkey.example.net. 3600 IN TXT \"" ED "\"\n"
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none; rua=mailto:reports@example.net\"\n"
		  /* the CRC-32C of the policy, by another program */
		  "_mta-sts.example.net. 3600 IN TXT \"v=STSv1; id=c24ef14f\"\n"
		  "_smtp._tls.example.net. 3600 IN TXT \"v=TLSRPTv1; rua=mailto:tls@example.org\"\n"
		  "_25._tcp.mx.example.net. 3600 IN TLSA 3 1 1 " HEX "\n"
		  "_submissions._tcp.example.net. 3600 IN SRV 0 1 465 mx.example.net.\n"
		  "_submission._tcp.example.net. 3600 IN SRV 10 1 587 mx.example.net.\n"
		  "_imaps._tcp.example.net. 3600 IN SRV 0 1 993 mx.example.net.\n"
		  "_imap._tcp.example.net. 3600 IN SRV 10 1 143 mx.example.net.\n"
		  "_pop3s._tcp.example.net. 3600 IN SRV 20 1 995 mx.example.net.\n"
		  "_pop3._tcp.example.net. 3600 IN SRV 30 1 110 mx.example.net.\n"
		  "mx.example.net. 3600 IN CAA 0 issue \"ca.example\"\n" },
		/* the host is the domain: one SPF record */
		{ { .domain = S("example.net"), .host = S("example.net"), .addresses = both, .n_addresses = 1, .sends_directly = true },
		  "example.net. 3600 IN A 192.0.2.1\n"
		  "example.net. 3600 IN TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none\"\n" },
		/* only what sends is in SPF */
		{ { WHO, .addresses = second_sends, .n_addresses = 2, .sends_directly = true },
		  "mx.example.net. 3600 IN A 192.0.2.1\n"
		  "mx.example.net. 3600 IN A 192.0.2.2\n"
		  "example.net. 3600 IN TXT \"v=spf1 ip4:192.0.2.2 -all\"\n"
		  "mx.example.net. 3600 IN TXT \"v=spf1 a -all\"\n"
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none\"\n" },
		/* some, then all, by smarthosts */
		{ { WHO, .addresses = both, .n_addresses = 1, .sends_directly = true, .smarthosts = smart, .n_smarthosts = 2 },
		  "mx.example.net. 3600 IN A 192.0.2.1\n"
		  "example.net. 3600 IN TXT \"v=spf1 ip4:192.0.2.1 a:smart.isp.example ip4:198.51.100.7 ~all\"\n"
		  "mx.example.net. 3600 IN TXT \"v=spf1 a -all\"\n"
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none\"\n" },
		{ { WHO, .addresses = both, .n_addresses = 1, .smarthosts = smart, .n_smarthosts = 1 },
		  "mx.example.net. 3600 IN A 192.0.2.1\n"
		  "example.net. 3600 IN TXT \"v=spf1 a:smart.isp.example ~all\"\n"
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none\"\n" },
		/* no address known: nothing is guessed */
		{ { WHO, .takes_mail = true, .takes_domain = true, .sends_directly = true },
		  "example.net. 3600 IN MX 10 mx.example.net.\n"
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none\"\n"
		  "_mta-sts.example.net. 3600 IN TXT \"v=STSv1; id=c24ef14f\"\n" },
		/* reports to ourselves under another name; what a URI may not have */
		{ { WHO, .smarthosts = smart, .reports = S("a!b,c@example.org"), .owns_reports = true },
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none; rua=mailto:a%21b%2Cc@example.org\"\n"
		  "example.net._report._dmarc.example.org. 3600 IN TXT \"v=DMARC1\"\n" },
		/* … to another's, who publishes it; to one's own organisation */
		{ { WHO, .reports = S("a@example.org") },
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none; rua=mailto:a@example.org\"\n" },
		{ { WHO, .reports = S("a@reports.example.net"), .owns_reports = true },
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none; rua=mailto:a@reports.example.net\"\n" },
		/* removals are comments */
		{ { WHO, .keys = old_key, .n_keys = 1 },
		  "_dmarc.example.net. 3600 IN TXT \"v=DMARC1; p=none\"\n" },
	};
	const struct psl_ctx_st *list = psl_list_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
		struct publish_facts f = rows[i].f;
		struct str got;

		f.suffixes = list;
		got = records_of(print(&f, PUBLISH_BIND, &a), &a);
		if (!str_eq(got, str_from_z(rows[i].zone)))
			fail_msg("row %zu:\n" STR_FMT "instead of\n%s", i, STR_ARG(got), rows[i].zone);
	}
	psl_list_close(list);
}

static bool has(struct str text, const char *what)
{
	return !*what || str_find_str(text, str_from_z(what)) < text.n;
}

/* What a person must know or somebody else must do stands in comments. */
static void test_notes(void **state)
{
	static const struct { struct publish_facts f; const char *line; } rows[] = {
		{ { FULL }, "; ask whoever rents out the address: \"Please set the reverse DNS (PTR) of 192.0.2.1 to mx.example.net.\"\n"
			    "; 1.2.0.192.in-addr.arpa. 3600 IN PTR mx.example.net.\n" },
		{ { FULL }, "; 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN PTR mx.example.net.\n" },
		{ { FULL }, "https://mta-sts.example.net/.well-known/mta-sts.txt" },
		{ { FULL }, "; mode: testing\n; mx: mx.example.net\n" },
		{ { WHO, .addresses = natted, .n_addresses = 1 }, "; this machine has private addresses only" },
		{ { WHO, .sends_directly = true }, "; No public address of this machine is known" },
		{ { WHO, .smarthosts = smart, .n_smarthosts = 2 },
		  "; all letters leave by smart.isp.example, 198.51.100.7; whoever runs that knows" },
		{ { WHO, .smarthosts = smart, .n_smarthosts = 1, .sends_directly = true }, "; some letters leave by smart.isp.example;" },
		{ { WHO, .reports = S("a@example.org") }, "; example.org agrees to receive reports about example.net\n"
			    "; example.net._report._dmarc.example.org. 3600 IN TXT \"v=DMARC1\"\n" },
		{ { WHO, .keys = old_key, .n_keys = 1 }, "take its record away\n; old._domainkey.example.net. 3600 IN TXT" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
		struct str got = print(&rows[i].f, PUBLISH_BIND, &a);

		if (!has(got, rows[i].line))
			fail_msg("row %zu: %s is not in\n" STR_FMT, i, rows[i].line, STR_ARG(got));
	}
}

/* RFC 1035 §3.3: a string of a record holds 255 octets at most. */
static void test_strings(void **state)
{
	static const size_t lengths[] = { 1, 254, 255, 256, 510, 511, 700 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(4096), joined = buf_on_heap(4096);
		char text[700];
		struct str rest;

		memset(text, 'x', sizeof(text));
		publish_data_print(&(struct publish_record){ .type = DNS_TXT, .text = str_of(text, lengths[i]) }, &b);
		rest = buf_str(&b);
		while (rest.n) {
			struct str part = str_word(&rest);

			assert_true(part.n <= 257 && str_starts(part, S("\"")) && str_ends(part, S("\"")));
			buf_add(&joined, str_sub(part, 1, part.n - 2));
		}
		assert_true(str_eq(buf_str(&joined), str_of(text, lengths[i])));
	}
}

static void test_formats(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct publish_facts f = { FULL };

	(void)state;
	assert_true(has(print(&f, PUBLISH_PLAIN, &a), "\nname:  example.net\ntype:  MX\nvalue: 10 mx.example.net.\n"));
	assert_true(has(print(&f, PUBLISH_PLAIN, &a), "\nvalue: v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\n"));
	assert_true(has(print(&f, PUBLISH_NSUPDATE, &a), "\nupdate add example.net. 3600 IN MX 10 mx.example.net.\nsend\n"));
	assert_true(has(print(&f, PUBLISH_NSUPDATE, &a), "\n; update add 1.2.0.192.in-addr.arpa. 3600 IN PTR mx.example.net.\n"));
	assert_true(has(print(&f, PUBLISH_JSON, &a), "{\"kind\":\"mx\",\"name\":\"example.net\",\"type\":\"MX\",\"ttl\":3600,"
			"\"data\":\"10 mx.example.net.\",\"text\":\"10 mx.example.net.\",\"optional\":false,\"foreign\":false,"));
	f.keys = old_key;
	f.n_keys = 1;
	assert_true(has(print(&f, PUBLISH_NSUPDATE, &a), "\nupdate delete old._domainkey.example.net. 3600 IN TXT \"" ED "\"\nsend\n"));
}

/* A domain whose names have no place in the DNS. */
static void test_too_long(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	char name[250];
	struct publish_list list;
	struct err e;

	(void)state;
	memset(name, 'x', sizeof(name));
	for (size_t i = 50; i < sizeof(name); i += 50)
		name[i] = '.';
	assert_false(publish_wishes(&(struct publish_facts){ .domain = str_of(name, sizeof(name)), .host = S("mx.example") }, &a, &list, &e));
	assert_int_equal(e.fault, FAULT_PERM);
}

/* -- comparing ----------------------------------------------------------------------- */

#define GOOD \
	"mx.example.net A 192.0.2.1\nmx.example.net AAAA 2001:db8::1\n" \
	"1.2.0.192.in-addr.arpa PTR mx.example.net\nexample.net MX 10 mx.example.net\n"
#define SPF(text) GOOD "example.net TXT \"" text "\"\n"
#define DKIM(text) "20261121e._domainkey.example.net TXT \"" text "\"\n"
#define DMARC(text) "_dmarc.example.net TXT \"" text "\"\n"
#define TLSA(hex) "_25._tcp.mx.example.net TLSA 3 1 1 " hex "\n"
#define OTHER "ff02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
#define SRV(data) "_imaps._tcp.example.net SRV " data "\n"
#define PART "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static const struct compare_row {
	enum publish_kind kind;
	unsigned nth;            /* of its kind in the list */
	const char *zone;
	bool is_secure;
	enum publish_state state;
	bool is_fault;
	const char *why;         /* stands in it */
} compare_rows[] = {
	{ PUBLISH_A, 0, GOOD, false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_A, 1, GOOD, false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_A, 0, "mx.example.net A 192.0.2.9\n", false, PUBLISH_DIFFERS, true, "" },
	{ PUBLISH_A, 0, GOOD "mx.example.net A 192.0.2.9\n", false, PUBLISH_PUBLISHED, false, "beside" },
	{ PUBLISH_A, 0, "", false, PUBLISH_MISSING, true, "" },
	{ PUBLISH_A, 0, "mx.example.net TEMP\n", false, PUBLISH_UNKNOWN, true, "nobody answers" },
	{ PUBLISH_A, 0, "mx.example.net BOGUS\n", false, PUBLISH_UNKNOWN, true, "forged" },
	{ PUBLISH_PTR, 0, GOOD, false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_PTR, 0, "1.2.0.192.in-addr.arpa PTR vps17.isp.example\n", false, PUBLISH_DIFFERS, true, "" },
	{ PUBLISH_PTR, 0, "1.2.0.192.in-addr.arpa PTR MX.Example.NET\n", false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_MX, 0, GOOD, false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_MX, 0, "example.net MX 20 MX.example.net\nexample.net MX 5 other.example\n", false, PUBLISH_PUBLISHED, false, "beside" },
	{ PUBLISH_MX, 0, "example.net MX 10 old.example\n", false, PUBLISH_DIFFERS, true, "" },
	{ PUBLISH_MX, 0, "example.net MX 0 .\n", false, PUBLISH_DIFFERS, true, "" },
	{ PUBLISH_MX, 0, "", false, PUBLISH_MISSING, true, "" },

	{ PUBLISH_SPF, 0, SPF("v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"), false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_SPF, 0, SPF("v=spf1 mx ~all"), false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_SPF, 0, SPF("v=spf1 include:inc.example -all") "inc.example TXT \"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32\"\n", false,
	  PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_SPF, 0, SPF("v=spf1 ip4:192.0.2.1 -all"), false, PUBLISH_DIFFERS, true, "2001:db8::1 gets fail" },
	{ PUBLISH_SPF, 0, SPF("v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 foo -all"), false, PUBLISH_DIFFERS, true, "gets permerror: " },
	{ PUBLISH_SPF, 0, SPF("v=spf1 ?all"), false, PUBLISH_DIFFERS, true, "192.0.2.1 gets neutral" },
	{ PUBLISH_SPF, 0, SPF("v=spf1 mx -all") "example.net TXT \"v=spf1 a -all\"\n", false, PUBLISH_DIFFERS, true, "2 SPF records" },
	{ PUBLISH_SPF, 0, SPF("v=spf1 include:slow.example -all") "slow.example TEMP\n", false, PUBLISH_UNKNOWN, true, "temperror" },
	{ PUBLISH_SPF, 0, SPF("some-verification=1"), false, PUBLISH_MISSING, true, "" },
	{ PUBLISH_SPF_HELO, 0, GOOD "mx.example.net TXT \"v=spf1 a -all\"\n", false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_SPF_HELO, 0, GOOD "mx.example.net TXT \"v=spf1 -all\"\n", false, PUBLISH_DIFFERS, true, "gets fail" },

	{ PUBLISH_DKIM, 1, DKIM(ED), false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_DKIM, 1, DKIM("k=ed25519;" PART ";n=ours"), false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_DKIM, 1, DKIM("v=DKIM1; k=ed25519; t=y; " PART), false, PUBLISH_PUBLISHED, false, "t=y" },
	{ PUBLISH_DKIM, 1, DKIM("v=DKIM1; k=ed25519; h=sha1; " PART), false, PUBLISH_DIFFERS, true, "h=" },
	{ PUBLISH_DKIM, 1, DKIM("v=DKIM1; k=ed25519; s=tlsrpt; " PART), false, PUBLISH_DIFFERS, true, "s=" },
	{ PUBLISH_DKIM, 1, DKIM("v=DKIM1; k=ed25519; p=22qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), false, PUBLISH_DIFFERS, true, "not our" },
	{ PUBLISH_DKIM, 1, DKIM("v=DKIM1; k=rsa; " PART), false, PUBLISH_DIFFERS, true, "not our" },
	{ PUBLISH_DKIM, 1, DKIM("v=DKIM1; k=ed25519; p="), false, PUBLISH_DIFFERS, true, "revoked" },
	{ PUBLISH_DKIM, 1, DKIM(ED) DKIM(ED), false, PUBLISH_DIFFERS, true, "2 DKIM records" },
	{ PUBLISH_DKIM, 1, "", false, PUBLISH_MISSING, true, "" },

	{ PUBLISH_DMARC, 0, DMARC("v=DMARC1; p=reject; rua=mailto:x@example.net"), false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_DMARC, 0, DMARC("v=DMARC1;p=none"), false, PUBLISH_PUBLISHED, false, "no reports" },
	{ PUBLISH_DMARC, 0, DMARC("v=DMARC1; p=rejekt"), false, PUBLISH_DIFFERS, true, "p=" },
	{ PUBLISH_DMARC, 0, DMARC("v=DMARC1; p=none") DMARC("v=DMARC1; p=reject"), false, PUBLISH_DIFFERS, true, "2 DMARC records" },
	{ PUBLISH_DMARC, 0, DMARC("hello"), false, PUBLISH_MISSING, true, "" },
	{ PUBLISH_MTA_STS, 0, "_mta-sts.example.net TXT \"v=STSv1; id=1;\"\n", false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_MTA_STS, 0, "_mta-sts.example.net TXT \"v=STSv1; di=1;\"\n", false, PUBLISH_DIFFERS, true, "malformed" },
	{ PUBLISH_MTA_STS, 0, "", false, PUBLISH_MISSING, false, "" },
	{ PUBLISH_TLSRPT, 0, "_smtp._tls.example.net TXT \"v=TLSRPTv1;rua=https://r.example/\"\n", false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_TLSRPT, 0, "_smtp._tls.example.net TXT \"v=TLSRPTv1;\"\n", false, PUBLISH_DIFFERS, true, "rua" },
	{ PUBLISH_TLSRPT, 0, "", false, PUBLISH_MISSING, true, "" },

	{ PUBLISH_TLSA, 0, TLSA(HEX), true, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_TLSA, 0, TLSA(OTHER) TLSA(HEX), true, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_TLSA, 0, TLSA(OTHER), true, PUBLISH_DIFFERS, true, "DANE" },
	{ PUBLISH_TLSA, 0, "", true, PUBLISH_MISSING, true, "" },
	{ PUBLISH_TLSA, 0, "", false, PUBLISH_MISSING, false, "DNSSEC" },
	{ PUBLISH_SRV, 2, SRV("5 7 993 mx.example.net"), false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_SRV, 2, SRV("0 1 994 mx.example.net"), false, PUBLISH_DIFFERS, true, "" },
	{ PUBLISH_SRV, 2, SRV("0 1 993 mail.example.net"), false, PUBLISH_DIFFERS, true, "" },
	{ PUBLISH_SRV, 2, "", false, PUBLISH_MISSING, true, "" },
	{ PUBLISH_CAA, 0, "", false, PUBLISH_MISSING, false, "" },
	{ PUBLISH_CAA, 0, "mx.example.net CAA 0 issue \"ca.example; account=1\"\n", false, PUBLISH_PUBLISHED, false, "" },
	{ PUBLISH_CAA, 0, "mx.example.net CAA 0 issue \"other.example\"\n", false, PUBLISH_DIFFERS, true, "may not renew" },
	{ PUBLISH_CAA, 0, "mx.example.net CAA 0 iodef \"mailto:x@example.net\"\n", false, PUBLISH_MISSING, false, "" },
	{ PUBLISH_CAA, 0, "example.net CAA 0 issue \";\"\n", false, PUBLISH_DIFFERS, true, "at example.net" },
	{ PUBLISH_CAA, 0, "example.net CAA 0 issue \"CA.example\"\n", false, PUBLISH_PUBLISHED, false, "at example.net" },
};

static const struct publish_record *wish_of(const struct publish_list *l, enum publish_kind kind, unsigned nth)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->p[i].kind == kind && nth-- == 0)
			return &l->p[i];
	fail_msg("no wish of %s", publish_kind_id(kind));
	return NULL;
}

static void compare(const struct publish_facts *f, const struct compare_row *row, struct arena *a, struct publish_verdict *ret)
{
	const struct publish_record *wish;
	struct trust_dns_table table;
	struct trust_dns dns = trust_dns_of_table(&table);
	struct trust_answer found;
	struct publish_list list;
	struct err e = { 0 };

	if (!trust_dns_table_read(str_from_z(row->zone), a, &table, &e) || !publish_wishes(f, a, &list, &e))
		fail_msg("%s", e.text);
	wish = wish_of(&list, row->kind, row->nth);
	assert_true(dns.ask(dns.ctx, wish->owner, wish->type, a, &found, &e));
	found.is_secure = row->is_secure;
	assert_true(publish_compare(f, wish, &found, &dns, a, ret, &e));
}

static void test_compare(void **state)
{
	struct publish_facts f = { FULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(compare_rows); i++) {
		const struct compare_row *row = &compare_rows[i];
		AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
		struct publish_verdict v;

		compare(&f, row, &a, &v);
		if (v.state != row->state || v.is_fault != row->is_fault || !has(v.why, row->why) || (!*row->why && v.why.n))
			fail_msg("%s %u beside\n%s%s, %s, \"" STR_FMT "\"", publish_kind_id(row->kind), row->nth, row->zone,
				 publish_state_name(v.state), v.is_fault ? "a fault" : "no fault", STR_ARG(v.why));
	}
}

static void test_removal(void **state)
{
	static const struct { const char *zone; enum publish_state state; } rows[] = {
		{ "old._domainkey.example.net TXT \"" ED "\"\n", PUBLISH_LEFT },
		{ "old._domainkey.example.net TXT \"v=DKIM1; k=ed25519; p=\"\n", PUBLISH_PUBLISHED },
		{ "", PUBLISH_PUBLISHED },
	};
	struct publish_facts f = { WHO, .keys = old_key, .n_keys = 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
		struct publish_verdict v;

		compare(&f, &(struct compare_row){ .kind = PUBLISH_DKIM, .zone = rows[i].zone }, &a, &v);
		assert_int_equal(v.state, rows[i].state);
		assert_false(v.is_fault);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone), cmocka_unit_test(test_notes), cmocka_unit_test(test_strings),
		cmocka_unit_test(test_formats), cmocka_unit_test(test_too_long), cmocka_unit_test(test_compare),
		cmocka_unit_test(test_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
