/* uidlist_test.c — Dovecot's files, line by line, and the names of letters. */
#include "base/err.h"
#include "store/letter.h"
#include "store/maildir_name.h"
#include "store/uidlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The input in a block of its own, so that a byte too far is seen. */
static struct str exact(const char *z)
{
	size_t n = strlen(z);
	char *p = malloc(n ? n : 1);

	memcpy(p, z, n);
	return str_of(p, n);
}

static void exact_end(struct str s)
{
	free((char *)(uintptr_t)s.p);
}

#define GUID "113ce023aa1f026bcd7e000083ecc375"

static const struct {
	const char *text;
	bool ok;
	unsigned version;
	uint32_t validity, next;
	const char *guid, *rest;
} headers[] = {
	{ "3 V1795301292 N15 G" GUID "\n", true, 3, 1795301292, 15, GUID, "" },
	{ "3 V1 N1\n", true, 3, 1, 1, "", "" },
	{ "3 N1 V1\n", true, 3, 1, 1, "", "" },
	{ "3 V4294967295 N4294967295\n", true, 3, 4294967295, 4294967295, "", "" },
	{ "3 V1 N1 G" GUID " Xy Zz\n", true, 3, 1, 1, GUID, "Xy Zz" },
	{ "3 V1 N1 Gshort\n", true, 3, 1, 1, "", "" },
	{ "1 7 9\n", true, 1, 7, 9, "", "" },
	{ "", false, 0, 0, 0, "", "" }, { "\n", false, 0, 0, 0, "", "" },
	{ "3 V1 N1", false, 0, 0, 0, "", "" }, { "3 V1\n", false, 0, 0, 0, "", "" },
	{ "3 N1\n", false, 0, 0, 0, "", "" }, { "3 V0 N1\n", false, 0, 0, 0, "", "" },
	{ "3 V1 N0\n", false, 0, 0, 0, "", "" }, { "3 V4294967296 N1\n", false, 0, 0, 0, "", "" },
	{ "3 V-1 N1\n", false, 0, 0, 0, "", "" }, { "2 V1 N1\n", false, 0, 0, 0, "", "" },
	{ "1 7\n", false, 0, 0, 0, "", "" }, { "1 0 7\n", false, 0, 0, 0, "", "" },
};

static void test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct str all = exact(headers[i].text), in = all;
		struct uidlist_header h = { 0 };

		if (uidlist_header_parse(&in, &h) != headers[i].ok)
			fail_msg("%s", headers[i].text);
		if (headers[i].ok) {
			assert_int_equal(h.version, headers[i].version);
			assert_int_equal(h.validity, headers[i].validity);
			assert_int_equal(h.next, headers[i].next);
			assert_true(str_eq(h.guid, str_from_z(headers[i].guid)));
			assert_true(str_eq(h.rest, str_from_z(headers[i].rest)));
			assert_int_equal(in.n, 0);
		} else {
			assert_true(in.p == all.p && in.n == all.n);
		}
		exact_end(all);
	}
}

static const struct {
	unsigned version;
	const char *text;
	bool bad;
	uint32_t uid;
	const char *ext, *name;
} lines[] = {
	{ 3, "1 :1.a\n", false, 1, "", "1.a" },
	{ 3, "7 W1948 S1900 :1.a,S=3,W=4\n", false, 7, "W1948 S1900 ", "1.a,S=3,W=4" },
	{ 3, "7 Zodd :a\n", false, 7, "Zodd ", "a" },
	{ 3, "4294967295 :a b:2,S\n", false, 4294967295, "", "a b" },
	{ 1, "5 1.a:2,RS\n", false, 5, "", "1.a" },
	{ 3, "5 1.a\n", true, 0, "", "" }, { 3, "5\n", true, 0, "", "" }, { 3, "\n", true, 0, "", "" },
	{ 3, "0 :a\n", true, 0, "", "" }, { 3, "4294967296 :a\n", true, 0, "", "" },
	{ 3, "x :a\n", true, 0, "", "" }, { 3, "5 :\n", true, 0, "", "" },
	{ 3, "5 :../a\n", true, 0, "", "" }, { 3, "5 :.a\n", true, 0, "", "" },
	{ 3, "5 :cut of", true, 0, "", "" }, { 1, "5 a", true, 0, "", "" },
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct str all = exact(lines[i].text), in = all;
		struct uidlist_header h = { .version = lines[i].version };
		struct uidlist_line l;
		bool bad;

		assert_true(uidlist_line_parse(&in, &h, &l, &bad));
		if (bad != lines[i].bad || l.uid != lines[i].uid)
			fail_msg("%s", lines[i].text);
		assert_true(str_eq(l.ext, str_from_z(lines[i].ext)));
		assert_true(str_eq(l.name, str_from_z(lines[i].name)));
		assert_false(uidlist_line_parse(&in, &h, &l, &bad));
		exact_end(all);
	}
}

/* Limits: a name of 255 octets, fields of 1,024, a line of 4,096. */
static void test_limits(void **state)
{
	static const struct {
		size_t ext, name;
		bool bad;
	} rows[] = { { 0, 255, false }, { 0, 256, true }, { 1023, 9, false }, { 1024, 9, true }, { 0, 4200, true } };
	static char text[6000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct uidlist_header h = { .version = 3 };
		struct uidlist_line l;
		struct str in = { text, 0 };
		bool bad;

		in.n = (size_t)snprintf(text, sizeof(text), "9 ");
		memset(text + in.n, 'W', rows[i].ext);
		in.n += rows[i].ext;
		in.n += (size_t)snprintf(text + in.n, 9, rows[i].ext ? " :" : ":");
		memset(text + in.n, 'n', rows[i].name);
		in.n += rows[i].name;
		text[in.n++] = '\n';
		assert_true(uidlist_line_parse(&in, &h, &l, &bad));
		assert_int_equal(bad, rows[i].bad);
	}
}

