/* smtpd_verbs_test.c — the order of commands (RFC 5321 §4.1.4, 3030 §2, 3207 §4). */
#include "role/smtpd/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { HELLO = HAS_HELLO, MAIL = HELLO | HAS_MAIL, RCPT = MAIL | HAS_RCPT, CHUNKS = RCPT | HAS_CHUNKS };

static const struct {
	enum smtp_verb verb;
	unsigned has;
	enum reply_id want;
} rows[] = {
	{ SMTP_EHLO, 0, REPLY_NONE },
	{ SMTP_EHLO, CHUNKS | HAS_TLS, REPLY_NONE },
	{ SMTP_HELO, RCPT, REPLY_NONE },
	{ SMTP_MAIL, 0, REPLY_NEED_HELLO },
	{ SMTP_MAIL, HAS_TLS, REPLY_NEED_HELLO },
	{ SMTP_MAIL, HELLO, REPLY_NONE },
	{ SMTP_MAIL, MAIL, REPLY_NESTED_MAIL },
	{ SMTP_MAIL, CHUNKS, REPLY_NESTED_MAIL },
	{ SMTP_RCPT, 0, REPLY_NEED_HELLO },
	{ SMTP_RCPT, HELLO, REPLY_NEED_MAIL },
	{ SMTP_RCPT, MAIL, REPLY_NONE },
	{ SMTP_RCPT, RCPT, REPLY_NONE },
	{ SMTP_RCPT, CHUNKS, REPLY_IN_CHUNKS },
	{ SMTP_DATA, HELLO, REPLY_NEED_MAIL },
	{ SMTP_DATA, MAIL, REPLY_NEED_RCPT },
	{ SMTP_DATA, RCPT, REPLY_NONE },
	{ SMTP_DATA, CHUNKS, REPLY_IN_CHUNKS },
	{ SMTP_BDAT, 0, REPLY_NEED_HELLO },
	{ SMTP_BDAT, HELLO, REPLY_NEED_MAIL },
	{ SMTP_BDAT, MAIL, REPLY_NEED_RCPT },
	{ SMTP_BDAT, RCPT, REPLY_NONE },
	{ SMTP_BDAT, CHUNKS, REPLY_NONE },
	{ SMTP_RSET, 0, REPLY_NONE },
	{ SMTP_NOOP, 0, REPLY_NONE },
	{ SMTP_QUIT, 0, REPLY_NONE },
	{ SMTP_VRFY, RCPT, REPLY_NONE },
	{ SMTP_HELP, 0, REPLY_NONE },
	{ SMTP_AUTH, 0, REPLY_NEED_HELLO },
	{ SMTP_AUTH, HELLO | HAS_TLS, REPLY_NONE },
	{ SMTP_AUTH, MAIL, REPLY_BAD_SEQUENCE },
	{ SMTP_STARTTLS, HELLO, REPLY_NONE },
	{ SMTP_STARTTLS, MAIL, REPLY_BAD_SEQUENCE },
	{ SMTP_STARTTLS, HELLO | HAS_LOGIN, REPLY_BAD_SEQUENCE },
	{ SMTP_STARTTLS, HAS_LOGIN | HAS_TLS, REPLY_TLS_ALREADY },
	{ SMTP_STARTTLS, HAS_TLS, REPLY_TLS_ALREADY },
	{ SMTP_STARTTLS, MAIL | HAS_TLS, REPLY_TLS_ALREADY },
};

static void test_order(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (verb_out_of_place(rows[i].verb, rows[i].has) != rows[i].want)
			fail_msg("%s with %x: %s", smtp_verb_name(rows[i].verb), rows[i].has,
				 reply_row(verb_out_of_place(rows[i].verb, rows[i].has))->text);
}

/* What changes the meaning of all that follows ends a pipelined group (RFC 2920 §3.1). */
static void test_group(void **unused)
{
	(void)unused;
	assert_true(verb_of(SMTP_EHLO)->ends_group && verb_of(SMTP_DATA)->ends_group);
	assert_true(verb_of(SMTP_STARTTLS)->ends_group && verb_of(SMTP_HELO)->ends_group && verb_of(SMTP_AUTH)->ends_group);
	assert_false(verb_of(SMTP_MAIL)->ends_group || verb_of(SMTP_RCPT)->ends_group ||
		     verb_of(SMTP_RSET)->ends_group || verb_of(SMTP_BDAT)->ends_group);
}

static const struct {
	unsigned flags;
	enum reply_id want;
} letters[] = {
	{ 0, REPLY_NONE },
	{ DOT_BARE_CR, REPLY_BARE_NEWLINE },
	{ DOT_BARE_LF, REPLY_BARE_NEWLINE },
	{ DOT_NUL, REPLY_BARE_NEWLINE },
	{ DOT_END_DOUBTFUL, REPLY_BARE_NEWLINE },
	{ DOT_BARE_LF | DOT_TOO_BIG, REPLY_BARE_NEWLINE },
	{ DOT_TOO_BIG, REPLY_TOO_BIG },
	{ DOT_HEADER_BIG, REPLY_HEADER_TOO_BIG },
	{ DOT_HEADER_MANY, REPLY_HEADER_TOO_BIG },
	{ DOT_LINE_LONG, REPLY_LINE_IN_LETTER },
};

static void test_judge(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		assert_int_equal(body_judge(&(struct dot){ .flags = letters[i].flags }), letters[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
