/* queue_test.c — the promises of queue.h, by both engines, and over restarts. */
#include "queue/queue.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/rnd.h"
#include "fiber/fiber.h"
#include "queue/hands.h"
#include "queue/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL = 64 * 1024, STEPS = 3 };

#define T0 (INT64_C(1790000000) * SECOND)

/* ---- a world: a queue, a store that is an array, a clock ---- */

struct delivered {
	struct step_ref ref;
	bool is_synced;
};

struct world {
	bool is_disk, is_thick;          /* is_thick: letters that wait need not be read again */
	char path[64];
	int dir;
	struct queue_conf conf;
	struct queue *q;
	int64_t now;
	struct delivered done[4096];
	size_t n_done;
	int sync_fails;
	bool by_account;
	unsigned accounts_at_once, accounts_most;
};

static bool sync_all(void *arg, struct err *e)
{
	struct world *w = arg;

	if (w->sync_fails > 0) {
		w->sync_fails--;
		return fail_sys(e, FAULT_TEMP, EIO, "syncfs");
	}
	for (size_t i = 0; i < w->n_done; i++)
		w->done[i].is_synced = true;
	return true;
}

static void sync_account(void *arg, struct str account, const struct queue_claim *claims,
			 signed char *ok, size_t n)
{
	struct world *w = arg;
	struct err e;

	if (++w->accounts_at_once > w->accounts_most)
		w->accounts_most = w->accounts_at_once;
	fiber_sleep(MILLISECOND, &e);
	for (size_t i = 0; i < n; i++) {
		assert_true(str_eq(claims[i].step->target, account));
		ok[i] = str_eq(account, S("carol")) ? (w->sync_fails > 0 ? -1 : 1) : 1;
	}
	w->accounts_at_once--;
}

static void world_open(struct world *w)
{
	struct err e = { 0 };
	bool ok;

	w->conf = (struct queue_conf){
		.storage = w->dir, .path = w->path, .segment_size = SMALL, .node = 1,
		.thick = w->is_thick ? 0 : 1, .journal_ops = w->conf.journal_ops,
	};
	w->conf.sync.arg = w;
	if (w->by_account)
		w->conf.sync.account = sync_account;
	else
		w->conf.sync.all = sync_all;
	ok = w->is_disk ? queue_disk_open(&w->conf, w->now, &w->q, &e) :
			  queue_memory_open(&w->conf, &w->q, &e);
	if (!ok)
		fail_msg("%s", e.text);
}

static struct world *world_as(bool is_disk, bool is_thick)
{
	struct world *w = calloc(1, sizeof *w);

	w->is_disk = is_disk;
	w->is_thick = is_thick;
	w->now = T0;
	snprintf(w->path, sizeof w->path, "/tmp/waxwing-queue-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	w->dir = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	world_open(w);
	return w;
}

static struct world *world_new(bool is_disk)
{
	return world_as(is_disk, false);
}

/* As a kill would: nothing is written, what is in memory is gone. */
static void world_restart(struct world *w)
{
	queue_close(w->q);
	for (size_t i = 0; i < w->n_done; i++)
		w->done[i].is_synced = false;
	w->n_done = 0;
	world_open(w);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void world_free(struct world *w)
{
	queue_close(w->q);
	close(w->dir);
	nftw(w->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(w);
}

#define BODY "Subject: one\r\n\r\nA letter.\r\n"
static const char body_text[] = BODY;

static uint64_t accept_as(struct world *w, uint64_t id, struct str from)
{
	static const struct letter_rcpt rcpts[] = {
		{ .address = { "Alice+x@Example.TEST", 20 } },
		{ .address = { "bob@example.test", 16 }, .orcpt = { "rfc822;bob", 10 } },
	};
	static const struct letter_span cuts[] = { { 0, 14 } };
	static const struct letter_step steps[STEPS] = {
		{ .rcpt = 0, .kind = STEP_LOCAL, .target = { "alice", 5 }, .base = { "1.a.h", 5 } },
		{ .rcpt = 1, .kind = STEP_LOCAL, .target = { "bob", 3 }, .base = { "1.b.h", 5 }, .cuts = cuts, .n_cuts = 1 },
		{ .rcpt = 1, .number = 1, .kind = STEP_LOCAL, .target = { "carol", 5 }, .base = { "1.c.h", 5 } },
	};
	struct letter_record r = {
		.id = id, .accepted = w->now, .from = from,
		.rcpts = rcpts, .n_rcpts = 2, .steps = steps, .n_steps = STEPS,
		.body = S(BODY), .body_size = sizeof body_text - 1,
	};
	struct err e = { 0 };

	if (!queue_accept(w->q, &r, 1, &e))
		fail_msg("%s", e.text);
	return r.id;
}

static uint64_t accept_letter(struct world *w, struct str from)
{
	return accept_as(w, queue_id(w->q, w->now), from);
}

static void body_is_right(struct world *w, uint64_t id)
{
	struct letter_body b;
	struct err e = { 0 };
	char got[sizeof body_text];

	if (!queue_body(w->q, id, &b, &e))
		fail_msg("%s", e.text);
	assert_int_equal(b.size, sizeof body_text - 1);
	if (b.fd >= 0) {
		assert_true(fd_pread_all(b.fd, got, b.size, 0, &e));
		assert_memory_equal(got, body_text, b.size);
	} else {
		assert_true(str_eq(b.bytes, S(BODY)));
	}
	letter_body_end(&b);
}

/* Claim all that is due and report it; returns how many. */
static size_t carry_out(struct world *w, enum queue_outcome outcome, const char *text)
{
	struct queue_claim claims[4];
	size_t n, all = 0;
	struct err e = { 0 };

	while ((n = queue_claim(w->q, claims, 4, w->now, w->now + MINUTE)) > 0) {
		struct queue_report reports[4] = { 0 };

		for (size_t i = 0; i < n; i++) {
			assert_int_equal(claims[i].task, TASK_DELIVER);
			body_is_right(w, claims[i].ref.id);
			reports[i].ref = claims[i].ref;
			reports[i].outcome = outcome;
			reports[i].text = text;
			if (outcome == OUTCOME_DONE || outcome == OUTCOME_SAFE)
				w->done[w->n_done++].ref = claims[i].ref;
		}
		assert_true(queue_report(w->q, reports, n, w->now, &e));
		all += n;
	}
	return all;
}

static struct queue_status status_of(struct world *w)
{
	struct queue_status s;

	queue_status(w->q, &s);
	return s;
}

/* ---- what both engines promise ---- */

static void life(struct world *w)
{
	struct err e = { 0 };
	uint64_t id = accept_letter(w, S("s@example.org"));

	assert_int_equal(status_of(w).letters, 1);
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), STEPS);
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), 0);
	assert_int_equal(status_of(w).steps_unsynced, STEPS);
	body_is_right(w, id);
	assert_true(queue_checkpoint(w->q, &e));
	assert_int_equal(status_of(w).letters, 0);
	assert_true(queue_next_due(w->q) == INT64_MAX);
}

