/* advice_test.c — what large servers really say, and which sentence it brings. */
#include "queue/advice.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_words(void **state)
{
	static const struct {
		const char *text, *about;        /* words of the sentence; NULL: none */
	} rows[] = {
		{ "550 5.7.1 [2a01:4f8::1] Our system has detected that this message does not meet IPv6 sending guidelines "
		  "regarding PTR records and authentication. https://support.google.com/mail/?p=IPv6AuthError", "IPv6" },
		{ "550 5.7.25 The IP address sending this message does not have a PTR record setup", "PTR" },
		{ "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", "PTR" },
		{ "550 5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy.", "refuse letters" },
		{ "550 5.7.26 This mail has been blocked because the sender is unauthenticated.", "refuse letters" },
		{ "550 SPF check failed", "SPF" },
		{ "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "block list" },
		{ "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider "
		  "since part of their network is on our block list (S3140).", "block list" },
		{ "552 5.2.2 The email account that you tried to reach is over quota", "full" },
		{ "452 4.2.2 later", "full" },
		{ "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking", "typing error" },
		{ "550 5.1.1 <bob@example.test>: Recipient address rejected: User unknown in virtual mailbox table", "typing error" },
		{ "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found", "typing error" },
		{ "552 5.3.4 Message size exceeds fixed limit", "longer" },
		{ "450 4.2.0 <bob@example.test>: Recipient address rejected: Greylisted", "minutes" },
		{ "421 4.7.28 Our system has detected an unusual rate of unsolicited mail", "slowly" },
		{ "530 5.7.0 Must issue a STARTTLS command first", "TLS" },
		{ "550 5.1.8 Sender address rejected: Domain not found", "Look for a typing" },
		{ "554 5.7.1 <a@b>: Relay access denied", "not one of its own" },
		{ "554 5.4.6 Too many hops", "circle" },
		{ "550 5.7.1 terrible horrible no good", "unwanted" },
		{ "550 terrible day", NULL },
		{ "550 no", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str got = advice_for(str_from_z(rows[i].text));
		struct str want = str_from_z(rows[i].about);

		if (want.n ? str_find_str(got, want) == got.n : got.n)
			fail_msg("%s: " STR_FMT, rows[i].text, STR_ARG(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
