/* sender_test.c — by which addresses an account may send; names of local users. */
#include "user/passwd.h"
#include "user/sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct conf_sender own = { .kind = CONF_SENDER_OWN }, any = { .kind = CONF_SENDER_ANY },
			  all_of = { CONF_SENDER_DOMAIN, S("*@example.org") },
			  sales = { CONF_SENDER_ADDRESS, S("Sales@example.net") };

static void test_may(void **state)
{
	static const struct {
		struct conf_sender *list;
		const char *local, *domain;
		bool is_own, right;
	} rows[] = {
		{ &own, "alice", "example.org", true, true },
		{ &own, "bob", "example.org", false, false },
		{ &any, "bob", "victim.example", false, true },
		{ &all_of, "bob", "example.org", false, true },
		{ &all_of, "alice", "example.net", true, false },
		{ &all_of, "bob", "mail.example.org", false, false },
		{ &all_of, "example.org", "evil.example", false, false },
		{ &sales, "sales", "example.net", false, true },
		{ &sales, "SALES", "example.net", false, true },
		{ &sales, "sales+x", "example.net", false, true },
		{ &sales, "salesman", "example.net", false, false },
		{ &sales, "sales", "example.org", false, false },
		{ &sales, "*", "example.net", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conf_senders list = { rows[i].list, 1 };

		if (sender_may(&list, str_from_z(rows[i].local), str_from_z(rows[i].domain), rows[i].is_own, '+') !=
		    rows[i].right)
			fail_msg("row %zu", i);
	}
	assert_false(sender_may(&(struct conf_senders){ 0 }, S("a"), S("example.org"), true, '+'));
}

static void test_passwd(void **state)
{
	struct str text = S("root:x:0:0:root:/root:/bin/sh\n# no\nbroken\n:x:1:1::/:\nnobody:x:x:1::/:\n+nis:x:5:5::/:\n"
			    "big:x:4294967296:1::/:\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin");
	struct str name;
	uint32_t uid;

	(void)state;
	assert_true(passwd_next(&text, &name, &uid) && str_eq(name, S("root")) && uid == 0);
	assert_true(passwd_next(&text, &name, &uid) && str_eq(name, S("www-data")) && uid == 33);
	assert_false(passwd_next(&text, &name, &uid));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_may), cmocka_unit_test(test_passwd) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
