/* bounce_test.c — reports that programs can read and nobody can abuse; records and their limits. */
#include "queue/bounce.h"

#include "base/buf.h"
#include "base/time.h"
#include "queue/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ORIGINAL "Subject: hello\r\nFrom: a@b\r\n\r\nThe body.\r\n"

static struct bounce sample(enum bounce_kind kind)
{
	static const struct bounce_rcpt rcpts[] = {
		{ .address = { "bob@example.test", 16 }, .orcpt = { "rfc822;Bob+40x", 14 },
		  .text = { "550 5.1.1 no such user", 22 }, .remote = { "mx.example.test", 15 } },
		{ .address = { "carol@example.test", 18 }, .target = { "c@elsewhere.test", 16 },
		  .text = { "the mailbox is full\r\nX-Evil: yes", 32 }, .remote = S("mx.example.test [192.0.2.1:25], TLSv1.3, verified") },
	};

	return (struct bounce){
		.kind = kind, .host = S("mail.example.test"), .to = S("s@example.org"),
		.id = 77, .about = 76, .nonce = 0xfeed, .now = INT64_C(1790000000) * SECOND,
		.accepted = INT64_C(1789990000) * SECOND,
		.retry_until = INT64_C(1790300000) * SECOND,
		.rcpts = rcpts, .n_rcpts = 2, .original = S(ORIGINAL), .is_whole = true,
	};
}

static bool holds(const struct buf *b, struct str what)
{
	return str_find_str(buf_str(b), what) < b->n;
}

static void lines_are_sound(const struct buf *b)
{
	size_t start = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (b->p[i] == '\n') {
			assert_true(i > 0 && b->p[i - 1] == '\r');
			assert_true(i - start <= 999);
			start = i + 1;
		} else if (b->p[i] == '\r') {
			assert_true(i + 1 < b->n && b->p[i + 1] == '\n');
		} else {
			assert_int_not_equal(b->p[i], '\0');
		}
	}
	assert_int_equal(start, b->n);
}

