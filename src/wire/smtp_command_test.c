/* smtp_command_test.c — command lines and the replies that refuse them. */
#include "wire/smtp_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
	struct str line;
	unsigned code;           /* of the refusal, 0: taken */
	enum smtp_verb verb;
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		AUTO(arena_end) struct arena a = { 0 };
		size_t len = rows[i].line.n;
		char *p = malloc(len ? len : 1);
		struct smtp_command c;
		enum reply_id why = REPLY_NONE;

		assert_non_null(p);
		if (len)
			memcpy(p, rows[i].line.p, len);
		smtp_command_parse(str_of(p, len), 0, &a, &c, &why);
		if (reply_row(why)->code != rows[i].code || c.verb != rows[i].verb)
			fail_msg(STR_FMT ": verb %d, %s", STR_ARG(rows[i].line), c.verb, reply_row(why)->name);
		free(p);
	}
}

static void test_verbs(void **state)
{
	static const struct row rows[] = {
		{ S("EHLO mx.example"), 0, SMTP_EHLO }, { S("ehlo mx.example  "), 0, SMTP_EHLO },
		{ S("HELO [192.0.2.1]"), 0, SMTP_HELO }, { S("EHLO"), 501, SMTP_EHLO }, { S("EHLO "), 501, SMTP_EHLO },
		{ S("MAIL FROM:<>"), 0, SMTP_MAIL }, { S("mail from: <a@b>"), 0, SMTP_MAIL },
		{ S("MAIL FROM:a@b"), 501, SMTP_MAIL }, { S("MAIL"), 501, SMTP_MAIL }, { S("MAIL TO:<a@b>"), 501, SMTP_MAIL },
		{ S("MAIL FROM <a@b>"), 501, SMTP_MAIL }, { S("MAIL FROM:<a@b>SIZE=1"), 501, SMTP_MAIL },
		{ S("MAILFROM:<a@b>"), 500, SMTP_UNKNOWN }, { S("MAI"), 500, SMTP_UNKNOWN }, { S(""), 500, SMTP_UNKNOWN },
		{ S("MAIL FROM:<a@b"), 501, SMTP_MAIL }, { S("RCPT TO:<a@b NOTIFY=NEVER"), 501, SMTP_RCPT },
		{ S("MAIL FROM:<"), 501, SMTP_MAIL }, { S("RCPT TO:<@x,@y:a@b>"), 0, SMTP_RCPT },
		{ S("RCPT TO:<@x,y:a@b>"), 553, SMTP_RCPT }, { S("MAIL FROM:<@ü.example:a@b>"), 553, SMTP_MAIL },
		{ S("MAIL FROM:<a>"), 553, SMTP_MAIL }, { S("MAIL FROM:<a@b> SIZE=0 BODY=7bit"), 0, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> SIZE=1 SIZE=1"), 501, SMTP_MAIL }, { S("MAIL FROM:<a@b> SIZE=-1"), 501, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> SIZE="), 501, SMTP_MAIL }, { S("MAIL FROM:<a@b> SIZE"), 501, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> SIZE=99999999999999999999"), 0, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> SIZE=100000000000000000000"), 501, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> BODY=BINARYMIME"), 504, SMTP_MAIL }, { S("MAIL FROM:<a@b> BODY=x"), 501, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> REQUIRETLS"), 555, SMTP_MAIL }, { S("MAIL FROM:<a@b> X=1"), 555, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> NOTIFY=NEVER"), 555, SMTP_MAIL }, { S("MAIL FROM:<a@b> SMTPUTF8"), 0, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> SMTPUTF8=1"), 501, SMTP_MAIL }, { S("MAIL FROM:<ü@b> SMTPUTF8"), 0, SMTP_MAIL },
		{ S("MAIL FROM:<ü@b>"), 553, SMTP_MAIL }, { S("MAIL FROM:<a@b> RET=full ENVID=x+2By"), 0, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> RET=X"), 501, SMTP_MAIL }, { S("MAIL FROM:<a@b> AUTH=<>"), 0, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com"), 0, SMTP_MAIL }, { S("MAIL FROM:<a@b> AUTH=x"), 501, SMTP_MAIL },
		{ S("RCPT TO:<postmaster>"), 0, SMTP_RCPT }, { S("RCPT TO:<>"), 553, SMTP_RCPT },
		{ S("RCPT TO:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b"), 0, SMTP_RCPT },
		{ S("RCPT TO:<a@b> NOTIFY=NEVER,DELAY"), 501, SMTP_RCPT }, { S("RCPT TO:<a@b> NOTIFY="), 501, SMTP_RCPT },
		{ S("RCPT TO:<a@b> NOTIFY=DELAY,"), 501, SMTP_RCPT }, { S("RCPT TO:<a@b> ORCPT=rfc822"), 501, SMTP_RCPT },
		{ S("RCPT TO:<a@b> SIZE=1"), 555, SMTP_RCPT }, { S("RCPT TO:<u@a>,<v@b>"), 501, SMTP_RCPT },
		{ S("DATA"), 0, SMTP_DATA }, { S("DATA x"), 501, SMTP_DATA }, { S("RSET"), 0, SMTP_RSET },
		{ S("QUIT now"), 501, SMTP_QUIT }, { S("NOOP anything"), 0, SMTP_NOOP }, { S("HELP"), 0, SMTP_HELP },
		{ S("VRFY"), 501, SMTP_VRFY }, { S("VRFY a"), 0, SMTP_VRFY }, { S("EXPN list"), 0, SMTP_EXPN },
		{ S("STARTTLS"), 0, SMTP_STARTTLS }, { S("STARTTLS x"), 501, SMTP_STARTTLS },
		{ S("AUTH PLAIN"), 0, SMTP_AUTH }, { S("AUTH PLAIN AGEAYg=="), 0, SMTP_AUTH }, { S("AUTH"), 501, SMTP_AUTH },
		{ S("AUTH PLAIN a b"), 501, SMTP_AUTH }, { S("ETRN example.org"), 502, SMTP_UNKNOWN },
		{ S("XCLIENT ADDR=127.0.0.1"), 502, SMTP_UNKNOWN }, { S("FOO"), 500, SMTP_UNKNOWN },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void test_a29_foreign(void **state)
{
	static const struct row rows[] = {
		{ S("POST / HTTP/1.1"), 421, SMTP_FOREIGN }, { S("GET /\r"), 421, SMTP_FOREIGN },
		{ S("PRI * HTTP/2.0"), 421, SMTP_FOREIGN }, { S("CONNECT a:25"), 421, SMTP_FOREIGN },
		{ S("INVITE sip:a@b SIP/2.0"), 421, SMTP_FOREIGN }, { S("\x16\x03\x01\x02"), 421, SMTP_FOREIGN },
		{ S("\0\0"), 421, SMTP_FOREIGN }, { S("\xff\xfb"), 421, SMTP_FOREIGN }, { S("SSH-2.0-x"), 421, SMTP_FOREIGN },
		{ S("PROXY TCP4 127.0.0.1 127.0.0.1 1 25"), 421, SMTP_FOREIGN }, { S("Host: x"), 500, SMTP_UNKNOWN },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void test_b17_to_b23(void **state)
{
	static const struct row rows[] = {
		/* B17 */
		{ S("VRFY \"ü@x\""), 553, SMTP_VRFY }, { S("VRFY \"ü@x\" SMTPUTF8"), 0, SMTP_VRFY },
		{ S("EHLO x\xc3"), 501, SMTP_EHLO }, { S("MAIL FROM:<\xc3@b> SMTPUTF8"), 553, SMTP_MAIL },
		/* B19 */
		{ S("BDAT 0"), 0, SMTP_BDAT }, { S("BDAT 0 LAST"), 0, SMTP_BDAT }, { S("BDAT 1 last"), 0, SMTP_BDAT },
		{ S("BDAT 18446744073709551615"), 0, SMTP_BDAT }, { S("BDAT 18446744073709551616"), 501, SMTP_BDAT },
		{ S("BDAT -1"), 501, SMTP_BDAT }, { S("BDAT ."), 501, SMTP_BDAT }, { S("BDAT"), 501, SMTP_BDAT },
		{ S("BDAT 1 LAST x"), 501, SMTP_BDAT }, { S("BDAT 1 2"), 501, SMTP_BDAT }, { S("BDAT +1"), 501, SMTP_BDAT },
		/* B20 */
		{ S("RCPT TO:<\"\">"), 553, SMTP_RCPT }, { S("RCPT TO:<\"\"@d>"), 553, SMTP_RCPT },
		{ S("RCPT TO:<@>"), 553, SMTP_RCPT }, { S("RCPT TO:<.@d>"), 553, SMTP_RCPT },
		{ S("RCPT TO:<a..b@d>"), 553, SMTP_RCPT },
		/* B21 */
		{ S("MAIL FROM:<a@b> AUTH=a+0Ab@c"), 501, SMTP_MAIL }, { S("MAIL FROM:<a@b> ENVID=a+0Db"), 501, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> ENVID=a+00b"), 501, SMTP_MAIL }, { S("MAIL FROM:<a@b> ENVID=a\nb"), 501, SMTP_MAIL },
		{ S("RCPT TO:<a@b> ORCPT=rfc822;a+0Ab"), 501, SMTP_RCPT }, { S("RCPT TO:<a@b> ORCPT=rfc822;a\0b"), 501, SMTP_RCPT },
		{ S("RCPT TO:<a@b> ORCPT=utf-8;ü@b"), 501, SMTP_RCPT }, { S("RCPT TO:<a@b> ORCPT=utf-8;\\x{0A}@b"), 501, SMTP_RCPT },
		/* B22 */
		{ S("MAIL FROM:<a@b> ="), 501, SMTP_MAIL }, { S("MAIL FROM:<a@b> AUTH===\""), 501, SMTP_MAIL },
		{ S("MAIL FROM:<a@b> AUTH="), 501, SMTP_MAIL }, { S("MAIL FROM:<a@b> =="), 501, SMTP_MAIL },
		/* B23 */
		{ S("EHLO \0"), 501, SMTP_EHLO }, { S("EHLO \xff\xff"), 501, SMTP_EHLO }, { S("NOOP \x1b"), 501, SMTP_NOOP },
		/* E1, D29, D30 */
		{ S("MAIL FROM:<;sleep 66;>"), 553, SMTP_MAIL }, { S("RCPT TO:<u@example.org\0@victim.example>"), 501, SMTP_RCPT },
		{ S("RCPT TO:<u@example.org\r@victim.example>"), 501, SMTP_RCPT },
	};
	static char line[12005];
	AUTO(arena_end) struct arena a = { 0 };
	struct smtp_command c;
	enum reply_id why;

	(void)state;
	check(rows, ARRAY_LEN(rows));
	memset(line, 'x', sizeof(line));
	memcpy(line, "EHLO ", 5);
	assert_false(smtp_command_parse(str_of(line, sizeof(line)), 0, &a, &c, &why));
	assert_int_equal(why, REPLY_LINE_TOO_LONG);
	assert_true(smtp_command_parse(str_of(line, SMTP_LINE_MAX - 2), 0, &a, &c, &why));
	assert_false(smtp_command_parse(str_of(line, SMTP_LINE_MAX - 1), 0, &a, &c, &why));
	memcpy(line, "AUTH x ", 7);
	assert_true(smtp_command_parse(str_of(line, sizeof(line)), 0, &a, &c, &why));
}

static void test_values(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct smtp_command c;
	enum reply_id why;

	(void)state;
	assert_true(smtp_command_parse(S("MAIL FROM:<\"a b\"@c> size=12 BODY=8BITMIME RET=HDRS ENVID=q+2B1 AUTH=<> SMTPUTF8"),
				       0, &a, &c, &why));
	assert_true(str_eq(c.path.local, S("a b")) && str_eq(c.path.domain, S("c")));
	assert_true(c.has_size && c.size == 12 && c.body == SMTP_BODY_8BITMIME && c.ret == DSN_RET_HDRS && c.utf8);
	assert_true(c.has_envid && str_eq(c.envid, S("q+1")) && c.has_auth && str_eq(c.auth, S("<>")));
	assert_true(smtp_command_parse(S("RCPT TO:<a@b> ORCPT=rfc822;A+2Bx@b NOTIFY=FAILURE,delay"), 0, &a, &c, &why));
	assert_true(str_eq(c.orcpt_type, S("rfc822")) && str_eq(c.orcpt, S("A+x@b")));
	assert_int_equal(c.notify, DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY);
	assert_false(smtp_command_parse(S("RCPT TO:<ü@b>"), 0, &a, &c, &why));
	assert_int_equal(why, REPLY_UTF8_NEEDED);
	assert_true(smtp_command_parse(S("RCPT TO:<ü@b> ORCPT=utf-8;ü@b"), SMTP_COMMAND_UTF8, &a, &c, &why));
	assert_true(str_eq(c.orcpt, S("ü@b")));
	/* the form of 7 bits needs no SMTPUTF8 */
	assert_true(smtp_command_parse(S("RCPT TO:<a@b> ORCPT=UTF-8;\\x{FC}@b"), 0, &a, &c, &why));
	assert_true(str_eq(c.orcpt, S("ü@b")));
	assert_true(smtp_command_parse(S("BDAT 86 LAST"), 0, &a, &c, &why) && c.size == 86 && c.is_last);
	assert_true(smtp_command_parse(S("AUTH PLAIN ="), 0, &a, &c, &why) && str_eq(c.arg, S("=")));
	assert_string_equal(smtp_verb_name(SMTP_MAIL), "MAIL");
}

static void test_helo(void **state)
{
	static const struct { struct str name, extra; bool strict, ok; } rows[] = {
		{ S("mx.example.org"), S(""), true, true }, { S("[192.0.2.1]"), S(""), true, true },
		{ S("[IPv6:::1]"), S(""), true, true }, { S("a_b"), S(""), true, false }, { S("a_b"), S("_"), true, true },
		{ S("a_b"), S(""), false, true }, { S("-a"), S(""), true, false }, { S("192.0.2.1"), S(""), true, true },
		{ S("a b"), S(""), false, false }, { S(""), S(""), false, false }, { S("a\x1b"), S(""), false, false },
		{ S("a\0"), S(""), false, false }, { S("\xc3\xbc"), S(""), false, false }, { S("[1.2.3]"), S(""), true, false },
		{ S("[1.2.3]"), S(""), false, true }, { S("a."), S(""), true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (helo_is_valid(rows[i].name, rows[i].extra, rows[i].strict) != rows[i].ok)
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(rows[i].name));
}

static void test_replies(void **state)
{
	static char mem[60000], big[2000];
	static const struct { struct reply r; struct str out; } rows[] = {
		{ { .id = REPLY_NONE }, S("") },
		{ { .id = REPLY_OK }, S("250 2.0.0 OK\r\n") },
		{ { .id = REPLY_GO_AHEAD, .text = S("go") }, S("354 go\r\n") },
		{ { .id = REPLY_HELLO, .text = S("mx\nPIPELINING\nSIZE 1") }, S("250-mx\r\n250-PIPELINING\r\n250 SIZE 1\r\n") },
		{ { .id = REPLY_NO_SUCH_USER, .text = S("a\nb") }, S("550-5.1.1 a\r\n550 5.1.1 b\r\n") },
		/* N1: nothing in it can end the line or speak to a terminal */
		{ { .id = REPLY_REFUSED, .text = S("a\r\x1b]0;\0\x80z") }, S("550 5.7.1 a??]0;??z\r\n") },
		{ { .id = REPLY_REFUSED, .text = S("250 OK\n") }, S("550 5.7.1 250 OK\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = buf_over(mem, sizeof(mem));

		reply_add(&b, &rows[i].r);
		if (!str_eq(buf_str(&b), rows[i].out))
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(buf_str(&b)));
	}
	memset(big, 'x', sizeof(big));
	for (size_t i = 100; i < sizeof(big); i += 37)
		big[i] = i % 2 ? ' ' : '\n';
	for (enum reply_id id = 1; id < REPLY_COUNT; id++) {
		const struct reply_row *row = reply_row(id);
		struct buf b = buf_over(mem, sizeof(mem));
		struct str in, line, want = str_from_z(row->enhanced);

		/* RFC 3463 §2: the class of both codes is the same */
		assert_true(row->code >= 200 && row->code < 600 && row->code % 10 < 10);
		assert_true(want.n == 0 || want.p[0] == (char)('0' + row->code / 100));
		for (int n = 0; n < 3; n++)
			reply_add(&b, &(struct reply){ .id = id, .text = str_of(big, n ? sizeof(big) / (size_t)n : 0) });
		for (in = buf_str(&b); in.n;) {
			line = str_cut(in, '\n', &in);
			assert_true(line.n + 1 <= REPLY_LINE_MAX && str_at(line, line.n - 1) == '\r');
			assert_true(str_eq(str_sub(line, 4, want.n), want));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_a29_foreign),
		cmocka_unit_test(test_b17_to_b23),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_helo),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
