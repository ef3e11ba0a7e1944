/* dns_packet_test.c — whole answers, as rows: sections as they stand on the wire (RFC 1035 §4). */
#include "wire/dns_packet.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define Q_MX "\1q\0\0\x0f\0\1"                  /* q. MX IN */
#define Q_A "\1q\0\0\1\0\1"
#define TTL5 "\0\0\0\5"
#define Q "\xc0\xc"                             /* the name asked for, which stands at 12 */
#define A(owner, ttl, last) owner "\0\1\0\1" ttl "\0\4\x7f\0\0" last
#define CNAME(owner, ttl, target) owner "\0\5\0\1" ttl "\0\3\1" target "\0"
#define SOA "\0\0\6\0\1\0\0\0\x64\0\x16\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\x3c"

static struct str packet_of(struct str flags, struct str counts, struct str question, struct str rest)
{
	size_t n = 2 + flags.n + counts.n + question.n + rest.n;
	char *p = malloc(n);
	struct buf b = buf_over(p, n);

	buf_add(&b, S("id"));
	buf_add(&b, flags);
	buf_add(&b, counts);
	buf_add(&b, question);
	buf_add(&b, rest);
	return buf_str(&b);
}

static void test_answers(void **state)
{
	static const struct {
		const char *what;
		struct str flags, counts, question, rest;
		uint16_t type;
		int n;                           /* records; -1: refused */
		uint8_t rcode;
		uint32_t ttl;
		struct str canonical;
	} rows[] = {
		{ "one", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_A), S(A(Q, TTL5, "\1")), 1, 1, 0, 5, S("q") },
		{ "two, the least time", S("\x84\0"), S("\0\1\0\2\0\0\0\0"), S(Q_A), S(A(Q, TTL5, "\1") A(Q, "\0\0\0\3", "\2")), 1, 2, 0, 3, S("q") },
		{ "by two CNAMEs", S("\x84\0"), S("\0\1\0\3\0\0\0\0"), S(Q_A),
		  S(CNAME(Q, TTL5, "r") CNAME("\1r\0", "\0\0\0\2", "s") A("\1s\0", TTL5, "\1")), 1, 1, 0, 2, S("s") },
		{ "a CNAME that leads nowhere", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_A), S(CNAME(Q, TTL5, "r")), 1, 0, 0, 5, S("r") },
		{ "the CNAME itself", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S("\1q\0\0\5\0\1"), S(CNAME(Q, TTL5, "r")), 5, 1, 0, 5, S("q") },
		{ "a circle of CNAMEs ends", S("\x84\0"), S("\0\1\0\2\0\0\0\0"), S(Q_A), S(CNAME(Q, TTL5, "r") CNAME("\1r\0", TTL5, "q")), 1, 0, 0, 5, S("q") },
		{ "another name's record", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_A), S(A("\1x\0", TTL5, "\1")), 1, 0, 0, 0, S("q") },
		{ "another class", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_A), S(Q "\0\1\0\3" TTL5 "\0\4abcd"), 1, 0, 0, 0, S("q") },
		{ "no such name", S("\x84\3"), S("\0\1\0\0\0\1\0\0"), S(Q_A), S(SOA), 1, 0, 3, 60, S("q") },
		{ "a time with the top bit is none", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_A), S(A(Q, "\x80\0\0\0", "\1")), 1, 1, 0, 0, S("q") },
		{ "a time of years is a week", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_A), S(A(Q, "\x7f\0\0\0", "\1")), 1, 1, 0, DNS_TTL_MAX, S("q") },
		{ "names in any case", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S("\1Q\0\0\1\0\1"), S(A(Q, TTL5, "\1")), 1, 1, 0, 5, S("q") },
		{ "what stands behind is not read", S("\x84\0"), S("\0\1\0\1\0\0\0\5"), S(Q_A), S(A(Q, TTL5, "\1") "junk"), 1, 1, 0, 5, S("q") },
		{ "a question, not an answer", S("\4\0"), S("\0\1\0\0\0\0\0\0"), S(Q_A), S(""), 1, -1, 0, 0, S("") },
		{ "no question", S("\x84\0"), S("\0\0\0\0\0\0\0\0"), S(""), S(""), 1, -1, 0, 0, S("") },
		{ "two questions", S("\x84\0"), S("\0\2\0\0\0\0\0\0"), S(Q_A Q_A), S(""), 1, -1, 0, 0, S("") },
		{ "another question", S("\x84\0"), S("\0\1\0\0\0\0\0\0"), S("\1x\0\0\1\0\1"), S(""), 1, -1, 0, 0, S("") },
		{ "another type", S("\x84\0"), S("\0\1\0\0\0\0\0\0"), S(Q_MX), S(""), 1, -1, 0, 0, S("") },
		{ "fewer records than it says", S("\x84\0"), S("\0\1\0\2\0\0\0\0"), S(Q_A), S(A(Q, TTL5, "\1")), 1, -1, 0, 0, S("") },
		{ "65,535 records that are not there", S("\x84\0"), S("\0\1\xff\xff\xff\xff\xff\xff"), S(Q_A), S(A(Q, TTL5, "\1")), 1, -1, 0, 0, S("") },
		{ "RDATA past the end", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_A), S(Q "\0\1\0\1" TTL5 "\0\5abcd"), 1, -1, 0, 0, S("") },
		{ "a name past its RDATA", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_MX), S(Q "\0\x0f\0\1" TTL5 "\0\3\0\1\2mx\0"), 15, -1, 0, 0, S("") },
		{ "a CNAME with junk", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_A), S(Q "\0\5\0\1" TTL5 "\0\4\1r\0x"), 1, -1, 0, 0, S("") },
		{ "an owner that points to itself", S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_A), S(A("\xc0\x13", TTL5, "\1")), 1, -1, 0, 0, S("") },
		{ "nothing", S(""), S(""), S(""), S(""), 1, -1, 0, 0, S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct str packet = packet_of(rows[i].flags, rows[i].counts, rows[i].question, rows[i].rest);
		struct dns_packet got = { 0 };
		struct dns_name name;
		struct err e;
		bool ok;

		assert_true(dns_name_read(S("q"), &name));
		ok = dns_packet_parse(packet, &name, rows[i].type, &a, &got, &e);
		if (ok != (rows[i].n >= 0) || (ok && (got.n != (size_t)rows[i].n || got.rcode != rows[i].rcode ||
						      got.ttl != rows[i].ttl || !str_eq(got.canonical, rows[i].canonical))))
			fail_msg("%s: %d, %zu records, rcode %u, ttl %u, " STR_FMT, rows[i].what, ok, got.n, got.rcode, got.ttl,
				 STR_ARG(got.canonical));
		free((void *)(uintptr_t)packet.p);
	}
}