static void lease(struct world *w)
{
	struct queue_claim c[STEPS];
	struct queue_report late = { .outcome = OUTCOME_DONE };
	struct err e;

	accept_letter(w, S("s@example.org"));
	assert_int_equal(queue_claim(w->q, c, STEPS, w->now, w->now + MINUTE), STEPS);
	assert_int_equal(c[0].mode, STEP_FRESH);
	assert_true(str_eq(c[0].letter->rcpts[0].address, S("Alice+x@Example.TEST")));
	assert_int_equal(queue_claim(w->q, c, STEPS, w->now + SECOND, w->now + MINUTE), 0);
	assert_int_equal(queue_claim(w->q, c, STEPS, w->now + MINUTE, w->now + HOUR), STEPS);
	assert_int_equal(c[0].mode, STEP_REDO);
	late.ref = c[0].ref;
	assert_true(queue_report(w->q, &late, 1, w->now, &e));
	assert_true(queue_report(w->q, &late, 1, w->now, &e));  /* once more: ignored */
	late.ref.id++;
	assert_true(queue_report(w->q, &late, 1, w->now, &e));  /* unknown: ignored */
	assert_int_equal(status_of(w).steps_unsynced, 1);
}

static void retries(struct world *w)
{
	static const int64_t waits[] = { 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 4 * HOUR };
	struct err e;

	accept_letter(w, S(""));
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		assert_int_equal(carry_out(w, OUTCOME_LATER, "451 busy"), STEPS);
		assert_true(queue_next_due(w->q) == w->now + waits[i]);
		w->now += waits[i] - 1;
		assert_int_equal(carry_out(w, OUTCOME_LATER, ""), 0);
		w->now++;
		assert_true(queue_tend(w->q, w->now, &e));
	}
	assert_int_equal(carry_out(w, OUTCOME_SAFE, ""), STEPS);
	assert_int_equal(status_of(w).letters, 0);
}

static size_t claim_tasks(struct world *w, enum queue_task task, struct step_ref *refs)
{
	struct queue_claim c[STEPS];
	size_t n = queue_claim(w->q, c, STEPS, w->now, w->now + MINUTE);

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(c[i].task, task);
		assert_true(str_eq(c[i].text, S("451 4.2.0 busy")));
		refs[i] = c[i].ref;
	}
	return n;
}

static struct letter_record report_letter(struct world *w, uint64_t about)
{
	static const struct letter_rcpt rcpt = { .address = { "s@example.org", 13 } };
	static const struct letter_step step = { .kind = STEP_LOCAL, .target = { "s", 1 }, .base = { "2.s.h", 5 } };

	return (struct letter_record){
		.id = queue_id(w->q, w->now), .parent = about, .accepted = w->now,
		.rcpts = &rcpt, .n_rcpts = 1, .steps = &step, .n_steps = 1,
		.body = S(BODY), .body_size = sizeof body_text - 1,
	};
}

static void warn_then_bounce(struct world *w)
{
	struct step_ref refs[STEPS];
	struct err e = { 0 };
	uint64_t id = accept_letter(w, S("s@example.org"));
	struct queue_claim c[STEPS];
	struct queue_report rep[STEPS];
	struct letter_record r;

	w->now += 4 * HOUR;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(queue_claim(w->q, c, STEPS, w->now, w->now + MINUTE), STEPS);
		for (size_t i = 0; i < STEPS; i++)
			rep[i] = (struct queue_report){ .ref = c[i].ref, .outcome = OUTCOME_LATER, .text = "451 4.2.0 busy" };
		assert_true(queue_report(w->q, rep, STEPS, w->now, &e));
		r = report_letter(w, id);
		if (round == 0) {
			assert_int_equal(claim_tasks(w, TASK_WARN, refs), STEPS);
			assert_true(queue_warn(w->q, refs, STEPS, &r, &e));
			assert_int_equal(status_of(w).letters, 2);
			assert_int_equal(carry_out(w, OUTCOME_SAFE, ""), 1);
			w->now = T0 + 4 * DAY;
			assert_true(queue_tend(w->q, w->now, &e));
			continue;
		}
		assert_int_equal(claim_tasks(w, TASK_BOUNCE, refs), STEPS);
		assert_true(queue_bounce(w->q, refs, STEPS, &r, &e));
		assert_int_equal(status_of(w).letters, 1);
		assert_int_equal(carry_out(w, OUTCOME_SAFE, ""), 1);
		assert_int_equal(status_of(w).letters, 0);
	}
}

