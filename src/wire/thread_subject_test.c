/* thread_subject_test.c — base subjects and message ids. */
#include "wire/thread_subject.h"

#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct { struct str in, base; bool is_reply; } rows[] = {
	{ S("hello"), S("hello"), false },
	{ S("Re: hello"), S("hello"), true },
	{ S("RE : [x] re[2]: Fwd: FW: hello"), S("hello"), true },
	{ S("Re: hello (fwd) (FWD) "), S("hello"), true },
	{ S("[list] hello"), S("hello"), false },
	{ S("[list] Re: [a] [b] hello"), S("hello"), true },
	{ S("Re: [list] hello"), S("hello"), true },
	{ S("[Fwd: hello]"), S("hello"), true },
	{ S("[fwd: Re: [fwd: a]]"), S("a"), true },
	{ S("[Fwd: hello] b"), S("b"), false },
	{ S("  a   b  "), S("a b"), false },
	{ S("Re:"), S(""), true },
	{ S(""), S(""), false },
	/* a blob goes only if something is left */
	{ S("[only]"), S("[only]"), false },
	{ S("[a] [b]"), S("[b]"), false },
	{ S("[a[b] c"), S("[a[b] c"), false },
	{ S("reply: x"), S("reply: x"), false },
	{ S("Re hello"), S("Re hello"), false },
	{ S("Aw: hello"), S("Aw: hello"), false },
	{ S("(fwd)"), S(""), true },
	{ S("[fwd:]"), S(""), true },
	{ S("re[x"), S("re[x"), false },
};

static void test_base(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		bool is_reply;
		struct str got = thread_base_subject(rows[i].in, &a, &is_reply);

		if (!str_eq(got, rows[i].base) || is_reply != rows[i].is_reply)
			fail_msg("row %zu: " STR_FMT " %d", i, STR_ARG(got), is_reply);
	}
}

static void test_long(void **state)
{
	static const struct str parts[] = { S("[a]"), S("re: "), S(" "), S("[fwd:"), S("[") };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
		int64_t begin = time_mono();
		bool is_reply;

		while (!b.full)
			buf_add(&b, parts[k]);
		assert_true(thread_base_subject(buf_str(&b), &a, &is_reply).n <= THREAD_SUBJECT_MAX);
		assert_true(time_mono() - begin < SECOND);
	}
}

static void test_ids(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct str in = S(" <1@a>\r\n\t<2@b>(x)<\"3 4\"@c> text <bad <5@d> <> (<6@e>) \"<7@f>\" <8@g\r\n > <9");
	static const struct str want[] = { S("1@a"), S("2@b"), S("34@c"), S("5@d"), S("8@g"), S(""), S("") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct str got = thread_id_next(&in, &a);

		if (!str_eq(got, want[i]))
			fail_msg("id %zu: " STR_FMT, i, STR_ARG(got));
	}
	assert_true(thread_id_hash(S("a")) != thread_id_hash(S("A")));
	/* kept on disk: it may not change */
	assert_true(thread_id_hash(S("1@a")) == thread_id_hash(S("1@a")) && thread_id_hash(S("")) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