/* A name in a record is written out, whatever it pointed to. */
static void test_expand(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct str packet = packet_of(S("\x84\0"), S("\0\1\0\1\0\0\0\0"), S(Q_MX), S(Q "\0\x0f\0\1" TTL5 "\0\7\0\xa\2mx" Q));
	struct dns_name name;
	struct dns_packet got;
	struct err e;

	(void)state;
	assert_true(dns_name_read(S("q"), &name) && dns_packet_parse(packet, &name, DNS_MX, &a, &got, &e));
	assert_true(got.n == 1 && str_eq(got.p[0], S("\0\xa\2mx\1q\0")));
	free((void *)(uintptr_t)packet.p);
}

static void test_authority(void **state)
{
	static const struct { struct str flags; bool is; } rows[] = { { S("\x84\0"), true }, { S("\x80\0"), false }, { S("\x86\x80"), true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct str packet = packet_of(rows[i].flags, S("\0\1\0\1\0\0\0\0"), S(Q_A), S(A(Q, TTL5, "\1")));
		struct dns_name name;
		struct dns_packet got;
		struct err e;

		assert_true(dns_name_read(S("q"), &name) && dns_packet_parse(packet, &name, DNS_A, &a, &got, &e));
		assert_int_equal(got.is_authoritative, rows[i].is);
		free((void *)(uintptr_t)packet.p);
	}
}

/* L5: the limits hold where they are. */
static void test_limits(void **state)
{
	static const struct {
		unsigned records, chain;
		bool ok;
	} rows[] = {
		{ DNS_ANSWER_RECORDS_MAX, 0, true }, { DNS_ANSWER_RECORDS_MAX + 1, 0, false },
		{ 1, DNS_CHAIN_MAX, true }, { 1, DNS_CHAIN_MAX + 1, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf b = buf_on_heap(DNS_PACKET_MAX);
		unsigned n = rows[i].records + rows[i].chain;
		char owner = 'q';
		struct dns_name name;
		struct dns_packet got;
		struct err e;

		buf_add(&b, S("id\x84\0\0\1"));
		buf_add_char(&b, (char)(n >> 8));
		buf_add_char(&b, (char)n);
		buf_add(&b, S("\0\0\0\0" Q_A));
		for (unsigned k = 0; k < rows[i].chain; k++) {
			char next = (char)('A' + k);
			char rr[] = { 1, owner, 0, 0, 5, 0, 1, 0, 0, 0, 5, 0, 3, 1, next, 0 };

			buf_add(&b, str_of(rr, sizeof(rr)));
			owner = next;
		}
		for (unsigned k = 0; k < rows[i].records; k++) {
			char rr[] = { 1, owner, 0, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 127, 0, (char)(k >> 8), (char)k };

			buf_add(&b, str_of(rr, sizeof(rr)));
		}
		assert_false(b.full);
		assert_true(dns_name_read(S("q"), &name));
		assert_int_equal(dns_packet_parse(buf_str(&b), &name, DNS_A, &a, &got, &e), rows[i].ok);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_expand), cmocka_unit_test(test_authority), cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
