/* ring_test.c — the ring of refused letters: what is kept, for how long, and what damage costs. */
#include "queue/ring.h"

#include "base/buf.h"
#include "base/fd.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOW = 1000 };
static char path[64];
static int dir = -1;

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/ring-test-XXXXXX");
	if (!mkdtemp(path))
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 2000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%010u", i);
		unlinkat(dir, name, 0);
	}
	close(dir);
	return rmdir(path);
}

static struct ring *must_open(int64_t most, int64_t now)
{
	struct err e = { 0 };
	struct ring *r = NULL;

	if (!ring_open(dir, most, now, &r, &e))
		fail_msg("%s", e.text);
	return r;
}

static void must_add(struct ring *r, const char *head, struct str body, int64_t now)
{
	struct err e = { 0 };

	if (!ring_add(r, str_from_z(head), body, -1, 0, now, &e))
		fail_msg("%s", e.text);
}

/* The heads in their order, each with a blank behind it. */
static const char *heads(struct ring *r, struct buf *b)
{
	struct ring_place at = { 0 };

	buf_clear(b);
	for (;;) {
		AUTO(arena_end) struct arena a = { 0 };
		struct ring_frame f;

		if (!ring_next(r, &at, &a, &f))
			break;
		buf_add(b, f.kind == RING_LETTER ? f.head : S("released"));
		buf_add_char(b, ' ');
	}
	buf_add_char(b, '\0');
	return b->p;
}

static int file_of(const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void test_walk(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 16);
	struct ring *r = must_open(RING_BYTES, NOW);
	struct err e = { 0 };

	(void)state;
	assert_string_equal(heads(r, &b), "");
	must_add(r, "one", S("the first body"), NOW);
	must_add(r, "two", S(""), NOW);
	assert_true(ring_mark(r, 77, S("uid 0"), NOW, &e));
	assert_string_equal(heads(r, &b), "one two released ");
	ring_close(r);
	/* a start begins a new file */
	r = must_open(RING_BYTES, NOW);
	must_add(r, "three", S("x"), NOW);
	assert_string_equal(heads(r, &b), "one two released three ");
	assert_int_equal(faccessat(dir, "0000000002", F_OK, 0), 0);
	ring_close(r);
}

/* A body larger than a block, from a descriptor, comes back as it was. */
static void test_body(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(fd_end) int in = -1, out = -1;
	struct ring *r = must_open(RING_BYTES, NOW);
	size_t n = 300001;
	char *bytes = malloc(n), *back = malloc(n);
	struct ring_place at = { 0 };
	struct ring_frame f;
	struct err e = { 0 };

	(void)state;
	assert_true(bytes && back);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	assert_true(fd_sealed("in", str_of(bytes, n), &in, &e) && fd_memory("out", &out, &e));
	assert_true(ring_add(r, S("big"), S(""), in, n, NOW, &e));
	assert_true(ring_next(r, &at, &a, &f) && f.body_size == n);
	assert_true(ring_body(r, &f, out, &e));
	assert_true(fd_pread_all(out, back, n, 0, &e));
	assert_memory_equal(bytes, back, n);
	assert_true(ring_body_part(r, &f, n - 5, back, 5, &e));
	assert_memory_equal(bytes + n - 5, back, 5);
	assert_false(ring_body_part(r, &f, n - 5, back, 6, &e));
	/* one bit turned: it is said */
	in = file_of("0000000001", O_RDWR);
	bytes[0] ^= 1;
	assert_int_equal(pwrite(in, bytes, 1, (off_t)f.body_at), 1);
	assert_false(ring_body(r, &f, out, &e));
	assert_non_null(strstr(e.text, "damaged"));
	ring_close(r);
	free(bytes);
	free(back);
}

/* Each way in which a crash or a power cut can leave the last frame. */
static void test_torn(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 16);
	struct ring *r = must_open(RING_BYTES, NOW);
	int64_t whole, first;
	struct err e = { 0 };
	int fd;

	(void)state;
	must_add(r, "one", S("body"), NOW);
	fd = file_of("0000000001", O_RDWR);
	first = lseek(fd, 0, SEEK_END);
	must_add(r, "two", S("another body"), NOW);
	whole = lseek(fd, 0, SEEK_END);
	ring_close(r);
	for (int64_t n = whole - 1; n >= first; n--) {
		assert_int_equal(ftruncate(fd, n), 0);
		r = must_open(RING_BYTES, NOW);
		assert_string_equal(heads(r, &b), "one ");
		ring_close(r);
	}
	/* zeros where the bytes never came */
	assert_int_equal(ftruncate(fd, whole), 0);
	r = must_open(RING_BYTES, NOW);
	assert_string_equal(heads(r, &b), "one ");
	must_add(r, "three", S(""), NOW);
	assert_string_equal(heads(r, &b), "one three ");
	ring_close(r);
	/* a head that was never written, and a file that is not ours */
	assert_int_equal(ftruncate(fd, 5), 0);
	close(fd);
	fd = file_of("notes.txt", O_RDWR | O_CREAT);
	close(fd);
	r = must_open(RING_BYTES, NOW);
	assert_string_equal(heads(r, &b), "three ");
	assert_true(ring_mark(r, 1, S("x"), NOW, &e));
	ring_close(r);
	assert_int_equal(unlinkat(dir, "notes.txt", 0), 0);
}

static void test_bounds(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 16);
	struct ring *r;
	char *bytes = calloc(1, 3 << 20);
	int64_t now = time_now();
	struct err e = { 0 };

	(void)state;
	assert_non_null(bytes);
	r = must_open(20 << 20, now);
	for (int i = 0; i < 12; i++) {
		char head[16];

		snprintf(head, sizeof(head), "n%d", i);
		must_add(r, head, str_of(bytes, 3 << 20), now);
	}
	/* two of 3 MiB in a file of 8; the oldest files have gone */
	assert_string_equal(heads(r, &b), "n6 n7 n8 n9 n10 n11 ");
	assert_false(ring_add(r, S("x"), str_of(bytes, 0), 0, 11 << 20, now, &e));
	must_add(r, "late", S(""), now + (RING_DAYS + 1) * DAY);
	assert_string_equal(heads(r, &b), "late ");
	ring_close(r);
	r = must_open(20 << 20, now + 2 * (RING_DAYS + 1) * DAY);
	assert_string_equal(heads(r, &b), "");
	ring_close(r);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_walk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_body, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_torn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
