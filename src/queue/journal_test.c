/* journal_test.c — what was acknowledged is there after every crash. */
#include "base/fd.h"
#include "base/rnd.h"
#include "base/time.h"
#include "fiber/fiber.h"
#include "queue/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL = 64 * 1024, RECORDS_MAX = 4096 };

/* ---- a directory that goes away ---- */

struct place {
	char path[64];
	int dir;
};

static void place_init(struct place *p)
{
	snprintf(p->path, sizeof p->path, "/tmp/waxwing-journal-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->dir >= 0);
}

static void place_clear(struct place *p)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	struct dirent *de;

	assert_non_null(d);
	while ((de = readdir(d)))
		if (de->d_name[0] != '.')
			unlinkat(p->dir, de->d_name, 0);
	closedir(d);
}

static void place_end(struct place *p)
{
	place_clear(p);
	close(p->dir);
	rmdir(p->path);
}

static unsigned count_files(const struct place *p, const char *suffix)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	struct dirent *de;
	unsigned n = 0;

	while ((de = readdir(d)))
		n += str_ends(str_from_z(de->d_name), str_from_z(suffix));
	closedir(d);
	return n;
}

/* ---- records are numbers; a reader remembers which it saw ---- */

struct seen {
	uint64_t numbers[RECORDS_MAX];
	struct journal_at at[RECORDS_MAX];
	size_t n, moved;
	bool keep;
};

static bool on_seen(void *arg, enum journal_kind kind, struct str payload,
		    const struct journal_at *at)
{
	struct seen *s = arg;
	uint64_t number;

	assert_int_equal(kind, JOURNAL_LETTER);
	assert_true(payload.n >= sizeof number && s->n < RECORDS_MAX);
	memcpy(&number, payload.p, sizeof number);
	for (size_t i = sizeof number; i < payload.n; i++)
		assert_int_equal((unsigned char)payload.p[i], (unsigned char)(number + i));
	s->at[s->n] = *at;
	s->numbers[s->n++] = number;
	return true;
}

static bool on_keep(void *arg, enum journal_kind kind, struct str payload,
		    const struct journal_at *at)
{
	(void)kind;
	(void)payload;
	(void)at;
	return ((struct seen *)arg)->keep;
}

static void on_moved(void *arg, struct journal *j, const struct journal_at *from,
		     const struct journal_at *to)
{
	(void)j;
	assert_true(to->sequence > from->sequence);
	((struct seen *)arg)->moved++;
}

static bool is_dirty[1024];              /* by descriptor: written and not synced */

/* What is freed after this has a copy that a power cut does not take. */
static bool on_settled(void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	for (size_t i = 0; i < ARRAY_LEN(is_dirty); i++)
		assert_false(is_dirty[i]);
	return true;
}

static bool try_open(const struct place *p, const struct journal_ops *ops, struct seen *s,
		     struct journal **ret, struct err *e)
{
	struct journal_conf conf = { .dir = p->dir, .segment_size = SMALL, .ops = ops };
	struct journal_reader reader = { on_seen, on_keep, on_moved, on_settled, s };

	s->n = s->moved = 0;
	memset(is_dirty, 0, sizeof is_dirty);
	return journal_open(&conf, &reader, time_now(), ret, e);
}

static struct journal *must_open(const struct place *p, struct seen *s)
{
	struct journal *j = NULL;
	struct err e = { 0 };

	if (!try_open(p, NULL, s, &j, &e))
		fail_msg("%s", e.text);
	return j;
}

static bool write_number(struct journal *j, uint64_t number, size_t n, struct journal_at *at,
			 struct err *e)
{
	char *bytes = malloc(n);
	struct str parts[2] = { { (const char *)&number, sizeof number }, { bytes, n } };
	bool ok;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(number + sizeof number + i);
	ok = journal_append(j, JOURNAL_LETTER, parts, 2, at, e);
	free(bytes);
	return ok;
}

static bool has_number(const struct seen *s, uint64_t number)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->numbers[i] == number)
			return true;
	return false;
}

/* ---- tests ---- */

