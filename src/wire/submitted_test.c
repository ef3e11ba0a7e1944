/* submitted_test.c — what a letter lacks, and what of it must not leave (RFC 5322 §3.6, RFC 6409 §8). */
#include "wire/submitted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ALL "Date: x\r\nMessage-ID: <m@x>\r\nTo: b@x\r\n"

static const struct {
	const char *letter;
	const char *added;       /* fields in front: F(rom) T(o) D(ate) M(essage-ID) and e(mpty line) */
	const char *authors;
	const char *sent;        /* what is left of the letter for its recipients */
	const char *filed;       /* and for its sender */
} rows[] = {
	{ ALL "From: A <a@x>\r\n\r\nbody\r\n", "", "a@x", ALL "From: A <a@x>\r\n\r\nbody\r\n", NULL },
	{ "\r\nbody\r\n", "FTDM", "", "\r\nbody\r\n", NULL },
	{ "hello there\r\nFrom: x@y\r\n", "FTDMe", "", "hello there\r\nFrom: x@y\r\n", NULL },
	{ "From a Sun Nov 22 10:00:00 2026\r\n" ALL "From: a@x\r\n\r\n", "", "a@x", ALL "From: a@x\r\n\r\n",
	  ALL "From: a@x\r\n\r\n" },
	{ ALL "From: a@x\r\nBCC: c@x,\r\n d@x\r\nSubject: s\r\nresent-bcc : e@x\r\n\r\nBcc: in the body\r\n", "", "a@x",
	  ALL "From: a@x\r\nSubject: s\r\n\r\nBcc: in the body\r\n",
	  ALL "From: a@x\r\nBCC: c@x,\r\n d@x\r\nSubject: s\r\nresent-bcc : e@x\r\n\r\nBcc: in the body\r\n" },
	{ ALL "From: a@x\r\nBcc:\r\n\r\n", "", "a@x", ALL "From: a@x\r\n\r\n", ALL "From: a@x\r\nBcc:\r\n\r\n" },
	{ ALL "From: a@x\r\nno field\r\nBcc: c@x\r\n\r\n", "", "a@x", ALL "From: a@x\r\nno field\r\n\r\n",
	  ALL "From: a@x\r\nno field\r\nBcc: c@x\r\n\r\n" },
	{ ALL "From: root (Cron Daemon)\r\n\r\n", "F", "root", ALL "\r\n", ALL "\r\n" },
	{ "From : root (Cron Daemon)\r\n" ALL "\r\n", "F", "root", ALL "\r\n", ALL "\r\n" },
	{ ALL "From:  \r\n\r\n", "F", "", ALL "\r\n", ALL "\r\n" },
	{ ALL "From: <>\r\nfrom: a:;\r\n\r\n", "F", "", ALL "\r\n", ALL "\r\n" },
	{ "From: a@x\r\nDate:\r\nMessage-Id: \r\nCc: b@x\r\n\r\n", "DM", "a@x", "From: a@x\r\nCc: b@x\r\n\r\n",
	  "From: a@x\r\nCc: b@x\r\n\r\n" },
	{ ALL "From: a@x, \"b c\"@y\r\nFrom: z@z\r\n\r\n", "", "a@x \"b c\"@y z@z", ALL "From: a@x, \"b c\"@y\r\nFrom: z@z\r\n\r\n",
	  NULL },
	{ ALL "From: boss@x <evil@y>\r\n\r\n", "", "evil@y", ALL "From: boss@x <evil@y>\r\n\r\n", NULL },
	{ ALL "From: a@x", "", "a@x", ALL "From: a@x", NULL },
};

static struct str view(struct str letter, const struct cut *x, size_t n_x, struct arena *a)
{
	struct buf b = buf_on_heap(4096);
	struct str ret;
	uint64_t at = 0;

	for (size_t i = 0; i <= n_x; i++) {
		uint64_t end = i < n_x ? x[i].at : letter.n;

		assert_true(end >= at && end <= letter.n);
		buf_add(&b, str_sub(letter, (size_t)at, (size_t)(end - at)));
		at = i < n_x ? x[i].at + x[i].n : end;
	}
	ret = arena_str(a, buf_str(&b));
	buf_end(&b);
	return ret;
}

static void expect(size_t row, const char *what, struct str have, const char *want)
{
	if (!str_eq(have, str_from_z(want)))
		fail_msg("row %zu, %s: \"" STR_FMT "\", not \"%s\"", row, what, STR_ARG(have), want);
}

static void check(size_t i, struct arena *a)
{
	struct str letter = str_from_z(rows[i].letter), who = S("");
	struct cut all[20];
	struct buf b = buf_on_heap(4096);
	struct submitted s;
	char added[8] = "";
	size_t n = 0, x = 0, y = 0;

	assert_true(submitted_read(letter, a, &s) && !s.is_too_big);
	for (size_t k = 0; k < s.n_authors; k++)
		who = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(who), k ? " " : "", STR_ARG(s.authors[k]));
	expect(i, "authors", who, rows[i].authors);
	while (x < s.n_cuts || y < s.n_blind)
		all[n++] = y == s.n_blind || (x < s.n_cuts && s.cuts[x].at < s.blind[y].at) ? s.cuts[x++] : s.blind[y++];
	expect(i, "sent", view(letter, all, n, a), rows[i].sent);
	expect(i, "filed", view(letter, s.cuts, s.n_cuts, a), rows[i].filed ? rows[i].filed : rows[i].sent);
	submitted_add(&b, &s, &(struct submitted_facts){ .from = S("me@x"), .id = S("id"), .hostname = S("h.x"), .when = 0 });
	snprintf(added, sizeof(added), "%s%s%s%s%s", str_find_str(buf_str(&b), S("From: ")) < b.n ? "F" : "",
		 str_find_str(buf_str(&b), S("To: undisclosed-recipients:;\r\n")) < b.n ? "T" : "",
		 str_find_str(buf_str(&b), S("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n")) < b.n ? "D" : "",
		 str_find_str(buf_str(&b), S("Message-ID: <id@h.x>\r\n")) < b.n ? "M" : "", s.has_no_header ? "e" : "");
	expect(i, "added", str_from_z(added), rows[i].added);
	buf_end(&b);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a = { 0 };

		check(i, &a);
		arena_end(&a);
	}
}

static struct str from_of(const char *letter, const char *envelope, struct arena *a)
{
	struct buf b = buf_on_heap(4096);
	struct submitted s;
	struct str all, line;

	assert_true(submitted_read(str_from_z(letter), a, &s));
	submitted_add(&b, &s, &(struct submitted_facts){ .from = str_from_z(envelope), .id = S("id"), .hostname = S("h.x") });
	all = arena_str(a, buf_str(&b));
	buf_end(&b);
	line = str_cut(all, '\r', &all);
	return line;
}

static void test_from(void **state)
{
	struct arena a = { 0 };

	(void)state;
	expect(0, "from", from_of("From: root (Cron Daemon)\r\n\r\n", "root@h.x", &a), "From: \"Cron Daemon\" <root@h.x>");
	expect(1, "from", from_of("From: \"x\\\" <evil@y>\" <www-data>\r\n\r\n", "w@h.x", &a), "From: <www-data@h.x>");
	expect(2, "from", from_of("\r\n", "w@h.x", &a), "From: <w@h.x>");
	expect(3, "from", from_of("\r\n", "", &a), "From: <postmaster@h.x>");
	arena_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_from) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
