/* destination_test.c — by which way out a letter leaves. */
#include "queue/destination.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char conf_text[] =
	"hostname mail.example.org\ncontact p@example.org\nuser p@example.org\nstorage /s\n"
	"domain example.org {\n others via smtps://main.example.org\n}\ndomain plain.example\n"
	"outbound {\n"
	" route exact.example via smtp://a.example:2525\n"
	" route *.below.example via smtp://b.example\n"
	" route * from example.org via smtps://smart.example\n"
	" route mx.example via mx tls verify\n"
	"}\n";

static void test_routes(void **state)
{
	static const struct {
		const char *from, *to, *key;
	} rows[] = {
		{ "", "who@example.org", "5" },          /* four routes, then others of the first domain */
		{ "p@example.org", "who@EXAMPLE.org", "5" },
		{ "s@x.example", "a@exact.example", "1" },
		{ "s@x.example", "a@Exact.Example", "1" },
		{ "s@x.example", "a@sub.exact.example", "0 sub.exact.example" },
		{ "s@x.example", "a@below.example", "2" },
		{ "s@x.example", "a@deep.down.below.example", "2" },
		{ "s@x.example", "a@notbelow.example", "0 notbelow.example" },
		{ "p@example.org", "a@notbelow.example", "3" },
		{ "\"p@x\"@example.org", "a@notbelow.example", "3" },
		{ "p@sub.example.org", "a@notbelow.example", "0 notbelow.example" },
		{ "", "a@notbelow.example", "0 notbelow.example" },
		{ "s@x.example", "a@mx.example", "4 mx.example" },
		{ "s@x.example", "\"a@b\"@mx.example", "4 mx.example" },
		{ "s@x.example", "a@[192.0.2.1]", "0 [192.0.2.1]" },
		{ "s@x.example", "a@plain.example", "0 plain.example" },
	};
	static const struct conf_world world = { .file = { "/etc/waxwing/waxwing.conf", 25 } };
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct conf_notes notes = { .arena = &a };
	struct conf c;

	(void)state;
	assert_true(conf_read(str_from_z(conf_text), &world, &a, &notes, &c));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char mem[300];
		struct buf key = buf_over(mem, sizeof mem);
		struct destination d;

		destination_of(&c, str_from_z(rows[i].from), str_from_z(rows[i].to), &d);
		destination_key(&d, &key);
		if (!str_eq(buf_str(&key), str_from_z(rows[i].key)))
			fail_msg("%s %s: " STR_FMT, rows[i].from, rows[i].to, STR_ARG(buf_str(&key)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
