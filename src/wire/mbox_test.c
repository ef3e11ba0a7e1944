/* mbox_test.c — RFC 4155, mbox(5) of qmail (mboxrd, mboxo), what mutt, Dovecot, c-client and Thunderbird write. */
#include "wire/mbox.h"

#include "base/attr.h"
#include "wire/flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct { struct str line; bool ok; int64_t date; } from_rows[] = {
	{ S("From a@example.org Thu Jan  1 00:00:01 1970"), true, 1 },
	{ S("From MAILER-DAEMON Fri Jul  8 12:08:34 2011"), true, 1310126914 },
	{ S("From - Tue Feb 05 09:59:11 2019"), true, 1549360751 },
	{ S("From a Fri Feb  2 10:00:00 2024 +0200"), true, 1706860800 },
	{ S("From a Fri Feb  2 10:00 CET 2024"), true, 1706864400 },
	{ S("From \"a b\"@x Fri Feb  2 10:00:00 2024 remote from host"), true, 1706868000 },
	{ S("From Sat Sat Aug 13 05:00:00 2005"), true, 1123909200 },
	{ S("From here to eternity"), false, 0 },
	{ S("From a Fri Feb  2 2024"), false, 0 },
	{ S("From a Fri Feb  2 10:00:00"), false, 0 },
	{ S("From a Xxx Feb  2 10:00:00 2024"), false, 0 },
	{ S("from a Fri Feb  2 10:00:00 2024"), false, 0 },
	{ S("From: a Fri Feb  2 10:00:00 2024"), false, 0 },
	{ S(">From a Fri Feb  2 10:00:00 2024"), false, 0 },
	{ S("From "), false, 0 },
	{ S("From    "), false, 0 },
};

static void test_from(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(from_rows); i++) {
		int64_t date = 0;

		if (mbox_from_parse(from_rows[i].line, &date) != from_rows[i].ok || date != from_rows[i].date)
			fail_msg("row %zu: %lld", i, (long long)date);
	}
}

#define FROM "From a@b Thu Jan  1 00:00:00 1970\n"

/* Letters behind "==FLAGS KEYWORDS\n"; flags in hexadecimal. */
static const struct { struct str in, out; } rows[] = {
	{ S(FROM "A: b\n\nhi\n\n" FROM "C: d\n\nho\n"), S("==0 \nA: b\n\nhi\n==0 \nC: d\n\nho\n") },
	/* an empty line at the end belongs to the file, others to the letter */
	{ S(FROM "A: b\n\nhi\n\n\n\n" FROM "C: d\n\n\n"), S("==0 \nA: b\n\nhi\n\n\n==0 \nC: d\n\n") },
	{ S(FROM "A: b\n\n" FROM "C: d\n"), S("==0 \nA: b\n==0 \nC: d\n") },
	{ S(FROM "A: b\n\nhi" ), S("==0 \nA: b\n\nhi") },
	/* mboxrd takes one off, also where mboxo put it */
	{ S(FROM "A: b\n\n>From x\n>>From y\n>Fro\n >From z\n\n"), S("==0 \nA: b\n\nFrom x\n>From y\n>Fro\n >From z\n") },
	{ S(FROM "A: b\n\nFrom here\nFrom the start\n\n"), S("==0 \nA: b\n\nFrom here\nFrom the start\n") },
	/* without an empty line, as old programs wrote it */
	{ S(FROM "A: b\n\nhi\n" FROM "C: d\n\n"), S("==0 \nA: b\n\nhi\n==0 \nC: d\n") },
	{ S("From a Thu Jan  1 00:00:00 1970\r\nA: b\r\n\r\nhi\r\n\r\n" FROM "C: d\n"),
	  S("==0 \nA: b\r\n\r\nhi\r\n==0 \nC: d\n") },
	/* flags */
	{ S(FROM "Status: RO\nA: b\nX-Status: AF\nX-UID: 7\n\nStatus: D\n\n"), S("==7 \nA: b\n\nStatus: D\n") },
	{ S(FROM "X-Status: T D\nA: b\nX-Keywords: $Label1  work\n\tlate\n\nx\n\n"), S("==18 $Label1 work late\nA: b\n\nx\n") },
	{ S(FROM "X-Mozilla-Status: 0005\nX-Mozilla-Status2: 10000000\nX-Mozilla-Keys: a b   \nA: b\n c\n\n"),
	  S("==5 a b\nA: b\n c\n") },
	{ S(FROM "A: b\nStatus: RO\n\n" FROM "C: d\n"), S("==1 \nA: b\n==0 \nC: d\n") },
	{ S(FROM "Content-Length: 900\n 1\nStatus-Quo: x\nA: b\n\nx\n"), S("==0 \nStatus-Quo: x\nA: b\n\nx\n") },
	/* Content-Length is believed if a letter can end there */
	{ S(FROM "Content-Length: 52\nA: b\n\n" FROM "hi\n>From you\n\n\n\n\n\n\n" FROM "C: d\n"),
	  S("==0 \nA: b\n\n" FROM "hi\n>From you\n\n\n\n\n\n==0 \nC: d\n") },
	{ S(FROM "Content-Length: 3\nA: b\n\nho\n"), S("==0 \nA: b\n\nho\n") },
	{ S(FROM "Content-Length: 4\nA: b\n\n>From\n\n" FROM "C: d\n"), S("==0 \nA: b\n\n>From\n==0 \nC: d\n") },
	{ S(FROM "Content-Length: 30\nA: b\n\nhi\n\n" FROM "C: d\n"), S("==0 \nA: b\n\nhi\n==0 \nC: d\n") },
	{ S(FROM "Content-Length: 99999999999999999999\nA: b\n\nhi\n"), S("==0 \nA: b\n\nhi\n") },
	{ S(FROM "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nx\n\n" FROM "X-IMAPbase: 1 2\nA: b\n\n"),
	  S("==0 internal\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\nx\n==0 \nA: b\n") },
	{ S("A: b\n\nhi\n"), S("bad\n") },
	{ S("From me\n\nhi\n"), S("bad\n") },
	{ S("\n" FROM), S("bad\n") },
	{ S(""), S("") },
};

