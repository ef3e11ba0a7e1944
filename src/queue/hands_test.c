/* hands_test.c — what a process had in hand when it died, and what it was reading. */
#include "queue/hands.h"

#include "base/str.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/waxwing-hands-XXXXXX");
	return mkdtemp(path) ? 0 : -1;
}

static int drop_dir(void **state)
{
	char file[80];

	(void)state;
	snprintf(file, sizeof file, "%s/in-hand", path);
	unlink(file);
	return rmdir(path);
}

static struct hands open_hands(void)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct hands h;
	struct err e;

	if (!hands_open(&h, dir, "in-hand", &e))
		fail_msg("%s", e.text);
	close(dir);
	return h;
}

static void write_at(off_t at, const void *p, size_t n)
{
	char file[80];
	int fd;

	snprintf(file, sizeof file, "%s/in-hand", path);
	fd = open(file, O_WRONLY);
	assert_true(fd >= 0 && pwrite(fd, p, n, at) == (ssize_t)n);
	close(fd);
}

static void left_behind(void **state)
{
	struct hands h = open_hands();
	unsigned a = hands_take(&h, 7), b = hands_take(&h, 8), c = hands_take(&h, 8);

	(void)state;
	assert_int_equal(h.n_left, 0);
	assert_true(a && b && c && a != b && b != c);
	hands_drop(&h, a);
	hands_close(&h);

	h = open_hands();
	assert_int_equal(h.n_left, 1);           /* each once */
	assert_true(h.left[0] == 8);
	hands_close(&h);

	h = open_hands();                        /* nobody noted them: still there */
	assert_int_equal(h.n_left, 1);
	hands_clear(&h);
	hands_close(&h);

	h = open_hands();
	assert_int_equal(h.n_left, 0);
	hands_close(&h);
}

static void all_places(void **state)
{
	struct hands h = open_hands();

	(void)state;
	for (uint64_t id = 1; id <= HANDS_PLACES; id++)
		assert_true(hands_take(&h, id));
	assert_int_equal(hands_take(&h, 9999), 0);
	hands_drop(&h, 0);
	hands_drop(&h, 100);
	assert_int_equal(hands_take(&h, 9999), 100);
	hands_close(&h);
	h = open_hands();
	assert_int_equal(h.n_left, HANDS_PLACES);
	hands_close(&h);
}

static void bad_reading(void **state)
{
	struct hands h = open_hands();

	(void)state;
	for (int deaths = 0; deaths < HANDS_DEATHS_MAX; deaths++) {
		assert_true(hands_reading(&h, HANDS_RECORD, 1));
		hands_read(&h);
		assert_true(hands_reading(&h, HANDS_RECORD, 2));
		hands_close(&h);
		h = open_hands();
	}
	assert_false(hands_reading(&h, HANDS_RECORD, 2));
	assert_true(hands_reading(&h, HANDS_RECORD, 3));
	hands_read(&h);
	assert_true(hands_reading(&h, HANDS_ROW, 2));
	hands_read(&h);
	hands_close(&h);
	h = open_hands();
	assert_false(hands_reading(&h, HANDS_RECORD, 2));
	hands_close(&h);
}

static void another_boot(void **state)
{
	struct hands h = open_hands();

	(void)state;
	for (int deaths = 0; deaths < HANDS_DEATHS_MAX; deaths++) {
		hands_reading(&h, HANDS_ROW, 5);
		hands_close(&h);
		h = open_hands();
	}
	hands_take(&h, 7);
	hands_reading(&h, HANDS_RECORD, 2);
	hands_close(&h);
	write_at(offsetof(struct hands_file, boot), "another", 7);
	h = open_hands();
	assert_int_equal(h.n_left, 0);
	assert_int_equal(h.f->deaths[0].deaths, HANDS_DEATHS_MAX);
	assert_int_equal(h.f->deaths[1].deaths, 0);
	assert_false(hands_reading(&h, HANDS_ROW, 5));
	hands_close(&h);
}

static void not_ours(void **state)
{
	struct hands h = open_hands();

	(void)state;
	hands_take(&h, 7);
	hands_close(&h);
	write_at(0, "GARBAGE", 7);
	h = open_hands();
	assert_int_equal(h.n_left, 0);
	hands_close(&h);
}

static void no_file(void **state)
{
	struct hands h;
	struct err e;

	(void)state;
	assert_false(hands_open(&h, -1, "no/such", &e));
	assert_true(hands_take(&h, 7) && hands_reading(&h, HANDS_ROW, 1));
	hands_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(left_behind, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(all_places, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(bad_reading, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(another_boot, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(not_ours, make_dir, drop_dir),
		cmocka_unit_test(no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