static void test_round_trip(void **state)
{
	struct place p;
	struct seen *s = calloc(1, sizeof *s);
	struct journal_status status;
	struct journal_at at;
	struct journal *j;
	struct err e;
	char back[8 + 3000];

	(void)state;
	place_init(&p);
	j = must_open(&p, s);
	assert_int_equal(s->n, 0);
	for (uint64_t i = 1; i <= 100; i++)
		assert_true(write_number(j, i, 3000, &at, &e));
	assert_true(journal_read(j, &at, back, &e));
	assert_int_equal(back[0], 100);
	journal_status(j, &status);
	assert_int_equal(status.records, 100);
	assert_int_equal(status.syncs, 100);
	assert_true(status.full >= 5);
	journal_close(j);

	/* twice: what is kept is copied and found again */
	s->keep = true;
	for (int turn = 0; turn < 2; turn++) {
		j = must_open(&p, s);
		assert_int_equal(s->n, 100);
		assert_int_equal(s->moved, 100);
		for (uint64_t i = 0; i < 100; i++)
			assert_int_equal(s->numbers[i], i + 1);
		journal_close(j);
	}
	/* and what nobody keeps is gone */
	s->keep = false;
	journal_close(must_open(&p, s));
	journal_close(must_open(&p, s));
	assert_int_equal(s->n, 0);
	assert_int_equal(count_files(&p, ".aside"), 0);
	place_end(&p);
	free(s);
}

/* A segment file as it was recorded, written back with damage, must give what was acknowledged. */
struct recorded {
	char bytes[SMALL];
	size_t ends[RECORDS_MAX];        /* where record i + 1 ends */
	size_t n;
};

static void record(struct place *p, struct recorded *r)
{
	struct seen *s = calloc(1, sizeof *s);
	struct journal *j = must_open(p, s);
	AUTO(fd_end) int fd = -1;
	struct journal_at at = { 0 };
	struct err e;

	for (uint64_t i = 1; i <= 10; i++) {
		assert_true(write_number(j, i, (size_t)(i * 701 % 5000), &at, &e));
		r->ends[r->n++] = at.offset + at.length;
	}
	assert_int_equal(at.segment, 0);
	journal_close(j);
	fd = openat(p->dir, "00", O_RDONLY);
	assert_true(fd_pread_all(fd, r->bytes, SMALL, 0, &e));
	free(s);
}

static void play(struct place *p, const char *bytes, struct seen *s)
{
	AUTO(fd_end) int fd = -1;
	struct err e;

	place_clear(p);
	fd = openat(p->dir, "00", O_RDWR | O_CREAT, 0600);
	assert_true(fd_pwrite_all(fd, str_of(bytes, SMALL), 0, &e));
	journal_close(must_open(p, s));
}

/* Cut at every 512 bytes, the rest zeros, old bytes, or noise: all that ends before is there. */
static void test_every_cut(void **state)
{
	struct place p;
	struct recorded *r = calloc(1, sizeof *r);
	struct seen *s = calloc(1, sizeof *s);
	char *torn = malloc(SMALL);
	unsigned cases = 0;

	(void)state;
	place_init(&p);
	record(&p, r);
	for (size_t cut = JOURNAL_BLOCK; cut <= r->ends[r->n - 1] + 512; cut += 512)
		for (int how = 0; how < 3; how++) {
			memcpy(torn, r->bytes, SMALL);
			if (how == 0)
				memset(torn + cut, 0, SMALL - cut);
			else if (how == 1)
				memset(torn + cut, 0xa5, SMALL - cut);
			else
				rnd_bytes(torn + cut, SMALL - cut);
			play(&p, torn, s);
			for (size_t i = 0; i < r->n; i++)
				assert_int_equal(has_number(s, i + 1), r->ends[i] <= cut);
			/* a torn tail is no reason to keep a file */
			assert_int_equal(count_files(&p, ".aside"), 0);
			cases++;
		}
	print_message("# %u cuts\n", cases);
	place_end(&p);
	free(torn);
	free(r);
	free(s);
}