static void flush(const struct mbox *m, struct buf *letter, struct buf *to)
{
	buf_addf(to, "==%x %s" STR_FMT "\n", m->flags, m->is_internal ? "internal" : "",
		 STR_ARG(str_of(m->keywords, m->keywords_n)));
	buf_add(to, buf_str(letter));
	buf_clear(letter);
}

/* The window grows by `step`; each window is a block of its own. */
static void read_all(struct str in, size_t step, struct buf *to)
{
	AUTO(buf_end) struct buf letter = buf_on_heap(1 << 20);
	struct mbox m = { 0 };
	size_t at = 0, n = step;

	for (;;) {
		size_t take = n < in.n - at ? n : in.n - at;
		char *copy = malloc(take ? take : 1);
		struct str window = { copy, take }, text;
		enum mbox_event e;

		assert_non_null(copy);
		memcpy(copy, in.p + at, take);
		e = mbox_next(&m, &window, at + take == in.n, &text);
		if (e == MBOX_BODY && m.length <= in.n - (at + take - window.n) &&
		    mbox_may_end(str_sub(in, at + take - window.n + (size_t)m.length, MBOX_AFTER)))
			m.verbatim = m.length;
		if (e == MBOX_DONE)
			flush(&m, &letter, to);
		else if (e == MBOX_TEXT)
			buf_add(&letter, text);
		at += take - window.n;
		n = e == MBOX_MORE ? n + step : n;
		free(copy);
		if (e == MBOX_BAD)
			buf_add(to, S("bad\n"));
		if (e == MBOX_END || e == MBOX_BAD)
			return;
	}
}

static void test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 300; step += step < 40 ? 1 : 37) {
			AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);

			read_all(rows[i].in, step, &b);
			if (!str_eq(buf_str(&b), rows[i].out))
				fail_msg("row %zu by %zu: " STR_FMT, i, step, STR_ARG(buf_str(&b)));
		}
}

/* A line longer than the window: in pieces, and its middle begins no letter. */
static void test_long_line(void **state)
{
	AUTO(buf_end) struct buf in = buf_on_heap(1 << 20), out = buf_on_heap(1 << 20), want = buf_on_heap(1 << 20);

	(void)state;
	buf_add(&in, S(FROM "A: b\n\n"));
	buf_add(&want, S("==0 \nA: b\n\n"));
	for (size_t i = 0; i < MBOX_WINDOW * 3 / 34; i++) {
		buf_add(&in, S(FROM));
		in.n--;
		buf_add(&want, S(FROM));
		want.n--;
	}
	in.p[5 + sizeof(FROM) - 1 + 1] = 'x';    /* the line begins otherwise */
	want.p[5 + 6] = 'x';
	buf_add(&in, S("\n\n" FROM "C: d\n"));
	buf_add(&want, S("\n==0 \nC: d\n"));
	read_all(buf_str(&in), MBOX_WINDOW, &out);
	assert_true(str_eq(buf_str(&out), buf_str(&want)));
}

static const struct { struct mbox_facts f; struct str in, out; } out_rows[] = {
	{ { .date = 1310126914, .flags = FLAG_SEEN }, S("A: b\n\nhi\n"),
	  S("From MAILER-DAEMON Fri Jul  8 12:08:34 2011\nStatus: RO\nA: b\n\nhi\n\n") },
	{ { .sender = S("a@b"), .flags = FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DRAFT | FLAG_DELETED, .keywords = S("x y") },
	  S("A: b\nStatus: X\n z\nX-UID: 1\nD: e\n\nFrom x\n>From y\nStatus: O"),
	  S("From a@b Thu Jan  1 00:00:00 1970\nStatus: O\nX-Status: AFTD\nX-Keywords: x y\nA: b\nD: e\n\n>From x\n>>From y\n"
	    "Status: O\n\n") },
	{ { .uid = 7, .base = S("1 7 x") }, S("A: b\nX-UID: 9\n"),
	  S("From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nStatus: O\nX-IMAPbase: 1 7 x\nX-UID: 7\nA: b\n\n") },
	{ { .sender = S("a b") }, S("A: b\n"), S("From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nStatus: O\nA: b\n\n") },
};

static void test_write(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(out_rows); i++)
		for (size_t step = 1; step < 99; step++) {
			AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
			struct str all = out_rows[i].in, in = str_head(all, step);
			struct mbox_out o;

			mbox_begin(&o, &out_rows[i].f, &b);
			for (bool is_last = false; !is_last;) {
				is_last = in.p + in.n == all.p + all.n;
				mbox_add(&o, &in, is_last, &b);
				in = str_head(str_from(all, (size_t)(in.p - all.p)), in.n + step);
			}
			if (!str_eq(buf_str(&b), out_rows[i].out))
				fail_msg("row %zu by %zu: " STR_FMT, i, step, STR_ARG(buf_str(&b)));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_from), cmocka_unit_test(test_read),
					    cmocka_unit_test(test_long_line), cmocka_unit_test(test_write) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
