/* header_sender_test.c — whom in a header one could answer: tables of RFC 5322 §3.4 and RFC 5321 §5.1. */
#include "trust/header_sender.h"

#include "base/buf.h"
#include "trust/trust_dns_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char zone[] =
	"mx.example MX 10 mail.mx.example\n"
	"mx2.example MX 10 mail.mx.example\n"
	"null.example MX 0 .\n"
	"slow.example TEMP\n"
	"text.example TXT \"v=spf1\"\n";

static const struct {
	const char *head;
	enum header_sender_result result;
	const char *piece, *why;
} rows[] = {
	{ "From: A <a@mx.example>\r\n", HEADER_SENDER_GOOD, "a@mx.example", "" },
	{ "from : \"x\" (c)\r\n <a@MX.example>\r\nSubject: x\r\n", HEADER_SENDER_GOOD, "a@mx.example", "" },
	/* one is enough, of whichever field */
	{ "From: a@nowhere.example\r\nReply-To: b@mx.example\r\n", HEADER_SENDER_GOOD, "b@mx.example", "" },
	{ "From: a@nowhere.example, b@mx.example\r\n", HEADER_SENDER_GOOD, "b@mx.example", "" },
	{ "From: slow@slow.example\r\nSender: b@mx.example\r\n", HEADER_SENDER_GOOD, "b@mx.example", "" },
	{ "From: friends: a@null.example, b@mx.example;\r\n", HEADER_SENDER_GOOD, "b@mx.example", "" },
	/* none is */
	{ "Reply-To: b@text.example\r\nFrom: a@nowhere.example\r\n", HEADER_SENDER_BAD, "a@nowhere.example",
	  "From: \"a@nowhere.example\": there is no such domain" },
	{ "From: a@null.example\r\n", HEADER_SENDER_BAD, "a@null.example",
	  "From: \"a@null.example\": the domain says that it takes no mail (null MX)" },
	{ "From: a@text.example\r\n", HEADER_SENDER_BAD, "a@text.example",
	  "From: \"a@text.example\": the domain has neither MX nor address records" },
	{ "From: a@[192.0.2.1]\r\n", HEADER_SENDER_BAD, "a@[192.0.2.1]", "From: \"a@[192.0.2.1]\": it has no domain" },
	{ "From: MAILER-DAEMON\r\n", HEADER_SENDER_BAD, "MAILER-DAEMON", "From: \"MAILER-DAEMON\": it is no address" },
	{ "From: <>\r\n", HEADER_SENDER_BAD, "", "there is no address in From, Sender or Reply-To" },
	{ "From: friends:;\r\n", HEADER_SENDER_BAD, "", "there is no address in From, Sender or Reply-To" },
	{ "To: a@mx.example\r\n\r\nFrom: a@mx.example\r\n", HEADER_SENDER_BAD, "", "there is no address in From, Sender or Reply-To" },
	{ "", HEADER_SENDER_BAD, "", "there is no address in From, Sender or Reply-To" },
	{ "From: a@-x-.b..c\r\n", HEADER_SENDER_BAD, NULL, NULL },
	/* what is quoted is printable */
	{ "From: \"\x1b]0;x\xff\"@nowhere.example\r\n", HEADER_SENDER_BAD, NULL, "From: \"?]0;x?@nowhere.example\": there is no such domain" },
	/* not known */
	{ "From: a@slow.example\r\nSender: b@nowhere.example\r\n", HEADER_SENDER_TEMP, "a@slow.example",
	  "From: \"a@slow.example\": the domain's MX records could not be asked for" },
};

static void test_rows(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct trust_dns_table t;
	struct trust_dns dns = trust_dns_of_table(&t);
	struct header_sender r;
	struct err e;

	(void)state;
	assert_true(trust_dns_table_read(str_from_z(zone), &a, &t, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(header_sender_check(&dns, str_from_z(rows[i].head), &a, &r, &e));
		if (r.result != rows[i].result || (rows[i].piece && !str_eq(r.piece, str_from_z(rows[i].piece))) ||
		    (rows[i].why && !str_eq(r.why, str_from_z(rows[i].why))))
			fail_msg("%s: %d, " STR_FMT ", " STR_FMT, rows[i].head, r.result, STR_ARG(r.piece), STR_ARG(r.why));
	}
}

/* Whoever writes a hundred domains into From makes us ask for a few. */
static void test_limit(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf head = buf_on_heap(8192);
	struct trust_dns_table t;
	struct trust_dns dns = trust_dns_of_table(&t);
	struct header_sender r;
	struct err e;

	(void)state;
	assert_true(trust_dns_table_read(str_from_z(zone), &a, &t, &e));
	buf_add(&head, S("From: "));
	for (int i = 0; i < HEADER_SENDER_DOMAINS_MAX; i++)
		buf_addf(&head, "a@nowhere-%d.example, ", i);
	buf_add(&head, S("b@mx.example\r\n"));
	assert_true(header_sender_check(&dns, buf_str(&head), &a, &r, &e));
	assert_int_equal(r.result, HEADER_SENDER_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "J5 whom one could answer", test_rows, NULL, NULL, NULL },
		{ "a crowd in From asks few questions", test_limit, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
