/* imap_sort_test.c — SORT and THREAD of made letters, by the words of RFC 5256. */
#include "wire/imap_sort.h"

#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 12, REFS_MOST = 8 };

/* id and references are letters of the alphabet; 0: none. */
struct made {
	char id;
	const char *refs;
	const char *subject;     /* base subject, upper case */
	bool is_reply;
	int sent;                /* 0: the letter's place */
};

struct thread_row {
	const char *why;
	struct made letters[MOST];
	const char *expected;
};

static const struct thread_row thread_rows[] = {
	{ "empty folder", { { 0 } }, "" },
	{ "a chain", { { 'a', "", "X", 0, 0 }, { 'b', "a", "X", 1, 0 }, { 'c', "ab", "X", 1, 0 } }, "(1 2 3)" },
	{ "two answers", { { 'a', "", "X", 0, 0 }, { 'b', "a", "X", 1, 0 }, { 'c', "a", "X", 1, 0 } }, "(1 (2)(3))" },
	{ "§3: 3 6 (4 23)(44 7 96), with other numbers",
	  { { 'a', "", "X", 0, 0 }, { 'b', "", "Y", 0, 0 }, { 'c', "b", "Y", 1, 0 }, { 'd', "bc", "Y", 1, 0 },
	    { 'e', "bcd", "Y", 1, 0 }, { 'f', "bc", "Y", 1, 0 }, { 'g', "bcf", "Y", 1, 0 } },
	  "(1)(2 3 (4 5)(6 7))" },
	{ "the parent is not here: two children stay below nothing",
	  { { 'b', "a", "X", 1, 0 }, { 'c', "a", "X", 1, 0 } }, "((1)(2))" },
	{ "the parent is not here: one child is promoted", { { 'b', "a", "X", 1, 0 } }, "(1)" },
	{ "missing ones in the middle are left out",
	  { { 'a', "", "X", 0, 0 }, { 'd', "abc", "X", 1, 0 }, { 'e', "abcd", "X", 1, 0 } }, "(1 2 3)" },
	{ "missing below missing: children of the topmost",
	  { { 'c', "ab", "X", 1, 0 }, { 'd', "ab", "X", 1, 0 }, { 'e', "az", "X", 1, 0 } }, "((1)(2)(3))" },
	{ "a loop is not made", { { 'a', "b", "X", 0, 0 }, { 'b', "a", "Y", 0, 0 } }, "(2 1)" },
	{ "a letter that refers to itself", { { 'a', "a", "X", 0, 0 } }, "(1)" },
	{ "a later letter's own last reference wins over what others said of it",
	  { { 'c', "xb", "X", 1, 0 }, { 'b', "a", "X", 1, 0 }, { 'a', "", "X", 0, 0 } }, "(3 2 1)" },
	{ "a letter without references is taken from the parent others named",
	  { { 'c', "ab", "P", 0, 0 }, { 'b', "", "Q", 0, 0 }, { 'a', "", "R", 0, 0 } }, "(2 1)(3)" },
	{ "an id twice: the first has it",
	  { { 'a', "", "X", 0, 0 }, { 'a', "", "Y", 0, 0 }, { 'b', "a", "Z", 0, 0 } }, "(1 3)(2)" },
	{ "no ids at all", { { 0, "", "X", 0, 0 }, { 0, "", "Y", 0, 0 } }, "(1)(2)" },
	{ "step 5: a reply without references goes below its subject",
	  { { 'a', "", "X", 0, 0 }, { 'b', "", "X", 1, 0 } }, "(1 2)" },
	{ "step 5: also if the reply came first",
	  { { 'a', "", "X", 1, 0 }, { 'b', "", "X", 0, 0 } }, "(2 1)" },
	{ "step 5: two that are no replies get a common parent",
	  { { 'a', "", "X", 0, 0 }, { 'b', "", "X", 0, 0 } }, "((1)(2))" },
	{ "step 5: and a third joins them",
	  { { 'a', "", "X", 0, 0 }, { 'b', "", "X", 0, 0 }, { 'c', "", "X", 1, 0 } }, "((1)(2)(3))" },
	{ "step 5: two missing parents become one",
	  { { 'b', "a", "X", 1, 0 }, { 'c', "a", "X", 1, 0 }, { 'y', "x", "X", 1, 0 }, { 'z', "x", "X", 1, 0 } },
	  "((1)(2)(3)(4))" },
	{ "step 5: a missing parent takes a letter of its subject",
	  { { 'q', "", "X", 0, 0 }, { 'b', "a", "X", 1, 0 }, { 'c', "a", "X", 1, 0 } }, "((1)(2)(3))" },
	{ "step 5: without a subject nothing is merged", { { 'a', "", "", 0, 0 }, { 'b', "", "", 1, 0 } }, "(1)(2)" },
	{ "siblings and threads in order of date",
	  { { 'z', "", "Z", 0, 90 }, { 'a', "", "X", 0, 50 }, { 'b', "a", "X", 1, 70 }, { 'c', "a", "X", 1, 60 } },
	  "(2 (4)(3))(1)" },
	{ "a missing parent has the date of its first child",
	  { { 'b', "a", "X", 1, 80 }, { 'c', "a", "X", 1, 10 }, { 'd', "", "D", 0, 20 } }, "((2)(1))(3)" },
};