/* Nobody is warned or told about a letter from the null sender; its steps can be closed. */
static void null_sender(struct world *w)
{
	struct step_ref refs[STEPS];
	struct err e = { 0 };

	accept_letter(w, S(""));
	w->now += 5 * HOUR;
	assert_int_equal(carry_out(w, OUTCOME_LATER, "451 4.2.0 busy"), STEPS);
	w->now = T0 + 4 * DAY;
	{
		struct queue_claim c[STEPS];
		struct queue_report rep[STEPS];

		assert_int_equal(queue_claim(w->q, c, STEPS, w->now, w->now + 1), STEPS);
		for (size_t i = 0; i < STEPS; i++)
			rep[i] = (struct queue_report){ .ref = c[i].ref, .outcome = OUTCOME_LATER, .text = "451 4.2.0 busy" };
		assert_true(queue_report(w->q, rep, STEPS, w->now, &e));
	}
	assert_int_equal(claim_tasks(w, TASK_BOUNCE, refs), STEPS);
	assert_true(queue_bounce(w->q, refs, STEPS, NULL, &e));
	assert_int_equal(status_of(w).letters, 0);
}

static void sync_lost(struct world *w)
{
	struct queue_claim c[STEPS];
	struct err e = { 0 };

	accept_letter(w, S("s@example.org"));
	carry_out(w, OUTCOME_DONE, "");
	w->sync_fails = 1;
	assert_true(queue_checkpoint(w->q, &e));
	assert_int_equal(status_of(w).letters, 1);
	assert_int_equal(queue_claim(w->q, c, STEPS, w->now, w->now + 1), STEPS);
	assert_int_equal(c[0].mode, STEP_REWRITE);
	w->now += 1;
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), STEPS);
	assert_true(queue_checkpoint(w->q, &e));
	assert_int_equal(status_of(w).letters, 0);
}

static void hold(struct world *w)
{
	struct err e = { 0 };
	uint64_t id = accept_letter(w, S("s@example.org"));
	struct queue_walk at = { 0 };
	struct queue_entry q;
	size_t n = 0;

	assert_true(queue_hold(w->q, id, true, &e));
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), 0);
	assert_int_equal(status_of(w).held, 1);
	while (queue_next(w->q, &at, &q)) {
		assert_true(q.is_held && q.state == QUEUE_WAITS);
		n++;
	}
	assert_int_equal(n, STEPS);
	assert_true(queue_hold(w->q, id, false, &e));
	assert_int_equal(carry_out(w, OUTCOME_SAFE, ""), STEPS);
	assert_false(queue_hold(w->q, id, true, &e));
}

static struct queue_claim claim_one(struct world *w)
{
	struct queue_claim c = { 0 };

	assert_int_equal(queue_claim(w->q, &c, 1, w->now, w->now + MINUTE), 1);
	return c;
}

/* Claim a step, begin, and see its process die; how many deaths that makes. */
static unsigned die_of(struct world *w, uint64_t id, bool is_suspect)
{
	struct queue_claim c = claim_one(w);
	unsigned place, deaths = 0;
	struct err e;

	assert_true(c.ref.id == id);
	assert_int_equal(c.is_suspect, is_suspect);
	assert_true(queue_take_up(w->q, &c, w->now, &place));
	if (!queue_died(w->q, c.ref, w->now, &deaths, &e))
		fail_msg("%s", e.text);
	queue_put_down(w->q, place);
	return deaths;
}

static void third_death(struct world *w)
{
	uint64_t bad = accept_letter(w, S("s@example.org")), good;
	struct queue_walk at = { 0 };
	struct queue_entry q;
	struct err e;

	assert_int_equal(die_of(w, bad, false), 1);
	assert_int_equal(die_of(w, bad, true), 2);
	assert_int_equal(status_of(w).held, 0);
	assert_int_equal(die_of(w, bad, true), 3);
	assert_int_equal(status_of(w).held, 1);
	w->now += MINUTE;
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), 0);
	assert_true(queue_next(w->q, &at, &q));
	assert_true(q.is_held && q.deaths == 3 && str_find_str(q.claim.text, S("3 of 3")) < q.claim.text.n);

	good = accept_letter(w, S("s@example.org"));
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), STEPS);        /* mail goes on */
	body_is_right(w, good);

	assert_true(queue_hold(w->q, bad, false, &e));
	at = (struct queue_walk){ .id = bad };
	assert_true(queue_next(w->q, &at, &q));
	assert_true(!q.is_held && q.deaths == 0 && q.due <= w->now);
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), STEPS);
}

