/* dns_query_test.c — a question as RFC 1035 §4.1 has it, and who answers it. */
#include "wire/dns_query.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void print(const char *name, uint64_t dice, struct buf *b)
{
	struct dns_name n;

	assert_true(dns_name_read(str_from_z(name), &n));
	dns_query_print(&n, 16, 0x1234, dice, b);
	assert_false(b->full);
}

#define TAIL "\x00\x10\x00\x01\x00\x00\x29\x04\xD0\x00\x00\x00\x00\x00\x00"
#define HEAD "\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01"

static void test_octets(void **state)
{
	static const struct { const char *name; uint64_t dice; struct str is; } rows[] = {
		{ "a.example", 0, S(HEAD "\x01" "a\x07" "example\x00" TAIL) },
		{ "a.example", UINT64_MAX, S(HEAD "\x01" "A\x07" "EXAMPLE\x00" TAIL) },
		{ "A.EXAMPLE", 1 << 3, S(HEAD "\x01" "a\x07" "Example\x00" TAIL) },
		{ "1-_.x", UINT64_MAX, S(HEAD "\x03" "1-_\x01" "X\x00" TAIL) },
		{ ".", 0, S(HEAD "\x00" TAIL) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char mem[DNS_QUERY_MAX];
		struct buf b = buf_over(mem, sizeof(mem));

		print(rows[i].name, rows[i].dice, &b);
		assert_true(str_eq(buf_str(&b), rows[i].is));
	}
}

/* The longest name fits. */
static void test_longest(void **state)
{
	char mem[DNS_QUERY_MAX], name[253];
	struct buf b = buf_over(mem, sizeof(mem));
	struct dns_name n;

	(void)state;
	memset(name, 'x', sizeof(name));
	for (size_t i = 63; i < sizeof(name); i += 64)
		name[i] = '.';
	assert_true(dns_name_read(str_of(name, sizeof(name)), &n));
	assert_int_equal(n.n, DNS_NAME_MAX);
	dns_query_print(&n, 16, 1, 0, &b);
	assert_false(b.full);
	assert_int_equal(b.n, DNS_QUERY_MAX);
}

/* L3: what is not the answer to this very question is not looked at. */
static void test_answered(void **state)
{
	static const struct { struct str packet; bool is; } rows[] = {
		{ S("\x12\x34\x84\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01" "a\x07" "exAmple\x00\x00\x10\x00\x01"), true },
		{ S("\x12\x34\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00\x01" "a\x07" "exAmple\x00\x00\x10\x00\x01 and more"), true },
		{ S("\x12\x35\x84\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01" "a\x07" "exAmple\x00\x00\x10\x00\x01"), false },
		{ S("\x12\x34\x04\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01" "a\x07" "exAmple\x00\x00\x10\x00\x01"), false },
		{ S("\x12\x34\x84\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" "a\x07" "exAmple\x00\x00\x10\x00\x01"), false },
		{ S("\x12\x34\x84\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01" "a\x07" "example\x00\x00\x10\x00\x01"), false },
		{ S("\x12\x34\x84\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01" "a\x07" "exAmple\x00\x00\x01\x00\x01"), false },
		{ S("\x12\x34\x84\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01" "a\x07" "exAmple\x00\x00\x10\x00"), false },
		{ S("\x12\x34\x84\x00\x00\x01"), false },
		{ S(""), false },
	};
	char mem[DNS_QUERY_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	(void)state;
	print("a.example", 1 << 5, &b);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = rows[i].packet.n;
		char *exact = malloc(n + 1);

		memcpy(exact, rows[i].packet.p, n);
		if (dns_query_is_answered(buf_str(&b), str_of(exact, n)) != rows[i].is)
			fail_msg("row %zu", i);
		free(exact);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_octets), cmocka_unit_test(test_longest), cmocka_unit_test(test_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
