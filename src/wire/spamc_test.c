/* spamc_test.c — answers of Debian's spamd 4.0.1, and bent ones. */
#include "wire/spamc.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK "SPAMD/1.1 0 EX_OK\r\n"
#define HAM OK "Content-length: 12\r\nSpam: False ; 3.7 / 5.0\r\n\r\n"
#define SPAM(verdict) S(OK "Content-length: 0\r\nSpam: " verdict "\r\n\r\n")
#define HEAD(line) S(OK line "\r\nContent-length: 0\r\nSpam: No ; 1 / 5\r\n\r\n")

static const struct {
	struct str in;
	bool is_end;
	enum spamc_state state;
	unsigned code;
	bool is_spam;
	int64_t score, required;
	const char *header;
} rows[] = {
	{ S(HAM "X-Spam-A: b\n"), false, SPAMC_DONE, 0, false, 370, 500, "X-Spam-A: b\n" },
	{ S(HAM "X-Spam-A: b"), false, SPAMC_MORE, 0, false, 0, 0, NULL },
	{ S(HAM "X-Spam-A: b"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S(HAM "X-Spam-A: b\n\n"), false, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM("True ; 1004.7 / 5.0"), true, SPAMC_DONE, 0, true, 100470, 500, "" },
	{ SPAM("yes;7/5"), true, SPAMC_DONE, 0, true, 700, 500, "" },
	{ SPAM("False ; -100.25999 / 5"), true, SPAMC_DONE, 0, false, -10025, 500, "" },
	{ SPAM("False ; -0.1 / -5"), true, SPAMC_DONE, 0, false, -10, -500, "" },
	{ SPAM("False ; 100000 / 5"), true, SPAMC_DONE, 0, false, SPAMC_SCORE_MAX, 500, "" },
	{ SPAM("False ; 100001 / 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM("False ; 99999999999999999999 / 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM("False ; nan / 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM("False ; 1e9 / 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM("False ; . / 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM("False ; 5. / 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM("False ; -/ 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM("False ; 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM("Maybe ; 5 / 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ SPAM(""), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ HEAD("DidSet: local"), true, SPAMC_DONE, 0, false, 100, 500, "" },
	{ HEAD("Spam: No ; 2 / 5"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ HEAD("Content-Length: 0"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ HEAD("no colon"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ HEAD("A: b\r\n folded"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ HEAD("A : b"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ HEAD("A: b\rBcc: c"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ HEAD("A: b\nBcc: c"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ HEAD("A: \0"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S(OK "Content-length: -1\r\nSpam: No ; 1 / 5\r\n\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S(OK "Content-length: 18446744073709551616\r\n\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S(OK "Content-length: 18446744073709551615\r\nSpam: No ; 1 / 5\r\n\r\nx"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S(OK "Content-length: 3\r\n\r\nabc"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S(OK "Spam: No ; 1 / 5\r\n\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S(OK "\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S(OK "Spam: No"), false, SPAMC_MORE, 0, false, 0, 0, NULL },
	{ S(OK "Spam: No"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S("SPAMD/1.0 76 Bad header line: FOO SPAMC/1.5\r\n"), false, SPAMC_DONE, 76, false, 0, 0, "" },
	{ S("SPAMD/1.5 79 EX_TIMEOUT\r\nwhat"), true, SPAMC_DONE, 79, false, 0, 0, "" },
	{ S("SPAMD/1.5 0\r\nContent-length: 0\r\nSpam: No ; 1 / 5\r\n\r\n"), true, SPAMC_DONE, 0, false, 100, 500, "" },
	{ S("SPAMD/1.5 1000 x\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S("SPAMD/1.5 x\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S("SPAMD/1 0 EX_OK\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S("SPAMD/1.1  0 EX_OK\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S("SPAMD/1.1 0EX_OK\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S("SPAMD/1.1 0 \033[2J\r\n"), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S("SPAMD/1."), false, SPAMC_MORE, 0, false, 0, 0, NULL },
	{ S("SPAMD/1."), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S(""), false, SPAMC_MORE, 0, false, 0, 0, NULL },
	{ S(""), true, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S("HTTP/1.1 400 Bad Request\r\n"), false, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
	{ S("220"), false, SPAMC_MALFORMED, 0, false, 0, 0, NULL },
};

/* In memory of its own size, so that one octet too far is seen. */
static char *copy_of(struct str s)
{
	char *p = malloc(s.n ? s.n : 1);

	assert_non_null(p);
	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spamc_answer r;
		const char *why = NULL;
		char *p = copy_of(rows[i].in);
		enum spamc_state got = spamc_answer_parse(str_of(p, rows[i].in.n), rows[i].is_end, &r, &why);

		if (got != rows[i].state || (got == SPAMC_MALFORMED) != (why != NULL))
			fail_msg("row %zu: %d (%s)", i, got, why ? why : "");
		if (got == SPAMC_DONE && (r.code != rows[i].code || r.is_spam != rows[i].is_spam || r.score != rows[i].score ||
					  r.required != rows[i].required || !str_eq(r.header, str_from_z(rows[i].header))))
			fail_msg("row %zu: %u %d %lld %lld " STR_FMT, i, r.code, r.is_spam, (long long)r.score,
				 (long long)r.required, STR_ARG(r.header));
		free(p);
	}
}

/* Whatever part of a good answer came, it is waited for the rest. */
static void test_parts(void **state)
{
	static const struct str all = S(HAM "X-Spam-A: b\n");
	struct spamc_answer r;
	const char *why;

	(void)state;
	for (size_t n = 0; n < all.n; n++) {
		assert_int_equal(spamc_answer_parse(str_head(all, n), false, &r, &why), SPAMC_MORE);
		assert_int_equal(spamc_answer_parse(str_head(all, n), true, &r, &why), SPAMC_MALFORMED);
	}
}

static void test_endless(void **state)
{
	static char mem[SPAMC_HEAD_MAX];
	struct buf b = buf_over(mem, sizeof(mem));
	struct spamc_answer r;
	const char *why;

	(void)state;
	buf_add(&b, S(OK "A: "));
	memset(b.p + b.n, 'x', sizeof(mem) - b.n);
	assert_int_equal(spamc_answer_parse(str_of(mem, sizeof(mem) - 1), false, &r, &why), SPAMC_MORE);
	assert_int_equal(spamc_answer_parse(str_of(mem, sizeof(mem)), false, &r, &why), SPAMC_MALFORMED);
}

static void test_fields(void **state)
{
	static const struct str header =
		S("X-Spam-Level: ***\r\nx-spam-status: No, score=3.7\r\n\ttests=A,\r\n\tB\r\nX-Spam-Level: *\r\n"
		  "a line of the letter\r\nBcc: x@example.org\r\nX-Spam: y\r\nX-Spam-: z\r\nX-Spam-A_B: c\r\nX-Spam-Last : d\r\n"
		  "\r\nX-Spam-Body: e\r\n");
	static const struct {
		const char *name, *value;
	} want[] = {
		{ "X-Spam-Level", " ***" },
		{ "x-spam-status", " No, score=3.7\r\n\ttests=A,\r\n\tB" },
		{ "X-Spam-Last", " d" },
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct spamc_field *p;
	size_t n;

	(void)state;
	assert_true(spamc_fields_read(header, &a, &p, &n));
	assert_int_equal(n, ARRAY_LEN(want));
	for (size_t i = 0; i < n; i++)
		if (!str_eq(p[i].name, str_from_z(want[i].name)) || !str_eq(p[i].value, str_from_z(want[i].value)))
			fail_msg("field %zu: " STR_FMT ":" STR_FMT, i, STR_ARG(p[i].name), STR_ARG(p[i].value));
}

/* Fields of that many octets: how many are taken? */
static size_t taken(size_t n, size_t octets)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	struct spamc_field *p;
	size_t got;

	for (size_t i = 0; i < n; i++) {
		buf_addf(&b, "X-Spam-N%zu:", i);
		for (size_t k = 0; k < octets; k++)
			buf_add_char(&b, 'x');
		buf_add(&b, S("\r\n"));
	}
	assert_true(spamc_fields_read(buf_str(&b), &a, &p, &got));
	return got;
}

static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(taken(40, 10), SPAMC_FIELDS_MAX);
	assert_int_equal(taken(3, SPAMC_VALUE_MAX), 1);
	assert_int_equal(taken(4, SPAMC_VALUES_MAX / 3), 3);
	assert_int_equal(taken(1, SPAMC_VALUE_MAX + 1), 0);
}

static void test_question(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1000);

	(void)state;
	spamc_question_add(&b, 12, S("debian-spamd"));
	assert_true(str_eq(buf_str(&b), S("HEADERS SPAMC/1.5\r\nContent-length: 12\r\nUser: debian-spamd\r\n\r\n")));
	b.n = 0;
	spamc_question_add(&b, UINT64_MAX, S(""));
	assert_true(str_eq(buf_str(&b), S("HEADERS SPAMC/1.5\r\nContent-length: 18446744073709551615\r\n\r\n")));
	assert_true(spamc_user_is_good(S("a.b@example.org")) && !spamc_user_is_good(S("a b")) &&
		    !spamc_user_is_good(S("a\r\nX: y")) && !spamc_user_is_good(S("")) && !spamc_user_is_good(S("-a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_parts),  cmocka_unit_test(test_endless),
		cmocka_unit_test(test_fields),  cmocka_unit_test(test_limits), cmocka_unit_test(test_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
