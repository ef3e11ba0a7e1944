/* why_test.c — each row of why.def: its numbers, its bytes, its words; frames survive damage around them. */
#include "base/arena.h"
#include "base/log.h"
#include "ipc/why.h"
#include "wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#undef fail      /* ours, of base/err.h */

static const struct why_rcpt_refused refused = {
	.head = { .kind = WHY_rcpt_refused, .time = 1795300000123000, .letter = 77, .role = ROLE_SMTPD, .instance = 2,
		  .session = 9, .code = 550, .enhanced = S("5.1.1"), .rule = S("NO_SUCH_USER"),
		  .nearest = S("make the account") },
	.peer = S("192.0.2.1"), .helo = S("client"), .from = S("a@b"), .rcpt = S("<x\ny>"), .why = S("nobody \"here\""),
};

static char last[LOG_LINE_MAX];

static void take_line(struct str line)
{
	snprintf(last, sizeof(last), STR_FMT, STR_ARG(line));
}

/* Every row with empty fields: its sentence names only fields it has, its bytes come back. */
static void test_rows(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_null(why_type(0));
	assert_null(why_type(UINT16_MAX));
	for (uint16_t kind = 0; kind < 100; kind++) {
		AUTO(arena_end) struct arena a = { 0 };
		const struct why_type *t = why_type(kind);
		struct buf b = buf_on_heap(4096), again = buf_on_heap(4096), text = buf_on_heap(4096);
		struct json j = json_to(&text);
		const struct why *back = NULL;
		struct why *w;
		struct err e;

		if (!t)
			continue;
		n++;
		w = arena_alloc(&a, 1, t->shape()->size);
		w->kind = kind;
		assert_true(why_encode(&b, w, &e) && why_decode(buf_str(&b), &a, &back, &e));
		assert_true(back->kind == kind && why_encode(&again, back, &e));
		assert_true(str_eq(buf_str(&b), buf_str(&again)));
		why_add_sentence(&text, back);
		assert_true(text.n > 10 && !str_has(buf_str(&text), '{'));
		buf_clear(&text);
		why_add_json(&j, back);
		assert_true(str_find_str(buf_str(&text), str_from_z(t->name)) < text.n);
		buf_end(&b);
		buf_end(&again);
		buf_end(&text);
	}
	assert_true(n >= 22);
}

static void test_bytes(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	char mem[1000];
	struct buf b = buf_over(mem, sizeof(mem));
	const struct why *w = NULL;
	struct err e;

	(void)state;
	assert_true(why_encode(&b, &refused.head, &e));
	assert_int_equal(why_letter(buf_str(&b)), 77);
	assert_true(why_decode(buf_str(&b), &a, &w, &e) && w->code == 550 && w->session == 9);
	assert_true(str_eq(((const struct why_rcpt_refused *)w)->rcpt, S("<x\ny>")));
	for (size_t n = 0; n < b.n; n++)
		assert_false(why_decode(str_head(buf_str(&b), n), &a, &w, &e));
	buf_add_char(&b, 'x');
	assert_false(why_decode(buf_str(&b), &a, &w, &e));
	assert_int_equal(why_letter(S("short")), 0);
	assert_false(why_encode(&b, &(struct why){ .kind = 99 }, &e));
}

static void test_about(void **state)
{
	static const struct { struct str whom; bool is; } rows[] = {
		{ S("192.0.2.1"), true }, { S("A@B"), true }, { S("client"), false }, { S("192.0.2.10"), false },
		{ S("192.0.2"), false }, { S(""), false }, { S("nobody \"here\""), false }, { S("5.1.1"), false },
	};
	const struct why_client_banned ban = { .head = { .kind = WHY_client_banned }, .client = S("2001:db8::/64"),
					       .peer = S("2001:db8::7") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_true(why_is_about(&refused.head, rows[i].whom) == rows[i].is);
	assert_true(why_is_about(&ban.head, S("2001:DB8::7")) && why_is_about(&ban.head, S("2001:db8::/64")));
	assert_false(why_is_about(&(struct why){ .kind = 99 }, S("x")));
}

static void test_words(void **state)
{
	char mem[1000];
	struct buf b = buf_over(mem, sizeof(mem));

	(void)state;
	why_add_sentence(&b, &refused.head);
	assert_true(str_eq(buf_str(&b), S("the recipient <x\\x0ay> was refused to 192.0.2.1 (client), sender <a@b>: "
					  "nobody \\\"here\\\" [550 5.1.1]; to change it: make the account")));
	log_set_sink(take_line);
	why_log(&refused.head);
	log_set_sink(NULL);
	assert_string_equal(last, "info - refused msg=000000000002d peer=\"192.0.2.1\" helo=\"client\" from=\"a@b\" "
				  "rcpt=\"<x\\x0ay>\" why=\"nobody \\\"here\\\"\" reply=\"550 5.1.1\" "
				  "rule=\"NO_SUCH_USER\" next=\"make the account\"");
}

/* Three frames; the middle one is damaged at each byte in turn: the others are still read. */
static void test_frames(void **state)
{
	char mem[400], copy[400];
	struct buf b = buf_over(mem, sizeof(mem));
	size_t n = why_frame_size(S("second"));

	(void)state;
	why_frame(&b, S("one"));
	why_frame(&b, S("second"));
	why_frame(&b, S("third"));
	for (size_t i = 0; i < n; i++) {
		struct str in = str_of(copy, b.n), r;

		memcpy(copy, mem, b.n);
		copy[why_frame_size(S("one")) + i] ^= 0x20;
		assert_true(why_next(&in, &r) && str_eq(r, S("one")));
		assert_true(why_next(&in, &r) && str_eq(r, S("third")));
		assert_false(why_next(&in, &r));
	}
	for (size_t cut = 1; cut < n; cut++) {           /* a torn end */
		struct str in = str_head(buf_str(&b), b.n - why_frame_size(S("third")) - cut), r;

		assert_true(why_next(&in, &r) && str_eq(r, S("one")));
		assert_false(why_next(&in, &r));
	}
	b.limit = b.n + 20;
	why_frame(&b, S("123456789"));                   /* does not fit */
	assert_false(b.full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_bytes), cmocka_unit_test(test_about), cmocka_unit_test(test_words),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