/* One damaged byte or sector costs at most the record it lies in. */
static void test_every_sector(void **state)
{
	struct place p;
	struct recorded *r = calloc(1, sizeof *r);
	struct seen *s = calloc(1, sizeof *s);
	char *bad = malloc(SMALL);

	(void)state;
	place_init(&p);
	record(&p, r);
	for (size_t at = 0; at < r->ends[r->n - 1]; at += 512) {
		size_t lost = 0, i;

		memcpy(bad, r->bytes, SMALL);
		if (at % 1024)
			memset(bad + at, 0, 512);
		else
			bad[at + rnd_below(512)] ^= (char)(1 + rnd_below(255));
		play(&p, bad, s);
		for (i = 0; i < r->n; i++)
			lost += !has_number(s, i + 1);
		assert_true(lost <= 1);
		/* kept for a person, unless nothing stood behind it */
		if (lost > 0)
			assert_int_equal(count_files(&p, ".aside"), has_number(s, r->n));
	}
	place_end(&p);
	free(bad);
	free(r);
	free(s);
}

static int fail_after, writes, syncs;
static bool fail_write;

static ssize_t counted_write(int fd, const struct iovec *iov, int n, off_t at)
{
	writes++;
	is_dirty[fd] = true;
	if (fail_write && fail_after >= 0 && fail_after-- == 0) {
		errno = EIO;
		return -1;
	}
	return pwritev(fd, iov, n, at);
}

static int counted_sync(int fd)
{
	syncs++;
	if (!fail_write && fail_after >= 0 && fail_after-- == 0) {
		errno = EIO;
		return -1;
	}
	is_dirty[fd] = false;
	return fdatasync(fd);
}

static const struct journal_ops counted = { counted_write, counted_sync };

/* P3: after an error nothing is tried again, even though it would work. */
static void test_error_is_final(void **state)
{
	struct place p;
	struct seen *s = calloc(1, sizeof *s);

	(void)state;
	for (int which = 0; which < 2; which++) {
		struct journal *j;
		struct journal_at at;
		struct err e = { 0 };

		place_init(&p);
		fail_write = which;
		fail_after = -1;
		assert_true(try_open(&p, &counted, s, &j, &e));
		assert_true(write_number(j, 1, 100, &at, &e));
		writes = syncs = 0;
		fail_after = 0;
		assert_false(write_number(j, 2, 100, &at, &e));
		assert_int_equal(e.fault, FAULT_TEMP);
		assert_int_equal(e.sys, EIO);
		assert_true(journal_is_dead(j) && !journal_has_room(j));
		assert_false(write_number(j, 3, 100, &at, &e));
		assert_false(journal_give_back(j, &e));
		assert_int_equal(syncs, which ? 0 : 1);
		assert_int_equal(writes, 1);
		journal_close(j);
		s->keep = true;
		j = must_open(&p, s);
		assert_true(has_number(s, 1) && !has_number(s, 3));
		journal_close(j);
		place_end(&p);
	}
	fail_after = -1;
	free(s);
}

/* Groups that a start copies share a sync. */
static void test_start_syncs(void **state)
{
	enum { MANY = 200 };
	struct seen *s = calloc(1, sizeof *s);
	struct journal *j;
	struct journal_at at;
	struct place p;
	struct err e = { 0 };

	(void)state;
	place_init(&p);
	s->keep = true;
	fail_after = -1;
	j = must_open(&p, s);
	for (uint64_t i = 1; i <= MANY; i++)
		assert_true(write_number(j, i, 100, &at, &e));
	journal_close(j);
	syncs = writes = 0;
	assert_true(try_open(&p, &counted, s, &j, &e));
	assert_int_equal(s->moved, MANY);
	print_message("# %d records copied with %d writes, %d syncs\n", MANY, writes, syncs);
	assert_true(syncs * 4 < writes * 3);
	for (size_t i = 0; i < ARRAY_LEN(is_dirty); i++)
		assert_false(is_dirty[i]);
	journal_close(j);
	place_end(&p);
	free(s);
}

