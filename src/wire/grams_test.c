/* grams_test.c — grams against a search that compares everything with everything. */
#include "wire/grams.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TEXTS = 64, TEXT_MOST = 40, ROUNDS = 400 };

/* xorshift: the same letters in each run. */
static uint32_t next(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	return x ^= x << 5;
}

struct text {
	char p[TEXT_MOST];
	size_t n;
};

static struct str text_str(const struct text *t)
{
	return str_of(t->p, t->n);
}

/* Of few letters, so that they have much in common. */
static struct text made(size_t most)
{
	static const char letters[] = { 'a', 'b', 'c', 0, (char)0xff };
	struct text t = { .n = next() % (most + 1) };

	for (size_t i = 0; i < t.n; i++)
		t.p[i] = letters[next() % sizeof(letters)];
	return t;
}

static bool has(struct str text, struct str part)
{
	for (size_t i = 0; i + part.n <= text.n; i++)
		if (!memcmp(text.p + i, part.p, part.n))
			return true;
	return false;
}

static bool is_noted(const struct grams *g, size_t place, struct str gram)
{
	return g->table[gram_column(gram, g->bits) * (g->n / 8) + place / 8] >> place % 8 & 1;
}

/* Letters come piece by piece; a gram may lie across. */
static void note(struct grams *g, size_t place, struct str text)
{
	g->place = place;
	grams_begin(g);
	for (size_t at = 0; at < text.n;) {
		struct str piece = str_head(str_from(text, at), 1 + next() % 7);

		grams_add(g, piece);
		at += piece.n;
	}
}

/* What is within a text is never denied; what is noted of a text with columns enough is there. */
static void check_text(const struct grams *g, size_t place, struct str text, struct str needle, size_t *wrong)
{
	bool all = true;

	for (size_t i = 0; i < grams_count(needle); i++) {
		struct str gram = gram_at(needle, i);

		assert_true(gram.n == (needle.n < GRAM_MAX ? needle.n : GRAM_MAX));
		*wrong += is_noted(g, place, gram) && !has(text, gram);
		assert_true(!has(text, gram) || is_noted(g, place, gram));
		all &= is_noted(g, place, gram);
	}
	assert_true(all || !has(text, needle));
}

static void run(unsigned bits, size_t *ret_wrong)
{
	struct grams g = { .table = calloc(TEXTS / 8, (size_t)1 << bits), .bits = bits, .n = TEXTS };
	struct text texts[TEXTS];

	assert_non_null(g.table);
	*ret_wrong = 0;
	for (size_t i = 0; i < TEXTS; i++) {
		texts[i] = made(TEXT_MOST);
		note(&g, i, text_str(&texts[i]));
	}
	for (size_t k = 0; k < ROUNDS; k++) {
		struct text needle = made(6);

		for (size_t i = 0; i < TEXTS; i++)
			check_text(&g, i, text_str(&texts[i]), text_str(&needle), ret_wrong);
	}
	free(g.table);
}

static void test_never_denied(void **state)
{
	size_t wrong;

	(void)state;
	for (unsigned bits = 1; bits <= 8; bits++)
		run(bits, &wrong);               /* columns are shared: "maybe" is all that is said */
	run(20, &wrong);
	assert_int_equal(wrong, 0);              /* 155 grams in 2^20 columns: they do not meet */
}

static void test_counts(void **state)
{
	static const struct { struct str text; size_t n; struct str last; } rows[] = {
		{ S(""), 0, S("") }, { S("a"), 0, S("") }, { S("ab"), 1, S("ab") },
		{ S("abc"), 1, S("abc") }, { S("abcd"), 2, S("bcd") }, { S("abcdef"), 4, S("def") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(grams_count(rows[i].text), rows[i].n);
		if (rows[i].n)
			assert_true(str_eq(gram_at(rows[i].text, rows[i].n - 1), rows[i].last));
	}
}

/* One text ends where the next begins, also in one place: no gram is made of both. */
static void test_begin(void **state)
{
	static uint8_t table[1 << 16];
	struct grams g = { .table = table, .bits = 16, .n = 8, .place = 3 };

	(void)state;
	grams_begin(&g);
	grams_add(&g, S("xa"));
	grams_begin(&g);
	grams_add(&g, S("by"));
	assert_true(is_noted(&g, 3, S("xa")));
	assert_true(is_noted(&g, 3, S("by")));
	assert_false(is_noted(&g, 3, S("ab")));
	assert_false(is_noted(&g, 3, S("xab")));
	assert_false(is_noted(&g, 2, S("xa")));
}

/* A pair is not the triple that begins with NUL. */
static void test_pair(void **state)
{
	(void)state;
	assert_int_not_equal(gram_column(S("ab"), 20), gram_column(str_of("\0ab", 3), 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_denied), cmocka_unit_test(test_counts), cmocka_unit_test(test_begin),
		cmocka_unit_test(test_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
