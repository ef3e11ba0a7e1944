/* smtp_extensions_test.c — EHLO answers of real servers. */
#include "wire/smtp_extensions.h"

#include "base/attr.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
	struct str text;
	const char *printed, *name;
	uint64_t size;
	unsigned auth;
} rows[] = {
	{ S("mail.example.net\nPIPELINING\nSIZE 10240000\nVRFY\nETRN\nSTARTTLS\nENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING"),
	  "STARTTLS PIPELINING CHUNKING SIZE 10240000 8BITMIME SMTPUTF8 DSN", "mail.example.net", 10240000, 0 },
	{ S("mx.example Hello [192.0.2.1]\nsize 0\nauth Plain login CRAM-MD5\nauth=SCRAM-SHA-256 PLAIN"),
	  "SIZE AUTH", "mx.example", 0, SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN | SMTP_AUTH_SCRAM_SHA_256 },
	{ S("x\nSIZE 99999999999999999999999\nSTARTTLSX\n STARTTLS"), "STARTTLS SIZE", "x", 0, 0 },
	/* the first line is a greeting, whatever it says */
	{ S("STARTTLS DSN"), "", "STARTTLS", 0, 0 },
	{ S(""), "", "", 0, 0 },
	{ S("\n\n\nDSN\n"), "DSN", "", 0, 0 },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = buf_over((char[256]){ 0 }, 256);
		struct smtp_extensions x;

		smtp_extensions_parse(rows[i].text, &x);
		smtp_extensions_print(&x, &b);
		if (!str_eq(buf_str(&b), str_from_z(rows[i].printed)))
			fail_msg("%zu: " STR_FMT, i, STR_ARG(buf_str(&b)));
		assert_true(str_eq(x.name, str_from_z(rows[i].name)));
		assert_true(x.size_max == rows[i].size && x.auth == rows[i].auth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