/* What passes is no suspect any more, and its deaths stay counted. */
static void suspect_passes(struct world *w)
{
	uint64_t id = accept_letter(w, S("s@example.org"));
	struct queue_report r = { .outcome = OUTCOME_LATER };
	struct queue_claim c;
	struct err e;

	assert_int_equal(die_of(w, id, false), 1);
	c = claim_one(w);
	assert_true(c.is_suspect);
	r.ref = c.ref;
	assert_true(queue_report(w->q, &r, 1, w->now, &e));
	assert_int_equal(die_of(w, id, false), 2);
}

/* Claims that wait in a line while something happens to their letter. */
static void not_now(struct world *w)
{
	uint64_t id = accept_letter(w, S("s@example.org"));
	struct queue_claim c[STEPS];
	unsigned place, deaths;
	struct err e;

	assert_int_equal(queue_claim(w->q, c, STEPS, w->now, w->now + MINUTE), STEPS);
	assert_true(queue_died(w->q, c[0].ref, w->now, &deaths, &e));
	assert_false(queue_take_up(w->q, &c[1], w->now, &place));
	c[1] = claim_one(w);
	assert_true(c[1].is_suspect && queue_take_up(w->q, &c[1], w->now, &place));
	queue_put_down(w->q, place);
	assert_true(queue_hold(w->q, id, true, &e));
	assert_false(queue_take_up(w->q, &c[1], w->now, &place));
	/* the lease of c[2] runs out: it is not claimed while it is held */
	assert_int_equal(queue_claim(w->q, c, STEPS, w->now + HOUR, w->now + 2 * HOUR), 0);
	assert_true(queue_hold(w->q, id, false, &e));
	assert_int_equal(queue_claim(w->q, c, STEPS, w->now + HOUR, w->now + 2 * HOUR), STEPS);
}

static void find(struct world *w)
{
	uint64_t one = accept_letter(w, S("s@example.org")), two = accept_letter(w, S("s@example.org")), got;
	struct err e;

	assert_true(queue_find(w->q, one, UINT64_MAX, &got, &e) && got == one);
	assert_true(queue_find(w->q, two & 0x7fff, 0x7fff, &got, &e) && got == two);
	assert_false(queue_find(w->q, 0, 0, &got, &e));          /* both */
	assert_false(queue_find(w->q, ~one, UINT64_MAX, &got, &e));
}

/* A letter between two pages may leave; who got his id first need not be written down first. */
static void walk_goes_on(struct world *w)
{
	uint64_t ids[3];
	struct queue_walk at = { 0 };
	struct queue_entry q;
	struct queue_claim c[STEPS];
	struct queue_report r[STEPS] = { 0 };
	struct err e;

	for (int i = 3; i-- > 0;)
		ids[i] = queue_id(w->q, w->now);
	for (int i = 0; i < 3; i++) {
		accept_as(w, ids[i], S("s@example.org"));
		w->now += SECOND;
	}
	for (int i = 0; i < STEPS + 1; i++)
		assert_true(queue_next(w->q, &at, &q));
	assert_true(q.claim.ref.id == ids[1]);
	assert_int_equal(queue_claim(w->q, c, STEPS, w->now, w->now + MINUTE), STEPS);
	assert_int_equal(queue_claim(w->q, c, STEPS, w->now, w->now + MINUTE), STEPS);
	for (int i = 0; i < STEPS; i++)
		r[i] = (struct queue_report){ .ref = c[i].ref, .outcome = OUTCOME_SAFE };
	assert_true(c[0].ref.id == ids[1] && queue_report(w->q, r, STEPS, w->now, &e));
	assert_false(queue_find(w->q, ids[1], UINT64_MAX, &ids[1], &e));
	assert_true(queue_next(w->q, &at, &q) && q.claim.ref.id == ids[2] && q.claim.ref.step == 0);
}

static void big_file(struct world *w)
{
	static const struct letter_rcpt rcpt = { .address = { "a@b", 3 } };
	static const struct letter_step step = { .kind = STEP_LOCAL, .target = { "a", 1 }, .base = { "3.a.h", 5 } };
	char name[LETTER_NAME_MAX + 1];
	struct err e = { 0 };
	struct letter_record r = {
		.id = queue_id(w->q, w->now), .accepted = w->now, .rcpts = &rcpt, .n_rcpts = 1,
		.steps = &step, .n_steps = 1, .body_size = sizeof body_text - 1,
	};
	struct letter_body b;
	int fd;

	assert_true(queue_file_new(w->q, r.id, &fd, name, &e));
	assert_true(fd_write_all(fd, S(BODY), &e));
	assert_true(queue_file_sync(w->q, fd, &e));
	close(fd);
	r.file = str_from_z(name);
	assert_true(queue_accept(w->q, &r, 1, &e));
	w->now += MINUTE;
	assert_true(queue_tend(w->q, w->now, &e));
	assert_int_equal(carry_out(w, OUTCOME_SAFE, ""), 1);
	assert_false(queue_body(w->q, r.id, &b, &e));
}

/* ---- the disk over restarts ---- */

