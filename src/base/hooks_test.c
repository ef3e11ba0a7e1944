/* hooks_test.c — only in builds with -Dhooks=true. */
#include "base/hooks.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PARENT = 1, ROLE = 2 };

static int page = -1, tally = -1;

static void order(enum fault_action action, uint32_t value, uint16_t nth, uint8_t who)
{
	hooks_order(FAULT_POINT_journal_sync, &(struct fault_order){ action, who, nth, value });
}

static void test_before(void **state)
{
	(void)state;
	assert_false(FAULT_POINT(journal_sync));
	assert_int_equal(hooks_wall(), 0);
	assert_int_equal(hooks_mono(), 0);
}

static void test_sealed(void **state)
{
	struct err e;

	(void)state;
	assert_true(hooks_make(PARENT, &page, &tally, &e));
	assert_ptr_equal(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0), MAP_FAILED);
	assert_int_equal(errno, EPERM);
	assert_int_equal(pwrite(page, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(page, 0), -1);
	assert_int_equal(ftruncate(tally, 0), -1);
	assert_ptr_not_equal(mmap(NULL, 1, PROT_READ, MAP_SHARED, page, 0), MAP_FAILED);
}

static void test_fail(void **state)
{
	struct err e = { 0 };

	(void)state;
	order(ACTION_FAIL, EDQUOT, 2, 0);
	assert_false(FAULT_POINT(journal_sync));
	errno = 0;
	assert_true(FAULT_POINT(journal_sync));
	assert_int_equal(errno, EDQUOT);
	assert_false(FAULT_POINT(journal_sync));
	assert_int_equal(hooks_passed(FAULT_POINT_journal_sync), 3);
	assert_false(FAULT_POINT(journal_write));
	order(ACTION_FAIL, EIO, 0, 0);
	for (int i = 0; i < 3; i++)
		assert_true(FAULT_IN(journal_sync, &e));
	assert_int_equal(e.fault, FAULT_TEMP);
	assert_int_equal(e.sys, EIO);
	order(ACTION_FAIL, EIO, 0, ROLE);
	assert_false(FAULT_POINT(journal_sync));
	order(ACTION_NONE, 0, 0, 0);
	assert_false(FAULT_POINT(journal_sync));
}

/* The exit status of a process that has the pages as a role has them, and passes the point n times. */
static int pass_in_child(int n)
{
	struct err e;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int struck = 0;

		if (!hooks_map(ROLE, page, tally, &e))
			_exit(70);
		while (n--)
			struck += FAULT_POINT(journal_sync);
		_exit(struck);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_others(void **state)
{
	(void)state;
	order(ACTION_FAIL, EIO, 5, ROLE);
	assert_int_equal(pass_in_child(3), 0);
	assert_int_equal(pass_in_child(3), 1);           /* the fifth time of all */
	assert_int_equal(pass_in_child(3), 0);
	order(ACTION_KILL, 0, 2, 0);
	assert_int_equal(pass_in_child(3), 137);
	assert_int_equal(pass_in_child(3), 0);
	order(ACTION_NONE, 0, 0, 0);
}

static void test_delay(void **state)
{
	int64_t since = time_mono();

	(void)state;
	order(ACTION_DELAY, 30, 1, 0);
	assert_false(FAULT_POINT(journal_sync));
	assert_true(time_mono() - since >= 30 * MILLISECOND);
}

static void test_clock(void **state)
{
	int64_t wall = time_now(), mono = time_mono();

	(void)state;
	hooks_set_clock(4 * DAY, HOUR);
	assert_true(time_now() - wall >= 4 * DAY && time_now() - wall < 4 * DAY + MINUTE);
	assert_true(time_mono() - mono >= HOUR && time_mono() - mono < HOUR + MINUTE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before), cmocka_unit_test(test_sealed), cmocka_unit_test(test_fail),
		cmocka_unit_test(test_others), cmocka_unit_test(test_delay), cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
