/* waiting_test.c — a hundred thousand letters that wait: memory, as they come and after a start, and its time;
 * and all that was said of them, when they are carried out at last.
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
	YOUNG_BYTES = 24 << 20,          /* of those that have just come, and of SQLite and the journal */
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

static struct queue *open_in(struct queue_conf *conf, char *path, int64_t now)
{
	struct queue *q;
	struct err e = { 0 };

	if (!mkdtemp(path))
		skip();
	*conf = (struct queue_conf){ .lane_key = key, .segment_size = 32 << 20, .path = path,
				     .storage = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	if (!queue_disk_open(conf, now, &q, &e))
		fail_msg("%s", e.text);
	return q;
}

static void close_and_remove(struct queue *q, const struct queue_conf *conf)
{
	queue_close(q);
	close(conf->storage);
	nftw(conf->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static char why[700], body[4096], prefix[400];
static const struct letter_span cut = { 3, 17 };

/* As commit.c writes them: what was decided, a Received field, four kilobytes of text. */
static void accept_some(struct queue *q, size_t from, size_t n, int64_t now)
{
	struct err e = { 0 };

	memset(why, 'w', sizeof why);
	memset(body, 'b', sizeof body);
	memset(prefix, 'p', sizeof prefix);
	for (size_t i = from; i < from + n; i++) {
		char sender[64], to[64];
		struct letter_rcpt rcpt = { .address = { to, 0 }, .orcpt = S("rfc822;other@example.org") };
		struct letter_step step = { .kind = STEP_REMOTE, .prefix = { prefix, sizeof prefix }, .cuts = &cut, .n_cuts = 1,
					    .sender = S("srs@example.org") };
		struct letter_record r = { .id = queue_id(q, now), .accepted = now, .rcpts = &rcpt, .n_rcpts = 1, .steps = &step,
					   .n_steps = 1, .why = { why, sizeof why }, .envid = S("envelope"),
					   .body = { body, sizeof body }, .body_size = sizeof body };

		r.from = str_of(sender, (size_t)snprintf(sender, sizeof sender, "sender-%zu@example.org", i));
		rcpt.address.n = (size_t)snprintf(to, sizeof to, "recipient-%zu@host-%zu.example", i, i % DESTINATIONS);
		step.target = rcpt.address;
		snprintf(body, sizeof body, "Subject: %s\r\n\r\n", sender);
		if (!queue_accept(q, &r, 1, &e))
			fail_msg("%s", e.text);
	}
}

static void body_is_right(struct queue *q, const struct queue_claim *c)
{
	struct letter_body b;
	struct err e = { 0 };
	static char got[sizeof body];

	if (!queue_body(q, c->ref.id, &b, &e))
		fail_msg("%s", e.text);
	assert_int_equal(b.size, sizeof got);
	if (b.fd >= 0)
		assert_int_equal(pread(b.fd, got, sizeof got, 0), sizeof got);
	else
		memcpy(got, b.bytes.p, sizeof got);
	letter_body_end(&b);
	assert_memory_equal(got + 9, c->letter->from.p, c->letter->from.n);
	assert_int_equal(got[sizeof got - 1], 'b');
}

/* Each letter of each lane, once, with all that was said of it; they are sent. */
static size_t carry_out(struct queue *q, int64_t now)
{
	struct queue_claim c;
	struct err e = { 0 };
	struct lane *lane;
	size_t n = 0;

	for (; (lane = queue_lane_due(q, now)); n++) {
		assert_true(queue_lane_peek(q, lane, &c));
		assert_true(str_eq(queue_lane_key(lane), str_from(c.step->target, str_rfind(c.step->target, '@') + 1)));
		assert_int_equal(queue_claim_lane(q, lane, &c, 1, now, now + HOUR), 1);
		assert_true(str_eq(c.letter->why, str_of(why, sizeof why)));
		assert_true(str_eq(c.letter->envid, S("envelope")));
		assert_true(str_eq(c.letter->rcpts[0].orcpt, S("rfc822;other@example.org")));
		assert_true(str_eq(c.step->prefix, str_of(prefix, sizeof prefix)));
		assert_true(str_eq(c.step->sender, S("srs@example.org")));
		assert_int_equal(c.step->n_cuts, 1);
		assert_int_equal(c.step->cuts[0].length, 17);
		body_is_right(q, &c);
		assert_true(queue_report(q, &(struct queue_report){ .ref = c.ref, .outcome = OUTCOME_SAFE }, 1, now, &e));
	}
	return n;
}

static size_t waiting(void)
{
	const char *said = getenv("WAITING");

	return said ? strtoul(said, NULL, 10) : USUALLY;
}

/* They have come just now and stand in the journal alone. */
static void test_arriving(void **state)
{
	char path[] = "/dev/shm/waxwing-waiting-XXXXXX";
	struct queue_conf conf;
	struct queue *q = open_in(&conf, path, T0);
	size_t n = waiting(), before = resident(), after;
	struct queue_walk at = { 0 };
	struct queue_entry found;
	struct err e = { 0 };

	(void)state;
	accept_some(q, 0, n, T0);
	after = resident();
	print_message("# %zu letters that came: %zu bytes each\n", n, after > before ? (after - before) / n : 0);
#ifndef WAXWING_ASAN
	assert_true(after < before + n * LETTER_BYTES + YOUNG_BYTES);
#endif
	for (size_t i = 0; i < n; i++) {
		char to[64];

		snprintf(to, sizeof to, "recipient-%zu@host-%zu.example", i, i % DESTINATIONS);
		assert_true(queue_next(q, &at, &found));
		assert_true(str_eq(found.claim.step->target, str_from_z(to)));
		assert_true(str_eq(found.claim.letter->rcpts[0].address, str_from_z(to)));
	}
	assert_false(queue_next(q, &at, &found));
	queue_close(q);
	assert_true(queue_disk_open(&conf, T0, &q, &e));
	assert_int_equal(carry_out(q, T0 + SECOND), n);
	close_and_remove(q, &conf);
}

static void test_waiting(void **state)
{
	char path[] = "/dev/shm/waxwing-waiting-XXXXXX";
	size_t n = waiting(), before, after;
	int64_t now = T0, began, took;
	struct queue_conf conf;
	struct queue *q = open_in(&conf, path, now);
	struct queue_status s;
	struct err e = { 0 };

	(void)state;
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
	close_and_remove(q, &conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arriving),
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