static void test_disk_restart(void **state)
{
	struct world *w = world_new(true);
	struct err e = { 0 };
	static struct queue_claim c[64];
	uint64_t first;

	(void)state;
	first = accept_letter(w, S("s@example.org"));
	for (int i = 0; i < 9; i++)
		accept_letter(w, S("s@example.org"));
	for (int turn = 0; turn < 2; turn++) {
		world_restart(w);
		assert_int_equal(status_of(w).letters, 10);
		assert_int_equal(queue_claim(w->q, c, 64, w->now, w->now + 1), 10 * STEPS);
		assert_int_equal(c[0].mode, STEP_REDO);
		assert_true(c[0].ref.id == first);
		body_is_right(w, first);
	}
	/* one step safe, one done: the done one comes again */
	assert_true(queue_safe(w->q, (struct step_ref[]){ { first, 0 } }, 1, &e));
	world_restart(w);
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), 10 * STEPS - 1);
	world_restart(w);
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), 10 * STEPS - 1);
	assert_true(queue_checkpoint(w->q, &e));
	world_restart(w);
	assert_int_equal(status_of(w).letters, 0);
	assert_int_equal(status_of(w).segments_aside, 0);
	world_free(w);
}

static struct queue_entry entry_of(struct world *w, uint64_t id)
{
	struct queue_walk at = { .id = id };
	struct queue_entry q;

	assert_true(queue_next(w->q, &at, &q));
	assert_true(q.claim.ref.id == id);
	return q;
}

/* The count and the hold outlive every process, in the journal and in the spool. */
static void test_disk_deaths(void **state)
{
	struct world *w = world_new(true);
	struct queue_entry q;
	struct err e;
	uint64_t id;

	(void)state;
	id = accept_letter(w, S("s@example.org"));
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(die_of(w, id, i > 1), i);
		if (i == 2) {                    /* a row's states say it, too */
			w->now += MINUTE;
			assert_true(queue_tend(w->q, w->now, &e));
		}
		world_restart(w);
		q = entry_of(w, id);
		assert_int_equal(q.deaths, i);
		assert_int_equal(q.is_held, i == 3);
		w->now += MINUTE;
	}
	assert_true(queue_tend_all(w->q, w->now, MINUTE, &e));   /* no note in the journal is left */
	world_restart(w);
	assert_true(entry_of(w, id).is_held);
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), 0);
	assert_true(queue_hold(w->q, id, false, &e));
	world_restart(w);
	q = entry_of(w, id);
	assert_true(!q.is_held && q.deaths == 0);
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), STEPS);
	world_free(w);
}

static void test_disk_held_moves(void **state)
{
	struct world *w = world_new(true);
	struct err e;
	uint64_t id;

	(void)state;
	id = accept_letter(w, S("s@example.org"));
	for (int i = 0; i < 3; i++) {
		die_of(w, id, i > 0);
		w->now += 10 * SECOND;
	}
	assert_int_equal(status_of(w).in_journal, 1);
	w->now += QUEUE_SPOOL_AFTER;
	assert_true(queue_tend(w->q, w->now, &e));
	assert_int_equal(status_of(w).in_journal, 0);
	assert_int_equal(status_of(w).held, 1);
	world_free(w);
}

/* The queue itself dies, with several letters in hand, and one of them does it. */
static void test_disk_in_hand(void **state)
{
	struct world *w = world_new(true);
	struct queue_claim c[3 * STEPS];
	struct err e;
	uint64_t ids[3];
	unsigned place;

	(void)state;
	for (int i = 0; i < 3; i++)
		ids[i] = accept_letter(w, S("s@example.org"));
	assert_int_equal(queue_claim(w->q, c, ARRAY_LEN(c), w->now, w->now + MINUTE), ARRAY_LEN(c));
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		assert_true(c[i].ref.id == ids[2] || queue_take_up(w->q, &c[i], w->now, &place));
	world_restart(w);
	assert_int_equal(entry_of(w, ids[0]).deaths, 1);
	assert_int_equal(entry_of(w, ids[1]).deaths, 1);
	assert_int_equal(entry_of(w, ids[2]).deaths, 0);
	for (unsigned deaths = 1; deaths < 3; deaths++) {
		while ((c[0] = claim_one(w)).ref.id != ids[0])
			continue;
		assert_true(c[0].is_suspect && queue_take_up(w->q, &c[0], w->now, &place));
		world_restart(w);
		if (deaths + 1 < 3) {            /* a rest before the last time */
			while (queue_claim(w->q, c, 1, w->now, w->now + MINUTE))
				assert_true(c[0].ref.id != ids[0]);
			w->now += 5 * SECOND;
		}
	}
	assert_true(entry_of(w, ids[0]).is_held);
	w->now += MINUTE;                        /* the leases end */
	assert_int_equal(entry_of(w, ids[1]).deaths, 1);
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), 2 * STEPS);
	assert_true(queue_hold(w->q, ids[0], false, &e));
	assert_int_equal(queue_claim(w->q, c, 1, w->now, w->now + MINUTE), 1);
	assert_true(queue_take_up(w->q, &c[0], w->now, &place));
	queue_put_all_down(w->q);                /* a clean end is nobody's fault */
	world_restart(w);
	assert_int_equal(entry_of(w, ids[0]).deaths, 0);
	world_free(w);
}