static const struct {
	const char *text;
	bool bad;
	unsigned index;
	const char *name;
} keywords[] = {
	{ "0 $Forwarded\n", false, 0, "$Forwarded" }, { "25 a", false, 25, "a" },
	{ "26 a\n", true, 0, "" }, { "-1 a\n", true, 0, "" }, { "a\n", true, 0, "" }, { "3\n", true, 0, "" },
	{ "3 a b\n", true, 0, "" }, { "3 a\tb\n", true, 0, "" }, { "99999999999999999999 a\n", true, 0, "" },
};

static void test_keywords(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
		struct str all = exact(keywords[i].text), in = all, name;
		unsigned index;
		bool bad;

		assert_true(keywords_line_parse(&in, &index, &name, &bad));
		if (bad != keywords[i].bad)
			fail_msg("%s", keywords[i].text);
		assert_int_equal(index, keywords[i].index);
		assert_true(str_eq(name, str_from_z(keywords[i].name)));
		exact_end(all);
	}
	assert_true(keyword_is_valid(S("$Junk")));
	assert_false(keyword_is_valid(S("\\Seen")));
	assert_false(keyword_is_valid(S("a b")));
	assert_false(keyword_is_valid(S("a]")));
	assert_false(keyword_is_valid(S("")));
}

static const struct {
	const char *text, *names;
} subscriptions[] = {
	{ "V\t2\n\nINBOX\nArchive\t2024\n&BB8-\n", "INBOX|Archive.2024|&BB8-|" },
	{ "INBOX\nArchive.2024\n", "INBOX|Archive.2024|" },
	{ "V\t2\n\na.b\nc\n", "c|" },
	{ "\n\nx", "x|" }, { "", "" }, { "V\t2", "" },
};

static void test_subscriptions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(subscriptions); i++) {
		struct str all = exact(subscriptions[i].text), in = all;
		struct buf name = buf_on_heap(300), got = buf_on_heap(300);
		unsigned version = 0;

		while (subscription_parse(&in, &version, &name))
			buf_addf(&got, STR_FMT "|", STR_ARG(buf_str(&name)));
		if (!str_eq(buf_str(&got), str_from_z(subscriptions[i].names)))
			fail_msg("%s: " STR_FMT, subscriptions[i].text, STR_ARG(buf_str(&got)));
		buf_end(&name);
		buf_end(&got);
		exact_end(all);
	}
}

/* ---- names ---- */

static const struct {
	const char *name, *stem;
	uint8_t flags;
	uint32_t keywords;
	bool info, odd;
	int64_t size, vsize;             /* -1: not said */
} names[] = {
	{ "1.a.h,S=3,W=4:2,FSab", "1.a.h,S=3,W=4", LETTER_FLAGGED | LETTER_SEEN, 3, true, false, 3, 4 },
	{ "1.a.h", "1.a.h", 0, 0, false, false, -1, -1 },
	{ "1.a.h:2,", "1.a.h", 0, 0, true, false, -1, -1 },
	{ "1.a.h:2,DFPRST", "1.a.h", LETTER_SYSTEM, 0, true, false, -1, -1 },
	{ "1.a.h:2,SF", "1.a.h", LETTER_FLAGGED | LETTER_SEEN, 0, true, true, -1, -1 },
	{ "1.a.h:2,SX", "1.a.h", LETTER_SEEN, 0, true, true, -1, -1 },
	{ "1.a.h:1,S", "1.a.h", 0, 0, false, true, -1, -1 },
	{ "1.a.h,S=:2,S", "1.a.h,S=", LETTER_SEEN, 0, true, false, -1, -1 },
	{ "1.a.h,S=4294967296", "1.a.h,S=4294967296", 0, 0, false, false, -1, -1 },
	{ "1.a.h,W=7", "1.a.h,W=7", 0, 0, false, false, -1, 7 },
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str all = exact(names[i].name);
		struct file_name f = file_name_parse(all);

		if (!str_eq(f.stem, str_from_z(names[i].stem)) || f.flags != names[i].flags ||
		    f.keywords != names[i].keywords || f.has_info != names[i].info || f.is_odd != names[i].odd ||
		    f.has_size != (names[i].size >= 0) || f.has_vsize != (names[i].vsize >= 0))
			fail_msg("%s", names[i].name);
		exact_end(all);
	}
}

static const struct {
	const char *stem, *letter, *copy;
} copies[] = {
	{ "1.a.h,S=3", "1.a.h", "1.a.h-c9,S=3" }, { "1.a.h-c12,S=3", "1.a.h", "1.a.h-c9,S=3" },
	{ "1.a.h", "1.a.h", "1.a.h-c9" }, { "1.a.h-c", "1.a.h-c", "1.a.h-c-c9" },
	{ "-c1", "-c1", "-c1-c9" }, { "1.a.host-7", "1.a.host-7", "1.a.host-7-c9" },
};

static void test_copies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
		struct str all = exact(copies[i].stem);
		struct buf to = buf_over((char[100]){ 0 }, 100);

		assert_true(str_eq(stem_letter(all), str_from_z(copies[i].letter)));
		assert_true(stem_copy(all, 9, &to));
		assert_true(str_eq(buf_str(&to), str_from_z(copies[i].copy)));
		assert_true(str_eq(stem_letter(buf_str(&to)), str_from_z(copies[i].letter)));
		exact_end(all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers), cmocka_unit_test(test_lines), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_keywords), cmocka_unit_test(test_subscriptions),
		cmocka_unit_test(test_names), cmocka_unit_test(test_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
