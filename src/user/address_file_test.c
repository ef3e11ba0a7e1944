/* address_file_test.c — Exim's lsearch files.  What a key gives was compared with
 * exim 4.96 -be '${lookup{KEY}lsearch{FILE}}', and domains with partial-lsearch. */
#include "base/buf.h"
#include "base/time.h"
#include "user/address_file.h"
#include "user/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char users_text[] =
	"# comment\n"
	"key1: v1 , v2\n"
	"  cont\n"
	"Key2@Example.ORG:   target\n"
	"\"quoted key\": val\n"
	"*@x.org : catch\n"
	"*: star\n"
	"key3 v3\n"
	"key4\n"
	"key1: second\n"
	"a@b:nospace\n"
	"key6: x\n"
	"# in the middle\n"
	"   ,y\n"
	"\n"
	"   ,z\n"
	"\"esc\\\"k\": v\n"
	"\"key7:x\": seven\n"
	"key8   :   spaced   \r\n"
	"bad@exa mple: x\n"
	"worse@exa%mple: x\n"
	"  continued: of a line that cannot be read\n"
	": no key\n"
	"open: \"never closed\n"
	"after: works\n"
	"b\xc3\xbc" "cher@B\xc3\xbc" "cher.example: alice";

/* The row's value is NULL where the key must not be found. */
static const struct {
	const char *key;
	const char *value;
	unsigned line;
	bool broken;
} lines[] = {
	{ "key1", "v1 , v2\ncont", 2, true },
	{ "key2@example.org", "target", 4, false },
	{ "quoted key", "val", 5, false },
	{ "*@x.org", "catch", 6, false },
	{ "*", "star", 7, false },
	{ "key3", "v3", 8, false },
	{ "key4", "", 9, false },
	{ "a@b", "nospace", 11, false },
	{ "key6", "x\n,y\n,z", 12, false },
	{ "esc\"k", "v", 17, false },
	{ "key7:x", "seven", 18, false },
	{ "key8", "spaced", 19, false },
	{ "bad@exa", "mple: x", 20, true },
	{ "worse@exa%mple", NULL, 0, false },
	{ "continued", NULL, 0, false },
	{ "open", "\"never closed", 24, true },
	{ "after", "works", 25, false },
	{ "b\xc3\xbc" "cher@xn--bcher-kva.example", "alice", 26, false },
};

static const unsigned faulty[] = { 2, 9, 10, 20, 21, 23, 24 };

static bool has_fault(const struct address_file *f, unsigned line)
{
	for (size_t i = 0; i < f->n_faults; i++)
		if (f->faults[i].line == line)
			return true;
	return false;
}

static void test_lsearch(void **state)
{
	struct err e = { 0 };
	AUTO(address_file_end) struct address_file *f =
		address_file_parse(ADDRESS_FILE_USERS, S("users"), str_from_z(users_text), &e);

	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const struct address_line *l = address_file_find(f, str_from_z(lines[i].key));

		if (!l != !lines[i].value)
			fail_msg("%s", lines[i].key);
		if (!l)
			continue;
		if (!str_eq(l->value, str_from_z(lines[i].value)) || l->line != lines[i].line ||
		    !l->broken != !lines[i].broken)
			fail_msg("%s: \"" STR_FMT "\" line %u %s", lines[i].key, STR_ARG(l->value), l->line,
				 l->broken ? l->broken : "");
	}
	for (size_t i = 0; i < ARRAY_LEN(faulty); i++)
		if (!has_fault(f, faulty[i]))
			fail_msg("no fault in line %u", faulty[i]);
	assert_int_equal(f->n_faults, ARRAY_LEN(faulty));
}

static void test_domains(void **state)
{
	static const struct {
		const char *domain;
		bool ours;
	} rows[] = {
		{ "example.com", true },         { "a.example.com", false },
		{ "example.net", true },         { "a.example.net", true },
		{ "b.a.example.net", true },     { "xexample.net", false },
		{ "key.org", true },             { "net", false },
		{ "org", false },                { "a.org", false },
		{ "xn--bcher-kva.example", true }, { "commented.example", true },
		{ "not", false },                { "any.thing", false },
	};
	struct err e = { 0 };
	AUTO(address_file_end) struct address_file *f = address_file_parse(ADDRESS_FILE_DOMAINS, S("d"),
		S("*.Example.NET\nexample.com\n# not\nkey.org: v\n*.org\n*\n\nB\xc3\xbc" "cher.example\n"
		  "commented.example # because\n"), &e);

	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!address_file_find_domain(f, str_from_z(rows[i].domain)) == rows[i].ours)
			fail_msg("%s", rows[i].domain);
	assert_int_equal(f->n_faults, 2);
	assert_true(has_fault(f, 5) && has_fault(f, 6));
}