/* A start that dies of one record: the third time it does without, and its segment stays for a person. */
static void test_disk_bad_record(void **state)
{
	struct world *w = world_new(true);
	struct queue_entry q;
	struct queue_walk at = { 0 };
	struct hands h;
	uint64_t ids[2];
	struct err e;

	(void)state;
	for (int i = 0; i < 2; i++)
		ids[i] = accept_letter(w, S("s@example.org"));
	queue_close(w->q);
	for (int i = 0; i < HANDS_DEATHS_MAX; i++) {
		assert_true(hands_open(&h, w->dir, "db/queue/in-hand", &e));
		assert_true(hands_reading(&h, HANDS_RECORD, 1));
		hands_close(&h);
	}
	world_open(w);
	assert_true(queue_next(w->q, &at, &q) && q.claim.ref.id == ids[1]);
	assert_int_equal(status_of(w).letters, 1);
	assert_int_equal(status_of(w).segments_aside, 1);
	assert_int_equal(carry_out(w, OUTCOME_DONE, ""), STEPS);

	/* what lies aside goes after 30 days */
	w->now += 29 * DAY;
	world_restart(w);
	assert_int_equal(status_of(w).segments_aside, 1);
	w->now += 2 * DAY;
	world_restart(w);
	assert_int_equal(status_of(w).segments_aside, 0);
	world_free(w);
}

/* The sweep spares what a segment kept aside may name: files that are not younger. */
static void test_disk_aside_sweep(void **state)
{
	struct world *w = world_new(true);
	static const char *const names[] = { "spool/in/old", "spool/in/young" };
	struct timespec times[2] = { 0 };
	char aside[64];

	(void)state;
	queue_close(w->q);
	snprintf(aside, sizeof aside, "journal/00.%lld.aside", (long long)(T0 / MILLISECOND));
	for (int i = 0; i < 3; i++) {
		int fd = openat(w->dir, i == 2 ? aside : names[i], O_WRONLY | O_CREAT, 0600);

		assert_true(fd >= 0);
		times[0].tv_sec = times[1].tv_sec = T0 / SECOND + (i == 1 ? HOUR : -HOUR) / SECOND;
		assert_int_equal(futimens(fd, times), 0);
		close(fd);
	}
	w->now = T0 + 3 * DAY;
	world_open(w);
	assert_int_equal(faccessat(w->dir, names[0], F_OK, 0), 0);
	assert_int_equal(faccessat(w->dir, names[1], F_OK, 0), -1);
	w->now = T0 + 31 * DAY;
	world_restart(w);
	assert_int_equal(faccessat(w->dir, names[0], F_OK, 0), -1);
	assert_int_equal(faccessat(w->dir, aside, F_OK, 0), -1);
	world_free(w);
}

static void test_disk_spool(void **state)
{
	struct world *w = world_new(true);
	struct step_ref refs[1];
	struct letter_record r;
	struct err e = { 0 };
	uint64_t id;

	(void)state;
	id = accept_letter(w, S("s@example.org"));
	assert_int_equal(carry_out(w, OUTCOME_LATER, "451 busy"), STEPS);
	assert_true(queue_safe(w->q, (struct step_ref[]){ { id, 2 } }, 1, &e));
	w->now += MINUTE;
	if (!queue_tend(w->q, w->now, &e))
		fail_msg("%s", e.text);
	for (int turn = 0; turn < 2; turn++) {
		world_restart(w);
		assert_int_equal(status_of(w).letters, 1);
		assert_int_equal(status_of(w).steps_open, STEPS - 1);
		assert_int_equal(status_of(w).steps_unsynced, 0);
		body_is_right(w, id);
		assert_int_equal(carry_out(w, OUTCOME_DONE, ""), 0);     /* not yet due */
	}
	/* a report closes one of its steps: in one record with the row's letter */
	refs[0] = (struct step_ref){ id, 0 };
	r = report_letter(w, id);
	assert_true(queue_bounce(w->q, refs, 1, &r, &e));
	world_restart(w);
	assert_int_equal(status_of(w).letters, 2);
	assert_int_equal(status_of(w).steps_open, 2);
	w->now += HOUR;
	assert_int_equal(carry_out(w, OUTCOME_SAFE, ""), 2);
	assert_int_equal(status_of(w).letters, 0);
	world_restart(w);
	assert_int_equal(status_of(w).letters, 0);
	world_free(w);
}

static void test_disk_segments(void **state)
{
	struct world *w = world_new(true);
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 400; i++) {
		if (!queue_has_room(w->q))
			fail_msg("no room at %d", i);
		accept_letter(w, S("s@example.org"));
		carry_out(w, OUTCOME_DONE, "");
		if (!queue_tend(w->q, w->now, &e))
			fail_msg("%s", e.text);
		if (w->n_done > 4000)
			w->n_done = 0;
	}
	assert_true(status_of(w).segments_full <= 1);
	assert_true(queue_tend_all(w->q, w->now, MINUTE, &e));
	assert_int_equal(status_of(w).segments_full, 0);
	world_restart(w);
	assert_int_equal(status_of(w).letters, 0);
	world_free(w);
}

static void test_disk_clean_stop(void **state)
{
	struct world *w = world_new(true);
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 200; i++)
		accept_letter(w, S("s@example.org"));
	assert_true(queue_tend_all(w->q, w->now, MINUTE, &e));
	assert_int_equal(status_of(w).segments_full, 0);
	world_restart(w);
	assert_int_equal(status_of(w).letters, 200);
	assert_int_equal(carry_out(w, OUTCOME_SAFE, ""), 200 * STEPS);
	world_free(w);
}

