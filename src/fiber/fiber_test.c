/* fiber_test.c — fibers, nurseries, deadlines, cancelling, channels, threads. */
#include "base/buf.h"
#include "fiber/channel.h"
#include "fiber/fiber.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char trace[200];

static void note(char c)
{
	size_t n = strlen(trace);

	if (n + 1 < sizeof(trace))
		trace[n] = c;
}

SUSPENDS static void child_a(void *arg)
{
	struct err e;

	(void)arg;
	note('a');
	breathe();
	note('A');
	assert_true(fiber_sleep(20 * MILLISECOND, &e));
	note('1');
}

SUSPENDS static void child_b(void *arg)
{
	(void)arg;
	note('b');
	breathe();
	note('B');
}

SUSPENDS static void order_main(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	struct err e;

	(void)arg;
	assert_true(fiber_start(&n, "a", child_a, NULL));
	assert_true(fiber_start(&n, "b", child_b, NULL));
	note('m');
	assert_true(nursery_join(&n, &e));
	note('M');
}

static void test_order(void **state)
{
	(void)state;
	memset(trace, 0, sizeof(trace));
	loop_run(order_main, NULL);
	assert_string_equal(trace, "mabAB1M");
}

SUSPENDS static void deadline_main(void *arg)
{
	struct err e = { 0 };
	int64_t began = time_mono();
	int p[2];

	(void)arg;
	assert_int_equal(pipe(p), 0);
	WITHIN(30 * MILLISECOND) {
		WITHIN(10 * SECOND) {
			assert_false(fd_wait(p[0], POLLIN, "nothing", &e));
			assert_true(e.timed_out && e.fault == FAULT_TEMP);
		}
		assert_false(fiber_sleep(SECOND, &e));
	}
	assert_true(time_mono() - began < 5 * SECOND && time_mono() - began >= 30 * MILLISECOND);
	assert_true(fiber_check(&e));
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_true(fd_wait(p[0], POLLIN, "a byte", &e));
	fd_wait_forget(p[0]);
	close(p[0]);
	close(p[1]);
}

static void test_deadline(void **state)
{
	(void)state;
	loop_run(deadline_main, NULL);
}

struct victim {
	int fd;
	int ended;
	enum fault fault;
};

static void count_end(struct victim **v)
{
	(*v)->ended++;
}

SUSPENDS static void victim_run(void *arg)
{
	AUTO(count_end) struct victim *v = arg;
	struct err e = { 0 };

	if (!fd_wait(v->fd, POLLIN, "for ever", &e))
		v->fault = e.fault;
	assert_false(fiber_sleep(1, &e));        /* cancel is sticky */
	fd_wait_forget(v->fd);
}

SUSPENDS static void cancel_main(void *arg)
{
	struct victim v[2] = { 0 };
	int p[2][2];

	(void)arg;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe(p[i]), 0);
		v[i].fd = p[i][0];
	}
	{
		AUTO(nursery_end) struct nursery n = { 0 };

		assert_true(fiber_start(&n, "v0", victim_run, &v[0]));
		assert_true(fiber_start(&n, "v1", victim_run, &v[1]));
		breathe();
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(v[i].ended, 1);
		assert_int_equal(v[i].fault, FAULT_CANCEL);
		close(p[i][0]);
		close(p[i][1]);
	}
}

static void test_cancel(void **state)
{
	(void)state;
	loop_run(cancel_main, NULL);
}

SUSPENDS static void putter(void *arg)
{
	struct err e;

	for (intptr_t i = 1; i <= 100; i++)
		assert_true(channel_put(arg, (void *)i, &e));
	channel_close(arg);
}

SUSPENDS static void channel_main(void *arg)
{
	struct channel c;
	AUTO(nursery_end) struct nursery n = { 0 };
	struct err e;
	void *thing;
	intptr_t sum = 0;

	(void)arg;
	assert_true(channel_init(&c, 3, &e));
	assert_true(fiber_start(&n, "putter", putter, &c));
	while (channel_take(&c, &thing, &e))
		sum += (intptr_t)thing;
	assert_int_equal(sum, 5050);
	assert_int_equal(e.fault, FAULT_CANCEL);
	assert_true(nursery_join(&n, &e));
	channel_end(&c);
}

static void test_channel(void **state)
{
	(void)state;
	loop_run(channel_main, NULL);
}

static void slow(void *arg)
{
	usleep(20000);
	*(int *)arg = 42;
}

static void deep(void *arg)
{
	volatile char big[4000];

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = 1;
	if (*(int *)arg)
		(*(int *)arg)--, deep(arg);
}

SUSPENDS static void off_main(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	int got = 0, depth = 100;

	memset(trace, 0, sizeof(trace));
	(void)arg;
	assert_true(fiber_start(&n, "b", child_b, NULL));
	off_loop(slow, &got);
	assert_int_equal(got, 42);
	assert_string_equal(trace, "bB");        /* others ran meanwhile */
	on_loop_stack(deep, &depth);             /* 400 KB of stack */
	assert_int_equal(depth, 0);
}

static void test_threads(void **state)
{
	(void)state;
	loop_run(off_main, NULL);
}

SUSPENDS static void sleeper(void *arg)
{
	struct err e;

	(void)arg;
	(void)fiber_sleep(10 * SECOND, &e);
}

SUSPENDS static void many_main(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	struct buf b = buf_on_heap(1 << 20);

	(void)arg;
	for (int i = 0; i < 2000; i++)
		assert_true(fiber_start(&n, "sleeper", sleeper, NULL));
	breathe();
	fiber_list(&b);
	assert_true(str_find_str(buf_str(&b), S("sleeper sleep ")) < b.n);
	buf_end(&b);
}

static void test_many(void **state)
{
	(void)state;
	loop_run(many_main, NULL);
}

__attribute__((noinline)) static int eat_stack(int n)
{
	volatile char page[1024];

	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = (char)n;
	return n > 1000 ? page[5] : eat_stack(n + 1) + page[7];
}

static void overflow_main(void *arg)
{
	*(int *)arg = eat_stack(0);
}

/* The guard page ends the process before a neighbour's stack is written. */
static void test_guard(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		int x;

		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		close(2);
		loop_run(overflow_main, &x);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

SUSPENDS static void no_wait_main(void *arg)
{
	(void)arg;
	NO_WAIT {
		breathe();
	}
}

static void test_no_wait(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		close(2);
		loop_run(no_wait_main, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order), cmocka_unit_test(test_deadline), cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_channel), cmocka_unit_test(test_threads), cmocka_unit_test(test_many),
		cmocka_unit_test(test_guard), cmocka_unit_test(test_no_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
