/* smtp_client_reply_test.c — replies as servers send them (RFC 5321 §4.2.1, RFC 2034), and as they must not. */
#include "wire/smtp_client_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	struct str in;
	enum client_reply_state state;
	const char *printed;             /* of DONE */
	const char *enhanced;
	size_t left;                     /* octets behind it */
} rows[] = {
	{ S("250 OK\r\n"), CLIENT_REPLY_DONE, "250 OK", "", 0 },
	{ S("250\r\n"), CLIENT_REPLY_DONE, "250", "", 0 },
	{ S("250 \r\n"), CLIENT_REPLY_DONE, "250", "", 0 },
	{ S("250 OK\n"), CLIENT_REPLY_DONE, "250 OK", "", 0 },
	{ S("250 OK\r\n250 more"), CLIENT_REPLY_DONE, "250 OK", "", 8 },
	{ S("550 5.1.1 No such user\r\n"), CLIENT_REPLY_DONE, "550 5.1.1 No such user", "5.1.1", 0 },
	{ S("550-5.1.1 No such user;\r\n550 5.1.1 try never\r\n"), CLIENT_REPLY_DONE, "550 5.1.1 No such user; try never", "5.1.1", 0 },
	{ S("550-5.1.1\r\n550 gone\r\n"), CLIENT_REPLY_DONE, "550 5.1.1 gone", "5.1.1", 0 },
	{ S("550 4.1.1 the class differs\r\n"), CLIENT_REPLY_DONE, "550 4.1.1 the class differs", "", 0 },
	{ S("550 5.1 no enhanced code\r\n"), CLIENT_REPLY_DONE, "550 5.1 no enhanced code", "", 0 },
	{ S("550 5.1.1234 too long\r\n"), CLIENT_REPLY_DONE, "550 5.1.1234 too long", "", 0 },
	{ S("250-a\r\n250-b\r\n250 c\r\n"), CLIENT_REPLY_DONE, "250 a b c", "", 0 },
	{ S("250-\r\n250 c\r\n"), CLIENT_REPLY_DONE, "250 c", "", 0 },
	{ S("421 \x1b[2J\a\0x\x7f\xff\xc2\x85\xe2\x80\xae \xc3\xbc\r\n"), CLIENT_REPLY_DONE, "421 ?[2J??x???? \xc3\xbc", "", 0 },
	{ S("250 a\rb\r\n"), CLIENT_REPLY_DONE, "250 a?b", "", 0 },
	{ S("250 a\tb\r\n"), CLIENT_REPLY_DONE, "250 a b", "", 0 },
	{ S("354 go\r\n"), CLIENT_REPLY_DONE, "354 go", "", 0 },
	{ S("250-a\r\n"), CLIENT_REPLY_MORE, NULL, NULL, 0 },
	{ S("250 a"), CLIENT_REPLY_MORE, NULL, NULL, 0 },
	{ S("25"), CLIENT_REPLY_MORE, NULL, NULL, 0 },
	{ S(""), CLIENT_REPLY_MORE, NULL, NULL, 0 },
	{ S("250-a\r\n550 b\r\n"), CLIENT_REPLY_NONSENSE, NULL, NULL, 0 },
	{ S("\r\n"), CLIENT_REPLY_NONSENSE, NULL, NULL, 0 },
	{ S("250_a\r\n"), CLIENT_REPLY_NONSENSE, NULL, NULL, 0 },
	{ S("150 a\r\n"), CLIENT_REPLY_NONSENSE, NULL, NULL, 0 },
	{ S("650 a\r\n"), CLIENT_REPLY_NONSENSE, NULL, NULL, 0 },
	{ S("25 a\r\n"), CLIENT_REPLY_NONSENSE, NULL, NULL, 0 },
	{ S("HTTP/1.1 400 Bad"), CLIENT_REPLY_NONSENSE, NULL, NULL, 0 },
	{ S("+OK ready\r\n"), CLIENT_REPLY_NONSENSE, NULL, NULL, 0 },
};

/* In pieces of `step` octets, each in a block of its own size. */
static enum client_reply_state feed(struct client_reply *r, struct str in, size_t step, size_t *ret_left)
{
	enum client_reply_state state = CLIENT_REPLY_MORE;

	client_reply_begin(r);
	while (in.n && state == CLIENT_REPLY_MORE) {
		struct str piece = str_head(in, step), rest;
		char *exact = malloc(piece.n);

		memcpy(exact, piece.p, piece.n);
		rest = str_of(exact, piece.n);
		state = client_reply_feed(r, &rest);
		in = str_from(in, piece.n - rest.n);
		free(exact);
	}
	*ret_left = in.n;
	return state;
}

static void test_rows(void **state)
{
	static struct client_reply r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step <= rows[i].in.n + 1; step++) {
			char mem[512];
			struct buf b = buf_over(mem, sizeof(mem));
			size_t left;

			assert_int_equal(feed(&r, rows[i].in, step, &left), rows[i].state);
			if (rows[i].state != CLIENT_REPLY_DONE)
				continue;
			client_reply_print(&r, &b, 400);
			if (!str_eq(buf_str(&b), str_from_z(rows[i].printed)))
				fail_msg("%zu: " STR_FMT, i, STR_ARG(buf_str(&b)));
			assert_true(str_eq(client_reply_enhanced(&r), str_from_z(rows[i].enhanced)));
			assert_int_equal(left, rows[i].left);
		}
}

/* E3: a reply of a megabyte, in lines and in one, takes no memory and ends. */
static void test_E3_endless(void **state)
{
	static struct client_reply r;
	static char big[1 << 20];
	struct str in;

	(void)state;
	for (size_t i = 0; i + 10 <= sizeof(big); i += 10)
		memcpy(big + i, "553-abcd\r\n", 10);
	client_reply_begin(&r);
	in = str_of(big, sizeof(big));
	assert_int_equal(client_reply_feed(&r, &in), CLIENT_REPLY_ENDLESS);
	memset(big, 'x', sizeof(big));
	memcpy(big, "553 ", 4);
	client_reply_begin(&r);
	in = str_of(big, sizeof(big));
	assert_int_equal(client_reply_feed(&r, &in), CLIENT_REPLY_ENDLESS);
	/* a long one that ends is cut */
	big[100000] = '\n';
	client_reply_begin(&r);
	in = str_of(big, 100001);
	assert_int_equal(client_reply_feed(&r, &in), CLIENT_REPLY_DONE);
	assert_int_equal(r.code, 553);
	assert_int_equal(r.text_n, CLIENT_REPLY_LINE_MAX - 4);
	/* of many lines the first are kept */
	for (size_t i = 0; i < 10000; i += 10)
		memcpy(big + i, "553-abcd\r\n", 10);
	memcpy(big + 10000, "553 z\r\n", 7);
	client_reply_begin(&r);
	in = str_of(big, 10007);
	assert_int_equal(client_reply_feed(&r, &in), CLIENT_REPLY_DONE);
	assert_int_equal(r.text_n, CLIENT_REPLY_LINES_MAX * 5 - 1);
}

/* A cut falls between characters. */
static void test_print_max(void **state)
{
	static struct client_reply r;
	struct str in = S("550 a\xc3\xbc\xc3\xbc\r\n");
	char mem[64];
	struct buf b = buf_over(mem, sizeof(mem));

	(void)state;
	client_reply_begin(&r);
	assert_int_equal(client_reply_feed(&r, &in), CLIENT_REPLY_DONE);
	client_reply_print(&r, &b, 8);
	assert_true(str_eq(buf_str(&b), S("550 a\xc3\xbc")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_E3_endless),
		cmocka_unit_test(test_print_max),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