/* A walk: accept, carry out, fail, note, tend, kill; what was promised is never forgotten. */
/* With no time left what waits stays in the journal, and the next start has it. */
static void test_disk_quick_stop(void **state)
{
	struct world *w = world_new(true);
	uint64_t id[200];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(id); i++)
		id[i] = accept_letter(w, S("s@example.org"));
	assert_true(queue_tend_all(w->q, w->now, 0, &e));
	assert_int_not_equal(status_of(w).in_journal, 0);
	assert_true(status_of(w).in_journal < ARRAY_LEN(id));    /* some went, as many as go at once */
	world_restart(w);
	assert_int_equal(status_of(w).letters, ARRAY_LEN(id));
	for (size_t i = 0; i < ARRAY_LEN(id); i++)
		body_is_right(w, id[i]);
	assert_int_equal(carry_out(w, OUTCOME_SAFE, ""), ARRAY_LEN(id) * STEPS);
	assert_int_equal(status_of(w).letters, 0);
	world_free(w);
}

static void test_disk_walk(void **state)
{
	struct world *w = world_new(true);
	enum { LETTERS = 600 };
	static uint64_t ids[LETTERS];
	static bool safe[LETTERS][STEPS];
	struct err e = { 0 };
	size_t n = 0, kills = 0;

	(void)state;
	memset(safe, 0, sizeof safe);
	while (n < LETTERS) {
		struct queue_claim c[8];
		struct queue_report rep[8];
		size_t got, k;

		w->now += rnd_below(5) * SECOND;
		ids[n++] = accept_letter(w, S("s@example.org"));
		got = queue_claim(w->q, c, 1 + rnd_below(8), w->now, w->now + MINUTE);
		for (k = 0; k < got; k++) {
			size_t l = 0;

			while (l < n && ids[l] != c[k].ref.id)
				l++;
			assert_true(l < n);
			assert_false(safe[l][c[k].ref.step]);
			rep[k] = (struct queue_report){ .ref = c[k].ref, .outcome = (enum queue_outcome)rnd_below(3) };
			if (rep[k].outcome == OUTCOME_SAFE)
				safe[l][c[k].ref.step] = true;
			if (rep[k].outcome == OUTCOME_DONE)
				w->done[w->n_done++] = (struct delivered){ c[k].ref, false };
		}
		if (!queue_report(w->q, rep, got, w->now, &e))
			fail_msg("%s", e.text);
		if (rnd_below(3) == 0 && !queue_tend(w->q, w->now, &e))
			fail_msg("%s", e.text);
		/* what a checkpoint synced is safe from now on */
		for (k = 0; k < w->n_done; k++)
			for (size_t l = 0; w->done[k].is_synced && l < n; l++)
				if (ids[l] == w->done[k].ref.id)
					safe[l][w->done[k].ref.step] = true;
		if (rnd_below(12) == 0) {
			world_restart(w);
			kills++;
		}
	}
	world_restart(w);
	queue_retry(w->q, 0, w->now);
	for (size_t i = 0; i < n; i++) {
		struct queue_walk at = { .id = ids[i] };
		struct queue_entry q;
		bool open[STEPS] = { 0 };

		while (queue_next(w->q, &at, &q) && q.claim.ref.id == ids[i])
			open[q.claim.ref.step] = true;
		for (size_t k = 0; k < STEPS; k++)
			assert_true(open[k] != safe[i][k]);
	}
	print_message("# %zu letters, %zu kills\n", n, kills);
	world_free(w);
}

static void accounts_main(void *arg)
{
	struct world *w = arg;
	struct err e = { 0 };

	world_open(w);
	for (int i = 0; i < 20; i++)
		accept_letter(w, S("s@example.org"));
	carry_out(w, OUTCOME_DONE, "");
	w->sync_fails = 1;
	assert_true(queue_checkpoint(w->q, &e));
	assert_int_equal(status_of(w).steps_open, 20);
	assert_true(w->accounts_most >= 3);
	w->sync_fails = 0;
	carry_out(w, OUTCOME_DONE, "");
	assert_true(queue_checkpoint(w->q, &e));
	assert_int_equal(status_of(w).letters, 0);
	queue_close(w->q);
	w->q = NULL;
}

static void test_by_account(void **state)
{
	struct world *w = world_new(true);

	(void)state;
	queue_close(w->q);
	w->by_account = true;
	loop_run(accounts_main, w);
	world_open(w);
	world_free(w);
}

static int sync_left;

static ssize_t write_plain(int fd, const struct iovec *iov, int n, off_t at)
{
	return pwritev(fd, iov, n, at);
}

static int sync_once(int fd)
{
	if (sync_left-- > 0)
		return fdatasync(fd);
	errno = EIO;
	return -1;
}

/* P3 from above: nothing is acknowledged, the queue says that it is broken, a restart has all. */
static void test_disk_broken(void **state)
{
	static const struct journal_ops ops = { write_plain, sync_once };
	struct world *w = world_new(true);
	struct letter_record r;
	struct err e = { 0 };

	(void)state;
	queue_close(w->q);
	w->conf.journal_ops = &ops;
	sync_left = 2;
	world_open(w);
	accept_letter(w, S("s@example.org"));
	accept_letter(w, S("s@example.org"));
	r = report_letter(w, 0);
	assert_false(queue_accept(w->q, &r, 1, &e));
	assert_int_equal(e.fault, FAULT_TEMP);
	assert_true(queue_is_broken(w->q));
	assert_false(queue_has_room(w->q));
	assert_false(queue_tend(w->q, w->now, &e));
	w->conf.journal_ops = NULL;
	world_restart(w);
	assert_true(status_of(w).letters >= 2);
	world_free(w);
}

