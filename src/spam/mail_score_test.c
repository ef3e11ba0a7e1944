/* mail_score_test.c — a good letter loses nothing, and each thing that is wrong in turn costs what its row says. */
#include "spam/mail_score.h"
#include "wire/mime.h"

#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW (INT64_C(1763726400) * SECOND)       /* 21 Nov 2025 12:00 UTC */
#define FROM "From: Jane <jane@example.net>\r\n"
#define TO "To: joe@example.org\r\n"
#define SUBJECT "Subject: The minutes of Monday\r\n"
#define DATE "Date: Fri, 21 Nov 2025 11:59:00 +0000\r\n"
#define ID "Message-ID: <1@mail.example.net>\r\n"
#define HEAD FROM TO SUBJECT DATE ID
#define MIME "MIME-Version: 1.0\r\n"
#define HTML MIME "Content-Type: text/html; charset=utf-8\r\n\r\n"
#define BOTH MIME "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n" \
	"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
#define END "\r\n--b--\r\n"
#define TEXT "\r\nHello Joe,\r\nhere they are.\r\n"
#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X500 X50 X50 X50 X50 X50 X50 X50 X50 X50 X50

#define NONE MAIL_FLAWS

static const struct {
	const char *letter;
	enum mail_flaw flaws[3];
} table[] = {
	{ HEAD TEXT, { NONE } },
	{ HEAD BOTH "<p>Hello <a href=\"https://www.example.net/x@y\">there</a>" END, { NONE } },
	{ HEAD MIME "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9f" "e\r\n", { NONE } },
	{ TO SUBJECT DATE ID TEXT, { FLAW_NO_FROM, NONE } },
	{ "From: nobody\r\n" TO SUBJECT DATE ID TEXT, { FLAW_NO_FROM, NONE } },
	{ HEAD FROM TEXT, { FLAW_TWICE, NONE } },
	{ HEAD "subject: again\r\n" TEXT, { FLAW_TWICE, NONE } },
	{ FROM SUBJECT DATE ID TEXT, { FLAW_NO_TO, NONE } },
	{ FROM "Cc: joe@example.org\r\n" SUBJECT DATE ID TEXT, { NONE } },
	{ FROM TO DATE ID TEXT, { FLAW_NO_SUBJECT, NONE } },
	{ FROM TO "Subject: =?utf-8?Q?_?=\r\n" DATE ID TEXT, { FLAW_NO_SUBJECT, NONE } },
	{ FROM TO "Subject: READ THIS NOW\r\n" DATE ID TEXT, { FLAW_LOUD_SUBJECT, NONE } },
	{ FROM TO "Subject: RFC 8601\r\n" DATE ID TEXT, { NONE } },
	{ FROM TO "Subject: Gr\xc3\xbc\xc3\x9f" "e\r\n" DATE ID TEXT, { FLAW_RAW_HEADER, NONE } },
	{ FROM TO SUBJECT ID TEXT, { FLAW_NO_DATE, NONE } },
	{ FROM TO SUBJECT "Date: soon\r\n" ID TEXT, { FLAW_BAD_DATE, NONE } },
	{ FROM TO SUBJECT "Date: Mon, 24 Nov 2025 11:59:00 +0000\r\n" ID TEXT, { FLAW_BAD_DATE, NONE } },
	{ FROM TO SUBJECT DATE TEXT, { FLAW_NO_MESSAGE_ID, NONE } },
	{ FROM TO SUBJECT DATE "Message-ID: 1@mail.example.net\r\n" TEXT, { FLAW_BAD_MESSAGE_ID, NONE } },
	{ FROM TO SUBJECT DATE "Message-ID: <1@localhost>\r\n" TEXT, { FLAW_BAD_MESSAGE_ID, NONE } },
	{ FROM TO SUBJECT DATE "Message-ID: <@a.b>\r\n" TEXT, { FLAW_BAD_MESSAGE_ID, NONE } },
	{ FROM TO SUBJECT DATE "Message-ID: <>\r\n" TEXT, { FLAW_BAD_MESSAGE_ID, NONE } },
	{ HEAD "no field\r\n" TEXT, { FLAW_MALFORMED, NONE } },
	{ HEAD "Reply-To: jane@mail.example.net\r\n" TEXT, { NONE } },
	{ HEAD "Reply-To: jane@example.com\r\n" TEXT, { FLAW_REPLY_ELSEWHERE, NONE } },
	{ HEAD TEXT X500 X500 "\r\n", { FLAW_LONG_LINE, NONE } },
	{ HEAD TEXT X500 X50 X50 X50 X50 X50 X50 X50 X50 X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n", { NONE } },
	{ HEAD "List-Id: <l.example.net>\r\n" TEXT, { FLAW_NO_UNSUBSCRIBE, NONE } },
	{ HEAD "Precedence: bulk\r\nList-Unsubscribe: <mailto:leave@example.net?subject=x>\r\n" TEXT, { FLAW_NO_ONE_CLICK, NONE } },
	{ HEAD "List-Unsubscribe: <mailto:l@x.example>, <https://l.example.net/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" TEXT, { NONE } },
	{ HEAD "List-Unsubscribe: <https://track.example.com/?u=example.net>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" TEXT,
	  { FLAW_UNSUBSCRIBE_ELSEWHERE, NONE } },
	{ HEAD "\r\nGr\xc3\xbc\xc3\x9f" "e\r\n", { FLAW_NO_MIME, NONE } },
	{ HEAD MIME "Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdf" "e\r\n", { FLAW_NO_MIME, NONE } },
	{ HEAD "Content-Type: text/plain; charset=utf-8\r\n" TEXT, { FLAW_NO_MIME_VERSION, NONE } },
	{ HEAD MIME "Content-Type: multipart/mixed; boundary=never\r\n" TEXT, { FLAW_BROKEN_MIME, FLAW_EMPTY, NONE } },
	{ HEAD "\r\n", { FLAW_EMPTY, NONE } },
	{ HEAD HTML "<p>Hello Joe, here they are.", { FLAW_HTML_ONLY, NONE } },
	{ HEAD BOTH "<p>Hello <img src=\"cid:1\">" END, { FLAW_IMAGES, NONE } },
	{ HEAD BOTH "<p>" X50 " " X50 "<img src=\"cid:1\">" END, { NONE } },
	{ HEAD BOTH "<p>Hello <imgx>" END, { NONE } },
	{ HEAD BOTH "<p>Hello <SCRIPT>x</SCRIPT>" END, { FLAW_SCRIPT, NONE } },
	{ HEAD BOTH "<p>Hello <form action=x>" END, { FLAW_SCRIPT, NONE } },
	{ HEAD BOTH "<a href=http://192.0.2.7:8080/x>" END, { FLAW_IP_LINK, NONE } },
	{ HEAD "\r\nSee HTTP://[2001:db8::1]/\r\n", { FLAW_IP_LINK, NONE } },
	{ HEAD "\r\nSee https://3221225985/ now\r\n", { FLAW_IP_LINK, NONE } },
	{ HEAD "\r\nSee https://1.example.net/ and smtp://192.0.2.1\r\n", { NONE } },
	{ HEAD "\r\nSee https://www.bank.example@evil.example/\r\n", { FLAW_CREDENTIAL_LINK, NONE } },
	{ HEAD MIME "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\nContent-Type: application/octet-stream; name=a.pdf\r\n"
	  "Content-Disposition: attachment; filename=\"invoice.pdf.EXE\"\r\n\r\nMZ\r\n--b--\r\n", { FLAW_PROGRAM, NONE } },
	{ HEAD MIME "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n", { NONE } },
};

static bool wants(const enum mail_flaw *list, unsigned flaw)
{
	for (; *list != NONE; list++)
		if (*list == flaw)
			return true;
	return false;
}

static void check(const char *z, const enum mail_flaw *flaws, size_t row)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	size_t n = strlen(z);
	char *exact = malloc(n + 1);
	struct mail_score s;
	unsigned left = MAIL_SCORE_FULL;

	memcpy(exact, z, n);
	assert_true(mail_score_read(str_of(exact, n), NOW, &a, &s));
	for (unsigned f = 0; f < MAIL_FLAWS; f++) {
		if (s.has[f] != wants(flaws, f))
			fail_msg("row %zu: %s %s (" STR_FMT ")", row, mail_flaw_row((enum mail_flaw)f)->id, s.has[f] ? "too much" : "missing",
				 STR_ARG(s.detail[f]));
		left -= s.has[f] ? mail_flaw_row((enum mail_flaw)f)->tenths : 0;
	}
	assert_int_equal(mail_score_left(&s), left);
	free(exact);
}