/* What `exim -bt` made of the same right sides; NULL: it says the list is malformed. */
static void test_targets(void **state)
{
	static const struct {
		const char *list;
		const char *targets;     /* joined by "; " */
	} rows[] = {
		{ "a@x.org, b@x.org,,  c@x.org", "a@x.org; b@x.org; c@x.org" },
		{ "\"quoted local\"@x.org", "quoted local@x.org" },
		{ "Name Here <d@x.org>, (comment) e@x.org (c2)", "d@x.org; e@x.org" },
		{ "\"Name, with comma\" <f@x.org>", "f@x.org" },
		{ "|/bin/cat x y, \"|/bin/cat a, b\"", "|/bin/cat x y; |/bin/cat a, b" },
		{ "/var/mail/x, /dir/, \"/with space\"", "/var/mail/x; /dir/; /with space" },
		{ ":fail: No such user, really", ":fail: No such user, really" },
		{ ":defer: later", ":defer: later" },
		{ ":blackhole:", ":blackhole:" },
		{ ":blackhole: text", ":blackhole:" },
		{ "g@x.org, :fail: oops", "g@x.org; :fail: oops" },
		{ ":include:/etc/list, a@x.org", ":include:/etc/list; a@x.org" },
		{ "\":include:/a,b\"", ":include:/a,b" },
		{ "a@x.org,\n# a comment, with comma\nb@x.org", "a@x.org; b@x.org" },
		{ "<a@x.org>", "a@x.org" },
		{ "real-a", "real-a" },
		{ "\\bare, \"\\\\bare2\"", "bare; bare2" },
		{ "\"a@x.org\", b", "a@x.org; b" },
		{ "a@B\xc3\xbc" "cher.example", "a@xn--bcher-kva.example" },
		{ "v@[192.0.2.1]", "v@[192.0.2.1]" },
		{ "a@x.org # taken as a comment, where Exim gives up", "a@x.org" },
		{ "", "" }, { " , ,", "" }, { "# only", "" }, { ":fail:", ":fail: " },
		{ "a@x.org b@x.org", NULL }, { "a@x.org;b@x.org", NULL }, { "\"unterminated", NULL },
		{ "b@@y", NULL }, { ":unknown: x", NULL }, { "@x.org", NULL }, { "a@", NULL },
		{ "a@x..org", NULL }, { "a (open", NULL }, { "<a@x.org", NULL }, { "a@x.org>", NULL },
		{ "|", NULL }, { ":include:", NULL }, { "group: a@x.org;", NULL }, { "\"a\"b@x.org", NULL },
		{ "a@x.\xef\xbd\x8frg\xe3\x80\x82net", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct str in = arena_str(&a, str_from_z(rows[i].list));
		char mem[400];
		struct buf b = buf_over(mem, sizeof(mem));
		struct target t;
		struct err e = { 0 };
		bool any = true, ok;

		while ((ok = target_next(&in, &a, &t, &any, &e)) && any) {
			buf_add(&b, b.n ? S("; ") : S(""));
			buf_add(&b, target_print(&t, &a));
		}
		if (ok != (rows[i].targets != NULL) ||
		    (ok && !str_eq(buf_str(&b), str_from_z(rows[i].targets))))
			fail_msg("%s: " STR_FMT " %s", rows[i].list, STR_ARG(buf_str(&b)), e.text);
	}
}

static void test_many_lines(void **state)
{
	enum { LINES = 100000 };
	struct buf b = buf_on_heap(16 << 20);
	struct address_file *f;
	struct err e = { 0 };
	int64_t start;

	(void)state;
	for (int i = 0; i < LINES; i++)
		buf_addf(&b, "user%d@example.org: mailbox%d@localhost, copy%d@example.net\n", i, i, i);
	start = time_mono();
	f = address_file_parse(ADDRESS_FILE_USERS, S("big"), buf_str(&b), &e);
	print_message("# %d lines in %lld ms\n", LINES, (long long)((time_mono() - start) / MILLISECOND));
	assert_non_null(f);
	assert_int_equal(f->n_lines, LINES);
	assert_int_equal(f->n_faults_all, 0);
	assert_int_equal(address_file_find(f, S("user99999@example.org"))->line, LINES);
	assert_true(time_mono() - start < 10 * SECOND);
	address_file_close(f);
	buf_end(&b);
}

/* Faults are counted past those that are kept; a key, a line and a NUL past the limits are faults. */
static void test_limits(void **state)
{
	struct buf b = buf_on_heap(4 << 20);
	struct address_file *f;
	struct err e = { 0 };

	(void)state;
	buf_add(&b, S("  continues: nothing\n"));
	for (int i = 0; i < 2 * LINE_FAULTS_MAX; i++)
		buf_add(&b, S(":\n"));
	for (int i = 0; i <= ADDRESS_KEY_MAX; i++)
		buf_add_char(&b, 'k');
	buf_add(&b, S(": x\nnul\0: x\nlong: "));
	for (int i = 0; i <= ADDRESS_VALUE_MAX; i++)
		buf_add_char(&b, 'v');
	buf_add(&b, S("\ngood: x\n"));
	f = address_file_parse(ADDRESS_FILE_USERS, S("f"), buf_str(&b), &e);
	assert_non_null(f);
	assert_int_equal(f->n_faults, LINE_FAULTS_MAX);
	assert_int_equal(f->n_faults_all, 2 * LINE_FAULTS_MAX + 4);
	assert_int_equal(f->lines.n, 1);
	assert_non_null(address_file_find(f, S("good")));
	address_file_close(f);
	buf_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lsearch), cmocka_unit_test(test_domains), cmocka_unit_test(test_targets),
		cmocka_unit_test(test_many_lines), cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