/* Many at once: clients, couriers, housekeeping; then a kill. */
struct busy {
	struct world *w;
	unsigned accepting;
	unsigned accepted, delivered;
};

static void busy_client(void *arg)
{
	struct busy *b = arg;

	for (int i = 0; i < 20; i++) {
		accept_letter(b->w, S("s@example.org"));
		b->accepted++;
	}
	b->accepting--;
}

static void busy_courier(void *arg)
{
	struct busy *b = arg;
	struct world *w = b->w;
	struct err e;

	while (b->accepting > 0 || queue_next_due(w->q) <= w->now) {
		struct queue_claim c[4];
		struct queue_report r[4];
		size_t n = queue_claim(w->q, c, 4, w->now, w->now + HOUR);

		for (size_t i = 0; i < n; i++) {
			struct letter_body body;

			r[i] = (struct queue_report){
				.ref = c[i].ref,
				.outcome = rnd_below(2) ? OUTCOME_DONE : OUTCOME_SAFE,
			};
			assert_true(queue_body(w->q, c[i].ref.id, &body, &e));
			fiber_sleep(rnd_below(2000), &e);
			assert_true(body.fd >= 0 || str_eq(body.bytes, S(BODY)));
			letter_body_end(&body);
			b->delivered++;
		}
		if (!queue_report(w->q, r, n, w->now, &e))
			fail_msg("%s", e.text);
		fiber_sleep(MILLISECOND, &e);
	}
}

static void busy_tend(void *arg)
{
	struct busy *b = arg;
	struct world *w = b->w;
	struct err e = { 0 };

	while (b->accepting > 0) {
		w->now += 20 * SECOND;
		if (!queue_tend(w->q, w->now, &e) || !queue_checkpoint(w->q, &e))
			fail_msg("%s", e.text);
		w->n_done = 0;
		fiber_sleep(2 * MILLISECOND, &e);
	}
}

static void busy_main(void *arg)
{
	struct busy *b = arg;
	AUTO(nursery_end) struct nursery n = { 0 };
	struct err e;

	b->accepting = 32;
	for (unsigned i = 0; i < 32; i++)
		assert_true(fiber_start(&n, "client", busy_client, b));
	for (unsigned i = 0; i < 8; i++)
		assert_true(fiber_start(&n, "courier", busy_courier, b));
	assert_true(fiber_start(&n, "tend", busy_tend, b));
	assert_true(nursery_join(&n, &e));
}

static void test_busy(void **state)
{
	struct busy b = { .w = world_new(true) };
	struct queue_status s;
	struct err e;

	(void)state;
	loop_run(busy_main, &b);
	s = status_of(b.w);
	print_message("# %u letters, %llu records, %llu syncs\n", b.accepted,
		      (unsigned long long)s.records, (unsigned long long)s.syncs);
	assert_int_equal(b.accepted, 32 * 20);
	assert_int_equal(b.delivered, b.accepted * STEPS);
	assert_int_equal(s.steps_waiting, 0);
	assert_true(queue_checkpoint(b.w->q, &e));
	assert_int_equal(status_of(b.w).letters, 0);
	world_restart(b.w);
	assert_int_equal(status_of(b.w).letters, 0);
	world_free(b.w);
}

/* ---- the pure parts ---- */

static void test_schedule(void **state)
{
	const struct schedule *s = &schedule_default;

	(void)state;
	assert_true(schedule_next(s, 1, T0) == T0 + 5 * MINUTE);
	assert_true(schedule_next(s, 4, T0) == T0 + 4 * HOUR);
	assert_true(schedule_next(s, 1000, T0) == T0 + 4 * HOUR);
	assert_false(schedule_is_over(s, T0, T0 + 4 * DAY - 1));
	assert_true(schedule_is_over(s, T0, T0 + 4 * DAY));
	assert_false(schedule_is_over(s, T0, T0 - DAY));
	assert_true(schedule_should_warn(s, T0, T0 + 4 * HOUR));
	assert_false(schedule_is_due(s, T0 + HOUR, T0));
	assert_false(schedule_is_due(s, T0 + 4 * HOUR, T0));
	assert_true(schedule_is_due(s, T0 + 4 * HOUR + 1, T0)); /* the clock went back */
}

static void engine_rows(bool is_disk, bool is_thick)
{
	static void (*const rows[])(struct world *w) = {
		life, lease, retries, warn_then_bounce, null_sender, sync_lost, hold, big_file, third_death,
		suspect_passes, not_now, find, walk_goes_on,
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = world_as(is_disk, is_thick);

		rows[i](w);
		world_free(w);
	}
}

static void test_memory(void **state)
{
	(void)state;
	engine_rows(false, true);
}

static void test_disk(void **state)
{
	(void)state;
	engine_rows(true, false);
	engine_rows(true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_disk),
		cmocka_unit_test(test_disk_restart),
		cmocka_unit_test(test_disk_deaths),
		cmocka_unit_test(test_disk_held_moves),
		cmocka_unit_test(test_disk_in_hand),
		cmocka_unit_test(test_disk_bad_record),
		cmocka_unit_test(test_disk_aside_sweep),
		cmocka_unit_test(test_disk_spool),
		cmocka_unit_test(test_disk_segments),
		cmocka_unit_test(test_disk_clean_stop),
		cmocka_unit_test(test_disk_quick_stop),
		cmocka_unit_test(test_disk_walk),
		cmocka_unit_test(test_by_account),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_disk_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
