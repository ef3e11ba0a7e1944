/* json_test.c — commas, quoting, broken bytes (RFC 8259 §7). */
#include "wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_shape(void **state)
{
	char mem[200];
	struct buf b = buf_over(mem, sizeof(mem));
	struct json j = json_to(&b);

	(void)state;
	json_object(&j, NULL);
	json_int(&j, "n", -5);
	json_array(&j, "list");
	json_str(&j, NULL, S("a"));
	json_object(&j, NULL);
	json_end_object(&j);
	json_bool(&j, NULL, true);
	json_end_array(&j);
	json_bool(&j, "b", false);
	json_end_object(&j);
	assert_true(str_eq(buf_str(&b), S("{\"n\":-5,\"list\":[\"a\",{},true],\"b\":false}")));
}

static void test_strings(void **state)
{
	static const struct { struct str in, out; } rows[] = {
		{ S(""), S("\"\"") },
		{ S("a\"b\\c"), S("\"a\\\"b\\\\c\"") },
		{ S("l\nr\r\x01\x1f"), S("\"l\\nr\\u000d\\u0001\\u001f\"") },
		{ S("ä€😀"), S("\"ä€😀\"") },
		{ S("\xff\xc0\x80"), S("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") },
		{ S("cut \xe2\x82"), S("\"cut \xef\xbf\xbd\xef\xbf\xbd\"") },
		{ S("\xed\xa0\x80"), S("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") },
		{ S("a\0b"), S("\"a\\u0000b\"") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char mem[100];
		struct buf b = buf_over(mem, sizeof(mem));
		struct json j = json_to(&b);

		json_str(&j, NULL, rows[i].in);
		if (!str_eq(buf_str(&b), rows[i].out))
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(buf_str(&b)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_shape), cmocka_unit_test(test_strings) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
