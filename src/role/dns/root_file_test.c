/* root_file_test.c — lines as dns-root-data, IANA and ldns write them. */
#include "role/dns/root_file.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_lines(void **state)
{
	struct str text = S("; a comment\n\n . IN DS 1 8 2 00 ; keytag\r\n\t\n;;state=2\nlast"), line;

	(void)state;
	assert_true(root_line_take(&text, &line) && str_eq(line, S(". IN DS 1 8 2 00")));
	assert_true(root_line_take(&text, &line) && str_eq(line, S("last")));
	assert_false(root_line_take(&text, &line));
}

static void test_keys(void **state)
{
	static const struct {
		struct str line;
		bool is_key;
	} rows[] = {
		{ S(". IN DNSKEY 257 3 8 AwEAAa=="), true }, { S(".\t172800\tIN\tDNSKEY\t257 3 8 AwEAAa=="), true },
		{ S(". DS 20326 8 2 E06D"), true }, { S("test. 60 ds 1 13 2 00"), true }, { S(". IN 60 DS 1 13 2 00"), true },
		{ S(". IN DS"), false }, { S("."), false }, { S("DS"), false }, { S(". 60 NS a.root."), false }, { S("<html>"), false },
		{ S(". CH DS 1 2 3 00"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(root_line_is_key(rows[i].line), rows[i].is_key);
}

static void test_addresses(void **state)
{
	static const struct {
		struct str line, address;        /* empty: none */
	} rows[] = {
		{ S("A.ROOT-SERVERS.NET.      3600000      A     198.41.0.4"), S("198.41.0.4") },
		{ S("a.root-servers.net. 3600000 IN AAAA 2001:503:ba3e::2:30"), S("2001:503:ba3e::2:30") },
		{ S("ns A 127.0.0.1"), S("127.0.0.1") },
		{ S(".                        3600000      NS    A.ROOT-SERVERS.NET."), S("") },
		{ S("ns A"), S("") }, { S("A"), S("") }, { S("a a"), S("") },
	};
	struct str address;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(root_line_address(rows[i].line, &address), rows[i].address.n > 0);
		if (rows[i].address.n)
			assert_true(str_eq(address, rows[i].address));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_keys), cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
