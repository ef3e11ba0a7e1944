/* dkim_entry_test.c — lines about keys: there and back, and what was torn. */
#include "trust/dkim_entry.h"

#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define WHEN INT64_C(1795000000000001)

static const struct dkim_entry rows[] = {
	{ 1, WHEN, DKIM_EVENT_MADE, S("example.org"), S("20261121r"), S("control"), S("a first + pair = it"), S("\x30\x03\0\1\2") },
	{ 2, WHEN, DKIM_EVENT_USED, S("example.org"), S("20261121r"), S(""), S(""), S("") },
	{ 3, 0, DKIM_EVENT_TAKEN, S("xn--bcher-kva.example"), S("mail.2019"), S("J\xc3\xb6rg"), S("="), S("") },
	{ UINT64_MAX, INT64_MAX, DKIM_EVENT_SEEN, S("a.b"), S("s_1"), S("x"), S("y"), S("") },
	{ 5, WHEN, DKIM_EVENT_RETIRED, S("a.b"), S("s"), S("root"), S("rotated"), S("") },
	{ 6, WHEN, DKIM_EVENT_GONE, S("a.b"), S("s"), S("root"), S("gone"), S("") },
};

static void test_there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf b = buf_on_heap(DKIM_ENTRY_MAX);
		const struct dkim_entry *x = &rows[i];
		struct dkim_entry y;
		struct err e = { 0 };

		assert_true(dkim_entry_print(x, &b, &e));
		assert_int_equal(str_find(buf_str(&b), '\n'), b.n - 1);
		assert_true(dkim_entry_parse(str_head(buf_str(&b), b.n - 1), &a, &y, &e));
		assert_true(x->id == y.id && x->time == y.time && x->event == y.event);
		assert_true(str_eq(x->domain, y.domain) && str_eq(x->selector, y.selector) && str_eq(x->by, y.by));
		assert_true(str_eq(x->reason, y.reason) && str_eq(x->key, y.key));
	}
}

/* Each shorter one, and each with one bit turned. */
static void test_torn(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf b = buf_on_heap(DKIM_ENTRY_MAX);
	struct dkim_entry y;
	struct err e = { 0 };

	(void)state;
	assert_true(dkim_entry_print(&rows[0], &b, &e));
	for (size_t n = 0; n < b.n - 1; n++) {
		char *exact = malloc(n ? n : 1);

		memcpy(exact, b.p, n);
		assert_false(dkim_entry_parse(str_of(exact, n), &a, &y, &e));
		free(exact);
	}
	for (size_t i = 0; i < (b.n - 1) * 8; i++) {
		b.p[i / 8] ^= (char)(1 << i % 8);
		assert_false(dkim_entry_parse(str_head(buf_str(&b), b.n - 1), &a, &y, &e));
		b.p[i / 8] ^= (char)(1 << i % 8);
	}
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"0 1 used a.b s = = =", "1 -1 used a.b s = = =", "1 1 burnt a.b s = = =", "1 1 used A.b s = = =",
		"1 1 used a.b S = = =", "1 1 used a..b s = = =", "1 1 used ../b s = = =", "1 1 used a.b s/t = = =",
		"1 1 used a.b s  = =", "1 1 used a.b s +00 = =", "1 1 used a.b s = = AAAA", "1 1 made a.b s = = =",
		"1 1 made a.b s = = A", "1 1 used a.b s = =", "1 1 used a.b s = = = =", "1 99999999999999999999 used a.b s = = =",
	};
	static const struct dkim_entry unwritten[] = {
		{ 1, 1, DKIM_EVENT_USED, S("a.b"), S("s"), S("x\ny"), S(""), S("") },
		{ 1, 1, DKIM_EVENT_USED, S("a.b"), S("s"), S(""), S("\xff"), S("") },
		{ 1, 1, DKIM_EVENT_USED, S("a b"), S("s"), S(""), S(""), S("") },
		{ 1, 1, DKIM_EVENT_USED, S("a.b"), S("s"), S(""), S(""), S("k") },
		{ 1, 1, DKIM_EVENT_MADE, S("a.b"), S("s"), S(""), S(""), S("") },
	};
	struct dkim_entry y;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf b = buf_on_heap(DKIM_ENTRY_MAX);

		buf_addf(&b, "%s ", lines[i]);
		buf_addf(&b, "%08x", crc32c(0, buf_str(&b)));
		assert_false(dkim_entry_parse(buf_str(&b), &a, &y, &e));
	}
	for (size_t i = 0; i < ARRAY_LEN(unwritten); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(DKIM_ENTRY_MAX);

		assert_false(dkim_entry_print(&unwritten[i], &b, &e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("dkim_entry", tests, NULL, NULL);
}