static const struct thread_row subject_rows[] = {
	{ "first is the parent, no grandchildren",
	  { { 0, "", "X", 0, 10 }, { 0, "", "Y", 0, 20 }, { 0, "", "X", 1, 30 }, { 0, "", "X", 1, 25 } }, "(1 (4)(3))(2)" },
	{ "threads in order of their first letter",
	  { { 0, "", "A", 0, 30 }, { 0, "", "B", 0, 20 }, { 0, "", "A", 0, 10 } }, "(3 1)(2)" },
	{ "equal dates: by number", { { 0, "", "B", 0, 5 }, { 0, "", "A", 0, 5 } }, "(1)(2)" },
};

/* draft-ietf-morg-inthread §4 */
static const struct refs_row {
	struct thread_row row;
	int arrivals[MOST];
} refs_rows[] = {
	{ { "empty folder", { { 0 } }, "" }, { 0 } },
	{ { "subjects do not count", { { 'a', "", "X", 0, 0 }, { 'b', "", "X", 1, 0 } }, "(1)(2)" }, { 1, 2 } },
	{ { "references do", { { 'a', "", "X", 0, 0 }, { 'b', "a", "Y", 0, 0 } }, "(1 2)" }, { 1, 2 } },
	{ { "the thread in which the last letter came stands last",
	    { { 'a', "", "X", 0, 0 }, { 'b', "", "Y", 0, 0 }, { 'c', "a", "X", 1, 0 } }, "(2)(1 3)" }, { 1, 2, 3 } },
	{ { "also below a missing parent, and deep",
	    { { 'b', "a", "X", 1, 0 }, { 'c', "a", "X", 1, 0 }, { 'd', "", "D", 0, 0 }, { 'e', "ab", "X", 1, 0 },
	      { 'f', "", "F", 0, 0 } }, "(3)(5)((1 4)(2))" }, { 1, 2, 3, 9, 8 } },
	{ { "within a thread by the date it was sent",
	    { { 'a', "", "X", 0, 50 }, { 'b', "a", "X", 1, 70 }, { 'c', "a", "X", 1, 60 } }, "(1 (3)(2))" }, { 9, 1, 2 } },
	{ { "arrived at once: by the date of the first", { { 'a', "", "X", 0, 5 }, { 'b', "", "Y", 0, 4 } }, "(2)(1)" },
	  { 7, 7 } },
};

struct world {
	struct sort_letter letters[MOST];
	const struct sort_letter *list[MOST];
	uint64_t refs[MOST][REFS_MOST];
	uint32_t numbers[MOST];
	size_t n;
};

static void world_make(struct world *w, const struct made *made)
{
	*w = (struct world){ 0 };
	for (size_t i = 0; i < MOST && made[i].subject; i++) {
		struct sort_letter *l = &w->letters[i];

		l->sent = made[i].sent ? made[i].sent : (int)i + 1;
		l->id = (uint64_t)made[i].id;
		l->is_reply = made[i].is_reply;
		l->texts[SORT_TEXT_SUBJECT] = str_from_z(made[i].subject);
		for (; made[i].refs[l->n_references]; l->n_references++)
			w->refs[i][l->n_references] = (uint64_t)made[i].refs[l->n_references];
		l->references = w->refs[i];
		w->list[i] = l;
		w->numbers[i] = (uint32_t)i + 1;
		w->n++;
	}
}

static void check_row(const struct thread_row *row, const int *arrivals, enum thread_by by)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf b = buf_on_heap(1000);
	struct thread_forest t;
	struct world w;

	world_make(&w, row->letters);
	for (size_t i = 0; arrivals && i < w.n; i++)
		w.letters[i].arrival = arrivals[i];
	assert_true(imap_thread(by, w.list, w.n, &a, &t));
	imap_thread_add(&b, &t, w.numbers);
	if (!str_eq(buf_str(&b), str_from_z(row->expected)))
		fail_msg("%s: " STR_FMT " instead of %s", row->why, STR_ARG(buf_str(&b)), row->expected);
}