/* A start that fails at any write or sync loses nothing for the next one. */
static void test_start_cut_off(void **state)
{
	struct seen *s = calloc(1, sizeof *s);
	unsigned failures = 0;

	(void)state;
	for (int which = 0; which < 2; which++) {
		bool opened = false;

		for (int k = 0; !opened; k++) {
			struct journal *j;
			struct journal_at at;
			struct place p;
			struct err e;

			place_init(&p);
			s->keep = true;
			j = must_open(&p, s);
			for (uint64_t i = 1; i <= 60; i++)
				assert_true(write_number(j, i, 4000, &at, &e));
			journal_close(j);
			fail_write = which;
			fail_after = k;
			opened = try_open(&p, &counted, s, &j, &e);
			fail_after = -1;
			if (opened)
				journal_close(j);
			else
				failures++;
			journal_close(must_open(&p, s));
			for (uint64_t i = 1; i <= 60; i++)
				assert_true(has_number(s, i));
			assert_int_equal(count_files(&p, ".aside"), 0);
			place_end(&p);
		}
	}
	print_message("# %u starts that failed\n", failures);
	assert_true(failures > 10);
	free(s);
}

/* A segment that is used again holds old records which look good. */
static void test_recycled(void **state)
{
	struct place p;
	struct seen *s = calloc(1, sizeof *s);
	struct journal *j;
	struct journal_at at;
	struct err e;
	uint64_t number = 0, last[16];
	size_t n_last = 0;

	(void)state;
	place_init(&p);
	j = must_open(&p, s);
	for (int turn = 0; turn < 6; turn++) {
		n_last = 0;
		for (int i = 0; i < (turn == 5 ? 3 : 10); i++) {
			assert_true(write_number(j, ++number, 100, &at, &e));
			last[n_last++] = number;
			if (turn < 5)
				journal_unpin(j, &at);
		}
		if (turn < 5) {
			journal_turn(j);
			assert_true(journal_give_back(j, &e));
		}
	}
	assert_int_equal(at.segment, 0); /* the same file each time */
	journal_close(j);
	j = must_open(&p, s);
	assert_int_equal(s->n, n_last);
	for (size_t i = 0; i < n_last; i++)
		assert_true(has_number(s, last[i]));
	assert_int_equal(count_files(&p, ".aside"), 0);
	journal_close(j);
	place_end(&p);
	free(s);
}

static void test_full_and_pins(void **state)
{
	struct place p;
	struct seen *s = calloc(1, sizeof *s);
	struct journal_cursor backup = { .name = "backup" };
	struct journal *j;
	struct journal_status status;
	static struct journal_at at[RECORDS_MAX];
	struct err e;
	size_t n = 0;

	(void)state;
	place_init(&p);
	j = must_open(&p, s);
	while (journal_has_room(j)) {
		assert_true(n < RECORDS_MAX);
		assert_true(write_number(j, n + 1, 3000, &at[n], &e));
		n++;
	}
	journal_status(j, &status);
	assert_int_equal(status.in_use, 16);
	/* a note still fits */
	assert_true(write_number(j, n + 1, 100, &at[n], &e));
	n++;
	/* the newest go first: nothing can be given back, for the oldest is pinned */
	for (size_t i = n; i-- > 1;)
		journal_unpin(j, &at[i]);
	assert_true(journal_give_back(j, &e));
	assert_false(journal_has_room(j));
	/* nor while a cursor has not passed */
	journal_cursor_add(j, &backup);
	journal_unpin(j, &at[0]);
	assert_true(journal_give_back(j, &e));
	assert_false(journal_has_room(j));
	backup.passed = at[n - 1].sequence;
	assert_true(journal_give_back(j, &e));
	assert_true(journal_has_room(j));
	journal_status(j, &status);
	assert_int_equal(status.in_use, 1);
	journal_close(j);
	place_end(&p);
	free(s);
}

