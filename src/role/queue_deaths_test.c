/* queue_deaths_test.c — the same letter is the same, in memory or in a file. */
#include "role/queue/queue_role.h"

#include "base/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int file_of(struct str bytes)
{
	int fd = memfd_create("letter", MFD_CLOEXEC);
	struct err e;

	assert_true(fd >= 0 && fd_pwrite_all(fd, bytes, 0, &e));
	return fd;
}

static void counts_by_content(void **state)
{
	static char large[200000];
	AUTO(fd_end) int small = file_of(S("Subject: a\r\n\r\nx\r\n"));
	AUTO(fd_end) int long_one = -1;

	(void)state;
	memset(large, 'x', sizeof(large));
	long_one = file_of(str_of(large, sizeof(large)));
	deaths_prepare();
	assert_int_equal(deaths_note(S("Subject: a\r\n\r\nx\r\n"), -1, 0), 1);
	assert_int_equal(deaths_note(S("Subject: b\r\n\r\nx\r\n"), -1, 0), 1);
	assert_int_equal(deaths_note(S(""), small, 17), 2);
	assert_int_equal(deaths_note(S("Subject: a\r\n\r\nx\r\n"), -1, 0), 3);
	assert_int_equal(deaths_note(S(""), long_one, sizeof(large)), 1);
	large[sizeof(large) - 1] = 'y';
	assert_int_equal(deaths_note(str_of(large, sizeof(large)), -1, 0), 1);
	large[sizeof(large) - 1] = 'x';
	assert_int_equal(deaths_note(str_of(large, sizeof(large)), -1, 0), 2);
	assert_int_equal(deaths_note(S(""), small, 18), 0);      /* it is shorter than that */
}

static void is_bounded(void **state)
{
	char text[32];

	(void)state;
	assert_int_equal(deaths_note(S("first"), -1, 0), 1);
	for (int i = 0; i < 1100; i++) {
		snprintf(text, sizeof(text), "letter %d", i);
		assert_int_equal(deaths_note(str_from_z(text), -1, 0), 1);
	}
	assert_int_equal(deaths_note(S("first"), -1, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(counts_by_content), cmocka_unit_test(is_bounded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
