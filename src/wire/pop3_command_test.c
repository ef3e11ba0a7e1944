/* pop3_command_test.c — lines of POP3 and the replies that refuse them. */
#include "wire/pop3_command.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
	struct str line;
	enum pop3_verb verb;
	enum pop3_reply_id why;
	struct str arg;
	uint32_t number;
	uint64_t lines;
};
#define OK POP3_REPLY_NONE, { 0 }, 0, 0
#define NO(why) POP3_REPLY_##why, { 0 }, 0, 0

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = rows[i].line.n;
		char *p = malloc(len ? len : 1);
		struct pop3_command c;
		enum pop3_reply_id why;
		bool ok;

		assert_non_null(p);
		if (len)
			memcpy(p, rows[i].line.p, len);
		ok = pop3_command_parse(str_of(p, len), &c, &why);
		if (why != rows[i].why || ok != (why == POP3_REPLY_NONE) || c.verb != rows[i].verb)
			fail_msg(STR_FMT ": %s, %s", STR_ARG(rows[i].line), pop3_verb_name(c.verb), pop3_reply_row(why)->name);
		if (ok && (!str_eq(c.arg, rows[i].arg) || c.number != rows[i].number || c.lines != rows[i].lines))
			fail_msg(STR_FMT ": " STR_FMT " %u", STR_ARG(rows[i].line), STR_ARG(c.arg), c.number);
		free(p);
	}
}

static void test_lines(void **state)
{
	static const struct row rows[] = {
		/* RFC 1939 */
		{ S("USER mrose"), POP3_USER, POP3_REPLY_NONE, S("mrose"), 0, 0 }, { S("PASS secret"), POP3_PASS, POP3_REPLY_NONE, S("secret"), 0, 0 },
		{ S("PASS  a b "), POP3_PASS, POP3_REPLY_NONE, S(" a b "), 0, 0 }, { S("pass"), POP3_PASS, NO(ARGUMENT_MISSING) },
		{ S("USER"), POP3_USER, NO(ARGUMENT_MISSING) }, { S("USER \xff"), POP3_USER, NO(ARGUMENT_BAD) }, { S("USER \xc3\xbc"), POP3_USER, POP3_REPLY_NONE, S("\xc3\xbc"), 0, 0 },
		{ S("STAT"), POP3_STAT, OK }, { S("stat "), POP3_STAT, OK }, { S("STAT 1"), POP3_STAT, NO(NO_ARGUMENT_ALLOWED) },
		{ S("LIST"), POP3_LIST, OK }, { S("LIST 2"), POP3_LIST, POP3_REPLY_NONE, { 0 }, 2, 0 }, { S("LIST x"), POP3_LIST, NO(ARGUMENT_BAD) },
		{ S("RETR 1"), POP3_RETR, POP3_REPLY_NONE, { 0 }, 1, 0 }, { S("RETR"), POP3_RETR, NO(ARGUMENT_MISSING) }, { S("RETR 0"), POP3_RETR, NO(NO_LETTER) },
		{ S("RETR -1"), POP3_RETR, NO(ARGUMENT_BAD) }, { S("RETR 1 2"), POP3_RETR, NO(ARGUMENT_BAD) }, { S("DELE 2"), POP3_DELE, POP3_REPLY_NONE, { 0 }, 2, 0 },
		{ S("NOOP"), POP3_NOOP, OK }, { S("RSET"), POP3_RSET, OK }, { S("QUIT"), POP3_QUIT, OK }, { S("TOP 1 10"), POP3_TOP, POP3_REPLY_NONE, { 0 }, 1, 10 },
		{ S("TOP 1"), POP3_TOP, NO(ARGUMENT_MISSING) }, { S("TOP 1 x"), POP3_TOP, NO(ARGUMENT_BAD) }, { S("TOP"), POP3_TOP, NO(ARGUMENT_MISSING) }, { S("TOP 1 0"), POP3_TOP, POP3_REPLY_NONE, { 0 }, 1, 0 },
		{ S("UIDL"), POP3_UIDL, OK }, { S("UIDL 2"), POP3_UIDL, POP3_REPLY_NONE, { 0 }, 2, 0 }, { S("APOP mrose c4c9334bac560ecc979e58001b3e22fb"), POP3_APOP, POP3_REPLY_NONE, S("mrose c4c9334bac560ecc979e58001b3e22fb"), 0, 0 },
		/* RFC 2449, 2595, 5034, 6856 */
		{ S("CAPA"), POP3_CAPA, OK }, { S("STLS"), POP3_STLS, OK }, { S("UTF8"), POP3_UTF8, OK }, { S("LANG *"), POP3_LANG, POP3_REPLY_NONE, S("*"), 0, 0 },
		{ S("AUTH"), POP3_AUTH, OK }, { S("AUTH PLAIN"), POP3_AUTH, OK }, { S("AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q="), POP3_AUTH, POP3_REPLY_NONE, S("dGVzdAB0ZXN0AHRlc3Q="), 0, 0 },
		{ S("AUTH EXTERNAL ="), POP3_AUTH, POP3_REPLY_NONE, S("="), 0, 0 }, { S("AUTH PLAIN a b"), POP3_AUTH, NO(ARGUMENT_BAD) }, { S("AUTH PL.N"), POP3_AUTH, NO(ARGUMENT_BAD) },
		{ S("AUTH  PLAIN"), POP3_AUTH, NO(ARGUMENT_BAD) }, { S(""), POP3_UNKNOWN, NO(UNKNOWN_COMMAND) }, { S(" STAT"), POP3_UNKNOWN, NO(UNKNOWN_COMMAND) }, { S("XFOO"), POP3_UNKNOWN, NO(UNKNOWN_COMMAND) },
		{ S("GET / HTTP/1.1"), POP3_FOREIGN, NO(FOREIGN) }, { S("\x16\x03\x01"), POP3_FOREIGN, NO(FOREIGN) }, { S("STAT\0"), POP3_UNKNOWN, NO(UNKNOWN_COMMAND) },
		{ S("USER a\0b"), POP3_USER, NO(BARE_IN_COMMAND) }, { S("PASS a\rb"), POP3_PASS, NO(BARE_IN_COMMAND) },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void test_g10(void **state)
{
	static const struct row rows[] = {
		{ S("TOP 1 18446744073709551615"), POP3_TOP, POP3_REPLY_NONE, { 0 }, 1, UINT64_MAX }, { S("TOP 1 18446744073709551616"), POP3_TOP, POP3_REPLY_NONE, { 0 }, 1, UINT64_MAX },
		{ S("RETR 4294967296"), POP3_RETR, POP3_REPLY_NONE, { 0 }, UINT32_MAX, 0 }, { S("UIDL 99999999999999999999999"), POP3_UIDL, POP3_REPLY_NONE, { 0 }, UINT32_MAX, 0 },
		{ S("DELE 00000001"), POP3_DELE, POP3_REPLY_NONE, { 0 }, 1, 0 },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void test_replies(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4096);
	static char huge[1000];

	(void)state;
	pop3_reply_add(&b, POP3_REPLY_AUTH_FAILED, S(""));
	pop3_reply_add(&b, POP3_REPLY_OK, S("2 320\r\n"));
	assert_true(str_eq(buf_str(&b), S("-ERR [AUTH] user name or password is wrong\r\n+OK 2 320??\r\n")));
	memset(huge, 'x', sizeof(huge));
	buf_clear(&b);
	pop3_reply_add(&b, POP3_REPLY_TEMP, str_of(huge, sizeof(huge)));
	assert_true(b.n <= POP3_REPLY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_g10), cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