static void test_newer_is_refused(void **state)
{
	struct place p;
	struct seen *s = calloc(1, sizeof *s);
	struct segment_head h = { .version = 2, .state = SEGMENT_IN_USE, .epoch = 1, .first = 1 };
	char head[JOURNAL_HEAD_BYTES];
	struct journal *j;
	struct err e = { 0 };
	AUTO(fd_end) int fd = -1;

	(void)state;
	place_init(&p);
	segment_head_print(&h, head);
	fd = openat(p.dir, "00", O_RDWR | O_CREAT, 0600);
	assert_true(fd_pwrite_all(fd, str_of(head, sizeof head), 0, &e));
	assert_false(try_open(&p, NULL, s, &j, &e));
	assert_int_equal(e.fault, FAULT_PERM);
	assert_non_null(strstr(e.text, "newer"));
	place_end(&p);
	free(s);
}

/* ---- groups ---- */

struct crowd {
	struct journal *j;
	unsigned fibers, each;
	uint64_t next;
	unsigned acked;
};

static void crowd_fiber(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < c->each; i++) {
		struct journal_at at;
		struct err e = { 0 };
		uint64_t number = ++c->next;

		if (!write_number(c->j, number, 100, &at, &e))
			fail_msg("%s", e.text);
		c->acked++;
	}
}

static void crowd_run(void *arg)
{
	struct crowd *c = arg;
	AUTO(nursery_end) struct nursery n = { 0 };
	struct err e;

	for (unsigned i = 0; i < c->fibers; i++)
		assert_true(fiber_start(&n, "writer", crowd_fiber, c));
	assert_true(nursery_join(&n, &e));
}

static void test_groups(void **state)
{
	static const struct { unsigned fibers, each; double most; } rows[] = {
		{ 1, 50, 1.0 },
		{ 20, 20, 0.5 },
		{ 64, 20, 0.25 },
	};
	struct seen *s = calloc(1, sizeof *s);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct crowd c = { .fibers = rows[i].fibers, .each = rows[i].each };
		struct journal_status status;
		struct place p;

		place_init(&p);
		c.j = must_open(&p, s);
		loop_run(crowd_run, &c);
		journal_status(c.j, &status);
		print_message("# %u fibers: %.3f syncs per record\n", c.fibers,
			      (double)status.syncs / (double)status.records);
		assert_int_equal(status.records, c.fibers * c.each);
		assert_true((double)status.syncs <= rows[i].most * (double)status.records);
		journal_close(c.j);
		journal_close(must_open(&p, s));
		assert_int_equal(s->n, c.acked);
		place_end(&p);
	}
	free(s);
}

/* A fiber that is cancelled while its record is on its way leaves, and others go on. */
struct cancelled {
	struct journal *j;
	int failed, done;
};

static void cancelled_writer(void *arg)
{
	struct cancelled *c = arg;
	struct journal_at at;
	struct err e;

	if (write_number(c->j, 7, 100, &at, &e))
		c->done++;
	else
		c->failed++;
}

static void cancelled_run(void *arg)
{
	struct cancelled *c = arg;
	struct nursery n = { 0 };
	struct journal_at at;
	struct err e;

	for (int i = 0; i < 10; i++)
		assert_true(fiber_start(&n, "writer", cancelled_writer, c));
	breathe();
	nursery_cancel(&n);
	assert_true(write_number(c->j, 8, 100, &at, &e));
	assert_true(nursery_join(&n, &e));
	assert_true(write_number(c->j, 9, 100, &at, &e));
}

static void test_cancel(void **state)
{
	struct seen *s = calloc(1, sizeof *s);
	struct cancelled c = { 0 };
	struct place p;

	(void)state;
	place_init(&p);
	c.j = must_open(&p, s);
	loop_run(cancelled_run, &c);
	assert_int_equal(c.done + c.failed, 10);
	journal_close(c.j);
	journal_close(must_open(&p, s));
	assert_true(s->n >= (size_t)c.done + 2);
	assert_true(has_number(s, 8) && has_number(s, 9));
	place_end(&p);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_every_sector),
		cmocka_unit_test(test_error_is_final),
		cmocka_unit_test(test_start_syncs),
		cmocka_unit_test(test_start_cut_off),
		cmocka_unit_test(test_recycled),
		cmocka_unit_test(test_full_and_pins),
		cmocka_unit_test(test_newer_is_refused),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