static void test_report(void **state)
{
	static const struct {
		enum bounce_kind kind;
		struct str has[10], not[4];
	} rows[] = {
		{ BOUNCE_FAILED,
		  { { "Action: failed\r\nStatus: 5.1.1\r\n", 31 },
		    { "Original-Recipient: rfc822;Bob+40x\r\n", 36 },
		    { "Final-Recipient: rfc822;c@elsewhere.test\r\n", 42 },
		    { "Diagnostic-Code: smtp;550 5.1.1 no such user\r\n", 46 },
		    { "Remote-MTA: dns;mx.example.test\r\n", 33 },
		    { "Content-Type: message/rfc822\r\n", 30 }, { "The body.", 9 },
		    { "report-type=delivery-status", 27 },
		    S("    The server mx.example.test [192.0.2.1:25], TLSv1.3, verified, said:\r\n    the mailbox"),
		    S("    The server mx.example.test said:\r\n    550 5.1.1 no such user\r\n\r\n    There is nobody") },
		  { { "\nX-Evil", 7 }, { "Will-Retry", 10 } } },
		{ BOUNCE_DELAYED,
		  { { "Action: delayed\r\nStatus: 4.0.0\r\n", 32 }, { "Will-Retry-Until: ", 18 },
		    { "text/rfc822-headers", 19 }, { "Subject: hello", 14 } },
		  { { "The body.", 9 }, { "\nX-Evil", 7 } } },
		{ BOUNCE_RELAYED,
		  { S("Action: relayed\r\nStatus: 2.0.0\r\n"), S("Subject: Your message was passed on") },
		  { { "The body.", 9 }, { "typing error", 12 } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf out = buf_on_heap(BOUNCE_MAX);
		struct bounce b = sample(rows[i].kind);
		struct err e;

		assert_true(bounce_print(&b, &out, &e));
		lines_are_sound(&out);
		for (size_t k = 0; k < ARRAY_LEN(rows[i].has); k++)
			assert_true(holds(&out, rows[i].has[k]));
		for (size_t k = 0; k < ARRAY_LEN(rows[i].not) && rows[i].not[k].n; k++)
			assert_false(holds(&out, rows[i].not[k]));
	}
}

static void test_header_only(void **state)
{
	AUTO(buf_end) struct buf out = buf_on_heap(BOUNCE_MAX), utf8 = buf_on_heap(BOUNCE_MAX);
	AUTO(buf_end) struct buf small = buf_on_heap(500);
	struct bounce b = sample(BOUNCE_FAILED);
	struct err e;

	(void)state;
	b.ret = LETTER_RET_HDRS;
	assert_true(bounce_print(&b, &out, &e));
	assert_false(holds(&out, S("The body.")));
	assert_true(holds(&out, S("From: a@b\r\n")));
	assert_false(bounce_print(&b, &small, &e));
	b.to = S("\xc3\xbc@example.org");
	assert_true(bounce_print(&b, &utf8, &e));
	assert_true(holds(&utf8, S("message/global-delivery-status")));
	assert_true(holds(&utf8, S("Final-Recipient: utf-8;")));
}

/* RFC 6533 §3: a report of 7 bits spells other characters out, one of 8 bits has them as they are. */
static void test_orcpt(void **state)
{
	static const struct {
		struct str to, orcpt, want;
	} rows[] = {
		{ S("a@b"), S("rfc822;Bob+40x"), S("Original-Recipient: rfc822;Bob+40x\r\n") },
		{ S("a@b"), S("utf-8;\xc3\xbc@c.example"), S("Original-Recipient: utf-8;\\x{FC}@c.example\r\n") },
		{ S("a@b"), S("UTF-8;x+y@c.example"), S("Original-Recipient: utf-8;x\\x{2B}y@c.example\r\n") },
		{ S("\xc3\xbc@b"), S("utf-8;\xc3\xbc@c.example"), S("Original-Recipient: utf-8;\xc3\xbc@c.example\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf out = buf_on_heap(BOUNCE_MAX);
		struct bounce_rcpt r = { .address = S("c@d"), .orcpt = rows[i].orcpt };
		struct bounce b = sample(BOUNCE_FAILED);
		struct err e;

		b.to = rows[i].to;
		b.rcpts = &r;
		b.n_rcpts = 1;
		assert_true(bounce_print(&b, &out, &e));
		assert_true(holds(&out, rows[i].want));
	}
}

static void test_due(void **state)
{
	static const struct {
		enum bounce_kind kind;
		const char *from;
		uint8_t notify;
		bool due;
	} rows[] = {
		{ BOUNCE_FAILED, "a@b", 0, true },
		{ BOUNCE_FAILED, "", 0, false },
		{ BOUNCE_FAILED, "a@b", LETTER_NOTIFY_NEVER, false },
		{ BOUNCE_FAILED, "a@b", LETTER_NOTIFY_DELAY, false },
		{ BOUNCE_FAILED, "a@b", LETTER_NOTIFY_FAILURE, true },
		{ BOUNCE_DELAYED, "a@b", 0, true },
		{ BOUNCE_DELAYED, "a@b", LETTER_NOTIFY_FAILURE, false },
		{ BOUNCE_DELIVERED, "a@b", 0, false },
		{ BOUNCE_DELIVERED, "a@b", LETTER_NOTIFY_SUCCESS, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(bounce_is_due(rows[i].kind, str_from_z(rows[i].from),
					       rows[i].notify), rows[i].due);
}

static void test_status(void **state)
{
	static const struct {
		enum bounce_kind kind;
		const char *text, *status;
	} rows[] = {
		{ BOUNCE_FAILED, "550 5.1.1 no", "5.1.1" },
		{ BOUNCE_FAILED, "451 4.2.0 busy", "4.2.0" },
		{ BOUNCE_FAILED, "5.7.1", "5.7.1" },
		{ BOUNCE_FAILED, "550 no", "5.0.0" },
		{ BOUNCE_FAILED, "550 5..1 no", "5.0.0" },
		{ BOUNCE_FAILED, "550 5.1 no", "5.0.0" },
		{ BOUNCE_FAILED, "", "5.0.0" },
		{ BOUNCE_FAILED, "55", "5.0.0" },
		{ BOUNCE_FAILED, "550", "5.0.0" },
		{ BOUNCE_DELAYED, "451 4.7.1 grey", "4.7.1" },
		{ BOUNCE_DELAYED, "no route", "4.0.0" },
		{ BOUNCE_DELIVERED, "", "2.0.0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_true(str_eq(bounce_status(rows[i].kind, str_from_z(rows[i].text)),
				   str_from_z(rows[i].status)));
}

/* ---- records ---- */

static struct letter_record full_record(void)
{
	static const struct letter_rcpt rcpts[] = {
		{ .address = { "a@b", 3 }, .orcpt = { "rfc822;a@b", 10 }, .notify = 4 },
		{ .address = { "c@d", 3 } },
	};
	static const struct letter_span cuts[] = { { 0, 5 }, { 5, 1 }, { 90, 10 } };
	static const struct letter_step steps[] = {
		{ .rcpt = 1, .number = 2, .kind = STEP_LOCAL, .target = { "c", 1 },
		  .folder = { "Junk", 4 }, .flags = { "S", 1 }, .base = { "1.x.h", 5 },
		  .prefix = { "X: y\r\n", 6 }, .cuts = cuts, .n_cuts = 3 },
		{ .rcpt = 0, .kind = STEP_REMOTE, .target = { "a@b", 3 } },
	};

	return (struct letter_record){
		.id = 0xfedcba9876543210u, .parent = 5, .accepted = -1, .not_before = 7,
		.cancellable_until = 8, .flags = LETTER_8BIT, .ret = LETTER_RET_HDRS,
		.from = S("s@t"), .account = S("acc"), .envid = S("env"), .facts = S("f\0g"),
		.why = S("w"), .rcpts = rcpts, .n_rcpts = 2, .steps = steps, .n_steps = 2,
		.body_size = 100,
	};
}

/* An exact-size copy, so that a sanitizer sees one byte too far. */
static bool parses(struct str in)
{
	char *exact = malloc(in.n ? in.n : 1);
	AUTO(arena_end) struct arena a = { 0 };
	struct letter_record r;
	struct err e;
	bool ok;

	if (in.n)
		memcpy(exact, in.p, in.n);
	ok = letter_record_parse(str_of(exact, in.n), &a, &r, &e);
	free(exact);
	return ok;
}

static void test_record(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(LETTER_HEAD_MAX), again = buf_on_heap(4096);
	AUTO(arena_end) struct arena a = { 0 };
	struct letter_record r = full_record(), back;
	struct err e;

	(void)state;
	assert_true(letter_record_print(&r, &b, &e));
	assert_true(letter_record_parse(buf_str(&b), &a, &back, &e));
	assert_true(letter_record_print(&back, &again, &e));
	assert_true(str_eq(buf_str(&b), buf_str(&again)));
	assert_true(back.id == r.id && back.accepted == -1 && str_eq(back.facts, S("f\0g")));
	assert_true(str_eq(back.steps[0].prefix, S("X: y\r\n")));
	assert_int_equal(back.steps[0].cuts[2].offset, 90);
	for (size_t n = 0; n < b.n; n++)
		assert_false(parses(str_head(buf_str(&b), n)));
	buf_add_char(&b, 'x');
	assert_false(parses(buf_str(&b)));
}

static void test_record_limits(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(LETTER_HEAD_MAX);
	static const struct letter_span bad_cuts[][2] = {
		{ { 5, 5 }, { 4, 1 } },                  /* not sorted */
		{ { 0, 5 }, { 4, 1 } },                  /* one on the other */
		{ { 0, 1 }, { 100, 1 } },                /* behind the end */
		{ { 0, 1 }, { 1, UINT64_MAX } },
	};
	struct letter_record r;
	struct letter_step step = full_record().steps[1];
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_cuts); i++) {
		r = full_record();
		step.cuts = bad_cuts[i];
		step.n_cuts = 2;
		r.steps = &step;
		r.n_steps = 1;
		assert_false(letter_record_print(&r, &b, &e));
	}
	step.n_cuts = 0;
	step.rcpt = 2;
	assert_false(letter_record_print(&r, &b, &e));
	step.rcpt = 1;
	r.file = S("../etc/passwd");
	assert_false(letter_record_print(&r, &b, &e));
	r.file = S("/etc/passwd");
	assert_false(letter_record_print(&r, &b, &e));
	r.file = S("in/x");
	assert_true(letter_record_print(&r, &b, &e));
	r.file = S("");
	r.body_size = LETTER_INLINE_MAX + 1;
	assert_false(letter_record_print(&r, &b, &e));
}

/* What is delivered to an account is found again by its name; who is refused, or elsewhere, needs none. */
static void test_record_base(void **state)
{
	static const struct {
		uint8_t kind;
		struct str target, base;
		bool ok;
	} rows[] = {
		{ STEP_LOCAL, { "c", 1 }, { "1.x.h", 5 }, true },
		{ STEP_LOCAL, { "c", 1 }, { "", 0 }, false },
		{ STEP_LOCAL, { "", 0 }, { "", 0 }, true },
		{ STEP_REMOTE, { "c", 1 }, { "", 0 }, true },
	};
	static const char remote[] = { STEP_REMOTE, 1, 0, 0, 0, 'c' };
	AUTO(buf_end) struct buf b = buf_on_heap(LETTER_HEAD_MAX);
	struct letter_record r = full_record();
	struct letter_step step = { 0 };
	struct err e;
	size_t at;

	(void)state;
	r.steps = &step;
	r.n_steps = 1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&b);
		step = (struct letter_step){ .kind = rows[i].kind, .target = rows[i].target, .base = rows[i].base };
		assert_int_equal(letter_record_print(&r, &b, &e), rows[i].ok);
	}
	at = str_find_str(buf_str(&b), str_of(remote, sizeof remote));
	assert_true(at < b.n && parses(buf_str(&b)));
	b.p[at] = STEP_LOCAL;            /* nobody of ours would write that */
	assert_false(parses(buf_str(&b)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_header_only), cmocka_unit_test(test_orcpt),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_record_limits),
		cmocka_unit_test(test_record_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