static void test_rows(void **state)
{
	static bool seen[MAIL_FLAWS];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		check(table[i].letter, table[i].flaws, i);
		for (size_t k = 0; table[i].flaws[k] != NONE; k++)
			seen[table[i].flaws[k]] = true;
	}
	for (unsigned f = FLAW_MALFORMED; f < FLAW_BIG; f++)
		if (!seen[f])
			fail_msg("no row for %s", mail_flaw_row((enum mail_flaw)f)->id);
}

static void test_who(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	struct mail_score s;

	(void)state;
	assert_true(mail_score_read(S("Return-Path: <b@bounce.example>\n" HEAD "\nHello\n"), NOW, &a, &s));
	assert_true(str_eq(s.from, S("jane@example.net")) && str_eq(s.return_path, S("b@bounce.example")));
	assert_true(mail_score_read(S("Return-Path: <>\n\n"), NOW, &a, &s));
	assert_true(!s.from.n && !s.return_path.n);
	for (unsigned f = 0; f < MAIL_FLAWS; f++)
		mail_score_add(&s, (enum mail_flaw)f, S(""));
	assert_int_equal(mail_score_left(&s), 0);        /* never less */
}

static void test_big(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	size_t n = MAIL_SCORE_BIG + 100;
	char *p = malloc(n);
	struct mail_score s;

	(void)state;
	memset(p, '\n', n);
	memcpy(p, HEAD, sizeof(HEAD) - 1);
	assert_true(mail_score_read(str_of(p, n), NOW, &a, &s));
	assert_true(s.has[FLAW_BIG]);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_who), cmocka_unit_test(test_big) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
