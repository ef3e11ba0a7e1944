/* ids_test.c — whatever comes and goes, each id that is there is found, and no other. */
#include "queue/ids.h"

#include "base/rnd.h"
#include "queue/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LETTERS = 300, TURNS = 20000 };

static void test_come_and_go(void **state)
{
	struct letter *all = calloc(LETTERS, sizeof *all);
	static bool is_in[LETTERS];
	struct ids s = { 0 };
	size_t n = 0;

	(void)state;
	assert_null(ids_get(&s, 1));
	ids_remove(&s, 1);
	for (size_t i = 0; i < LETTERS; i++)
		all[i].id = i << 20 | 1;
	for (size_t turn = 0; turn < TURNS; turn++) {
		size_t i = rnd_below(LETTERS);

		if (is_in[i])
			ids_remove(&s, all[i].id);
		else
			ids_add(&s, &all[i]);
		is_in[i] = !is_in[i];
		n = is_in[i] ? n + 1 : n - 1;
		assert_int_equal(s.n, n);
		for (size_t k = 0; k < LETTERS; k += turn % 50 ? 37 : 1)
			assert_ptr_equal(ids_get(&s, all[k].id), is_in[k] ? &all[k] : NULL);
	}
	assert_null(ids_get(&s, 2));
	ids_end(&s);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
