/* waiting_test.c — a hundred thousand letters that wait: memory, and the time of a start.
 *
 * WAITING=100000 takes as many as the plan speaks of; without it some thousands, by the same measure for each. */
#include "queue/queue.h"

#include "base/buf.h"

#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define T0 (INT64_C(1790000000) * SECOND)

enum {
	USUALLY = 10000, AT_ONCE = 1000, DESTINATIONS = 50,
	LETTER_BYTES = 1048,             /* 100 MiB for 100,000 */
	START_US = 20,                   /* 2 s for 100,000 */
};

static void key(void *arg, const struct letter_record *l, const struct letter_step *s, struct buf *ret)
{
	(void)arg, (void)l;
	buf_add(ret, str_from(s->target, str_rfind(s->target, '@') + 1));
}

static size_t resident(void)
{
	unsigned long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &size, &pages), 2);
	fclose(f);
	return pages * 4096;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

/* As commit.c writes them: what was decided, a Received field, four kilobytes of text. */
static void accept_some(struct queue *q, size_t from, size_t n, int64_t now)
{
	static char why[700], body[4096], prefix[400];
	struct err e = { 0 };

	memset(why, 'w', sizeof why);
	memset(body, 'b', sizeof body);
	memset(prefix, 'p', sizeof prefix);
	for (size_t i = from; i < from + n; i++) {
		char sender[64], to[64];
		struct letter_rcpt rcpt = { .address = { to, 0 } };
		struct letter_step step = { .kind = STEP_REMOTE, .prefix = { prefix, sizeof prefix } };
		struct letter_record r = { .id = queue_id(q, now), .accepted = now, .rcpts = &rcpt, .n_rcpts = 1, .steps = &step,
					   .n_steps = 1, .why = { why, sizeof why }, .body = { body, sizeof body },
					   .body_size = sizeof body };

		r.from = str_of(sender, (size_t)snprintf(sender, sizeof sender, "sender-%zu@example.org", i));
		rcpt.address.n = (size_t)snprintf(to, sizeof to, "recipient-%zu@host-%zu.example", i, i % DESTINATIONS);
		step.target = rcpt.address;
		if (!queue_accept(q, &r, 1, &e))
			fail_msg("%s", e.text);
	}
}

static void test_waiting(void **state)
{
	const char *said = getenv("WAITING");
	size_t n = said ? strtoul(said, NULL, 10) : USUALLY, before, after;
	char path[] = "/dev/shm/waxwing-waiting-XXXXXX";
	struct queue_conf conf = { .lane_key = key, .segment_size = 32 << 20 };
	int64_t now = T0, began, took;
	struct queue_status s;
	struct queue *q;
	struct err e = { 0 };

	(void)state;
	if (!mkdtemp(path))
		skip();
	conf.path = path;
	conf.storage = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(queue_disk_open(&conf, now, &q, &e));
	for (size_t i = 0; i < n; i += AT_ONCE) {
		accept_some(q, i, n - i < AT_ONCE ? n - i : AT_ONCE, now);
		now += 31 * SECOND;
		if (!queue_tend(q, now, &e))
			fail_msg("%s", e.text);
	}
	queue_close(q);
	malloc_trim(0);
	before = resident();
	began = time_mono();
	assert_true(queue_disk_open(&conf, now, &q, &e));
	took = time_mono() - began;
	after = resident();
	queue_status(q, &s);
	assert_int_equal(s.letters, n);
	assert_int_equal(s.steps_waiting, n);
	print_message("# %zu letters: %zu bytes each, start %lld ms\n", n, after > before ? (after - before) / n : 0,
		      (long long)(took / MILLISECOND));
#ifndef WAXWING_ASAN
	assert_true(after < before + n * LETTER_BYTES + (4 << 20));    /* of SQLite and the journal */
	assert_true(took < (int64_t)n * START_US + SECOND);
#endif
	queue_close(q);
	close(conf.storage);
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