static void check_rows(const struct thread_row *rows, size_t n, enum thread_by by)
{
	for (size_t i = 0; i < n; i++)
		check_row(&rows[i], NULL, by);
}

static void test_references(void **state)
{
	(void)state;
	check_rows(thread_rows, ARRAY_LEN(thread_rows), THREAD_REFERENCES);
}

static void test_refs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refs_rows); i++)
		check_row(&refs_rows[i].row, refs_rows[i].arrivals, THREAD_REFS);
}

static void test_orderedsubject(void **state)
{
	(void)state;
	check_rows(subject_rows, ARRAY_LEN(subject_rows), THREAD_ORDEREDSUBJECT);
}

static void test_sort(void **state)
{
	static const struct sort_letter letters[] = {
		{ .arrival = 5, .sent = -7, .size = 100, .texts = { S("ABCDEFGHZ"), S("B"), S(""), S(""), S("ZOE"), S("X@Y") } },
		{ .arrival = 3, .sent = 9, .size = 100, .texts = { S("ABCDEFGHA"), S("A"), S("X"), S(""), S("ANN"), S("X@Y") } },
		{ .arrival = 3, .sent = 1, .size = 20, .texts = { S(""), S("B"), S("X"), S(""), S(""), S("DON") } },
	};
	static const struct sort_letter *const list[] = { &letters[0], &letters[1], &letters[2] };
	static const struct { struct sort_key keys[2]; size_t n; const char *expected; } rows[] = {
		{ { { SORT_ARRIVAL, false } }, 1, "231" },
		{ { { SORT_ARRIVAL, true } }, 1, "123" },        /* equal ones stay in order: §3 */
		{ { { SORT_DATE, false } }, 1, "132" },
		{ { { SORT_SIZE, false } }, 1, "312" },
		{ { { SORT_SUBJECT, false } }, 1, "321" },
		{ { { SORT_SUBJECT, true } }, 1, "123" },
		{ { { SORT_FROM, false }, { SORT_DATE, true } }, 2, "231" },
		{ { { SORT_SIZE, true }, { SORT_SUBJECT, false } }, 2, "213" },
		{ { { SORT_TO, false } }, 1, "123" },
		{ { { SORT_CC, false } }, 1, "123" },
		{ { { SORT_DISPLAYFROM, false } }, 1, "321" },
		{ { { SORT_DISPLAYTO, false }, { SORT_DISPLAYFROM, false } }, 2, "321" },
		{ { { SORT_DISPLAYTO, true }, { SORT_FROM, false } }, 2, "213" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		uint32_t places[3];
		char got[4];

		assert_true(imap_sort(list, 3, rows[i].keys, rows[i].n, &a, places));
		snprintf(got, sizeof(got), "%u%u%u", places[0] + 1, places[1] + 1, places[2] + 1);
		if (strcmp(got, rows[i].expected) != 0)
			fail_msg("row %zu: %s", i, got);
	}
}

/* A thread as deep as the folder is long, and a star; nothing recurses, nothing is quadratic. */
static void test_large(void **state)
{
	enum { N = 100000 };
	AUTO(arena_end) struct arena a = { .limit = 256 << 20 };
	AUTO(buf_end) struct buf b = buf_on_heap(64 << 20);
	struct sort_letter *letters = ARENA_ARRAY(&a, struct sort_letter, N);
	const struct sort_letter **list = ARENA_ARRAY(&a, const struct sort_letter *, N);
	uint64_t *refs = ARENA_ARRAY(&a, uint64_t, N);
	uint32_t *numbers = ARENA_ARRAY(&a, uint32_t, N);
	struct thread_forest t;
	int64_t began = time_mono();

	(void)state;
	for (size_t i = 0; i < N; i++) {
		refs[i] = i < N / 2 ? i : N / 2;         /* each the one before; then all the same */
		letters[i] = (struct sort_letter){ .id = i + 1, .sent = N - (int64_t)i, .references = &refs[i],
						   .n_references = 1, .texts = { S("X") } };
		list[i] = &letters[i];
		numbers[i] = (uint32_t)i + 1;
	}
	assert_true(imap_thread(THREAD_REFERENCES, list, N, &a, &t));
	imap_thread_add(&b, &t, numbers);
	assert_false(b.full);
	assert_int_equal(b.p[b.n - 1], ')');
	assert_true(imap_thread(THREAD_REFS, list, N, &a, &t));
	print_message("# 100,000 letters in one thread: %lld ms\n", (long long)(time_mono() - began) / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_orderedsubject),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
