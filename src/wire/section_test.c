/* section_test.c — which octets FETCH asks for. */
#include "wire/section.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The shape of RFC 9051 §6.4.5's example: 1 text, 2 octets, 3 a message with two parts, 4 a multipart
 * whose second part is a message. */
static const struct str letter = S(
	"Subject: outer\nContent-Type: multipart/mixed; boundary=o\n\npre\n"
	"--o\n\none\n"
	"--o\nContent-Type: application/x\nContent-Transfer-Encoding: base64\n\nVFdP\n"
	"--o\nContent-Type: message/rfc822\n\n"
	"Subject: third\nX: 3\nContent-Type: multipart/mixed; boundary=i\n\n--i\nA: 1\n\n3-1\n--i\n\n3-2\n--i--\n"
	"--o\nContent-Type: multipart/mixed; boundary=j\n\n--j\nContent-Transfer-Encoding: x-odd\n\n4-1\n"
	"--j\nContent-Type: message/rfc822\n\nSubject: fourth\n\n4-2-1\n--j--\n"
	"--o--\n");

static const struct { const char *section; struct str in; const char *out; } rows[] = {
	{ "HEADER", S(""), "Subject: outer\nContent-Type: multipart/mixed; boundary=o\n\n" },
	{ "1", S(""), "one" },
	{ "1.MIME", S(""), "\n" },
	{ "2", S(""), "VFdP" },
	{ "2.MIME", S(""), "Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n" },
	{ "2.1", S(""), NULL },
	{ "2.HEADER", S(""), NULL },
	{ "2.TEXT", S(""), NULL },
	{ "3.HEADER", S(""), "Subject: third\nX: 3\nContent-Type: multipart/mixed; boundary=i\n\n" },
	{ "3.HEADER.FIELDS (x subject)", S(""), "Subject: third\nX: 3\n\n" },
	{ "3.HEADER.FIELDS.NOT (Content-Type \"X\")", S(""), "Subject: third\n\n" },
	{ "3.HEADER.FIELDS (none)", S(""), "\n" },
	{ "3.TEXT", S(""), "--i\nA: 1\n\n3-1\n--i\n\n3-2\n--i--" },
	{ "3.MIME", S(""), "Content-Type: message/rfc822\n\n" },
	{ "3.1", S(""), "3-1" },
	{ "3.1.MIME", S(""), "A: 1\n\n" },
	{ "3.2", S(""), "3-2" },
	{ "3.3", S(""), NULL },
	{ "3.1.1", S(""), NULL },
	{ "4.1", S(""), "4-1" },
	{ "4.2.HEADER", S(""), "Subject: fourth\n\n" },
	{ "4.2.TEXT", S(""), "4-2-1" },
	{ "4.2.1", S(""), "4-2-1" },
	{ "4.2.2", S(""), NULL },
	{ "5", S(""), NULL },
	{ "4294967295", S(""), NULL },
	/* a letter without parts has one */
	{ "1", S("A: b\n\nx\n"), "x\n" },
	{ "1.MIME", S("A: b\n\nx\n"), "A: b\n\n" },
	{ "TEXT", S("A: b\n\nx\n"), "x\n" },
	{ "", S("A: b\n\nx\n"), "A: b\n\nx\n" },
	{ "1.1", S("A: b\n\nx\n"), NULL },
	{ "2", S("A: b\n\nx\n"), NULL },
	{ "HEADER", S("A: b"), "A: b" },
	{ "HEADER.FIELDS (A)", S("A: b"), "A: b\n\n" },
	{ "TEXT", S("A: b"), "" },
	{ "1.HEADER", S("Content-Type: message/rfc822\n\nA: b\n\nx\n"), "A: b\n\n" },
	{ "1.1", S("Content-Type: message/rfc822\n\nA: b\n\nx\n"), "x\n" },
	{ "HEADER.FIELDS (B A)", S("A: 1\nno field\n 2\nB: 3\n 4\nA : 5\n\n"), "A: 1\nB: 3\n 4\nA : 5\n\n" },
};

static void test_find(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		AUTO(buf_end) struct buf got = buf_on_heap(4096);
		struct str in = rows[i].in.n ? rows[i].in : letter;
		const struct mime_part *root = mime_parse(in, &a);
		struct mime_range r = { 0 };
		struct section s;
		bool found;

		assert_true(section_parse(str_from_z(rows[i].section), &a, &s));
		found = section_find(root, &s, &r);
		if (s.what == SECTION_FIELDS || s.what == SECTION_FIELDS_NOT)
			section_fields_add(mime_bytes(in, &r), &s, &got);
		else
			buf_add(&got, mime_bytes(in, &r));
		if (found != (rows[i].out != NULL) || (found && !str_eq(buf_str(&got), str_from_z(rows[i].out))))
			fail_msg("%s: %d " STR_FMT, rows[i].section, found, STR_ARG(buf_str(&got)));
	}
}

static void test_parse(void **state)
{
	static const struct { const char *in, *out; } good[] = {
		{ "", "" },
		{ "text", "TEXT" },
		{ "1.22.3", "1.22.3" },
		{ "1.mime", "1.MIME" },
		{ "header.fields (a \"b\" \"c d\")", "HEADER.FIELDS (a b \"c d\")" },
		{ "4294967295.header.fields.not (X-Y:)", "4294967295.HEADER.FIELDS.NOT (X-Y:)" },
	};
	static const char *const bad[] = {
		"MIME", "0", "01", "1.", ".1", "1..2", "1.0", "4294967296", "HEADER.FIELDS", "HEADER.FIELDS ()",
		"HEADER.FIELDS (a", "HEADER.FIELDS (a )", "HEADER.FIELDS (a) ", "HEADER.FIELDS(a)", "HEADERS", "HEADER (a)", "1TEXT",
		"1.TEXT.1", "TEXT ", "x", "HEADER.FIELDS (\"a)", "-1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf b = buf_on_heap(4096);
		struct section s;

		assert_true(section_parse(str_from_z(good[i].in), &a, &s));
		section_add(&b, &s);
		if (!str_eq(buf_str(&b), str_from_z(good[i].out)))
			fail_msg("%s: " STR_FMT, good[i].in, STR_ARG(buf_str(&b)));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct section s;

		if (section_parse(str_from_z(bad[i]), &a, &s))
			fail_msg("%s", bad[i]);
	}
}

static void test_limits(void **state)
{
	(void)state;
	for (int more = 0; more < 2; more++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf path = buf_on_heap(4096), names = buf_on_heap(1 << 16);
		struct section s;

		for (int i = 0; i < SECTION_DEPTH_MAX + more; i++)
			buf_add(&path, i ? S(".1") : S("1"));
		buf_add(&names, S("HEADER.FIELDS (a"));
		for (int i = 1; i < SECTION_NAMES_MAX + more; i++)
			buf_add(&names, S(" a"));
		buf_add_char(&names, ')');
		assert_true(section_parse(buf_str(&path), &a, &s) == !more);
		assert_true(section_parse(buf_str(&names), &a, &s) == !more);
	}
}

static void test_binary(void **state)
{
	static const struct { const char *section; bool ok, has_part; } what[] = {
		{ "", true, false }, { "1", true, false }, { "2", true, true }, { "3", true, false },
		{ "4.1", false, false }, { "9", true, false },
	};
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	const struct mime_part *root = mime_parse(letter, &a), *p;
	struct section s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(what); i++) {
		assert_true(section_parse(str_from_z(what[i].section), &a, &s));
		p = NULL;
		assert_true(section_binary(root, &s, &p) == what[i].ok);
		assert_true((p != NULL) == what[i].has_part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_binary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
