/* auth_cache_test.c — a password that was right is known again, and nothing else is. */
#include "base/attr.h"
#include "base/buf.h"
#include "base/time.h"
#include "user/auth_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct auth_cache_key alice = { S("internal"), S("alice@example.org"), S("secret") };

/* C7: nothing that differs in one part is taken for another, also where the parts run together. */
static void test_keys(void **state)
{
	static const struct auth_cache_key others[] = {
		{ S("pam waxwing"), S("alice@example.org"), S("secret") },
		{ S("internal"), S("alice@example.net"), S("secret") },
		{ S("internal"), S("alice@example.org"), S("secret2") },
		{ S("internal"), S("alice@example.orgs"), S("ecret") },
		{ S("internala"), S("lice@example.org"), S("secret") },
		{ S("internal"), S("alice@example.org"), S("") },
	};
	struct auth_cache *c = auth_cache_open();

	(void)state;
	assert_false(auth_cache_has(c, &alice, 0));
	auth_cache_put(c, &alice, HOUR, 10);
	assert_true(auth_cache_has(c, &alice, 0));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(auth_cache_has(c, &others[i], 0));
	auth_cache_close(c);
}

static void test_ends(void **state)
{
	struct auth_cache_key bob = { S("internal"), S("bob@example.org"), S("x") };
	struct auth_cache *c = auth_cache_open();

	(void)state;
	auth_cache_put(c, &alice, HOUR, 10);
	assert_true(auth_cache_has(c, &alice, HOUR - 1));
	assert_false(auth_cache_has(c, &alice, HOUR));
	auth_cache_put(c, &alice, 2 * HOUR, 10);
	auth_cache_put(c, &bob, 3 * HOUR, 10);
	auth_cache_forget(c, alice.account);
	assert_false(auth_cache_has(c, &alice, 0));
	assert_true(auth_cache_has(c, &bob, 0));
	auth_cache_clear(c);
	assert_int_equal(auth_cache_size(c), 0);
	auth_cache_put(c, &bob, HOUR, 0);        /* off */
	assert_false(auth_cache_has(c, &bob, 0));
	auth_cache_close(c);
}

/* The one that ends first gives way. */
static void test_bounded(void **state)
{
	struct auth_cache *c = auth_cache_open();
	char name[16];

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct buf b = buf_over(name, sizeof(name));

		buf_add_u64(&b, (uint64_t)i);
		auth_cache_put(c, &(struct auth_cache_key){ S("internal"), buf_str(&b), S("x") }, HOUR + i, 10);
	}
	assert_int_equal(auth_cache_size(c), 10);
	assert_true(auth_cache_has(c, &(struct auth_cache_key){ S("internal"), S("99"), S("x") }, 0));
	assert_false(auth_cache_has(c, &(struct auth_cache_key){ S("internal"), S("89"), S("x") }, 0));
	auth_cache_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "C7 a key of the cache has all its parts", test_keys, NULL, NULL, NULL },
		cmocka_unit_test(test_ends), cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
