/* lanes_test.c — what waits for other servers: by destination, together what can go together, asleep what cannot. */
#include "queue/queue.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0 (INT64_C(1790000000) * SECOND)
#define BODY "Subject: one\r\n\r\nA letter.\r\n"

enum { MOST = 8 };

static bool by_name = true;

/* The domain; another one after the configuration has changed. */
static void key(void *arg, const struct letter_record *l, const struct letter_step *s, struct buf *ret)
{
	(void)arg, (void)l;
	buf_add(ret, by_name ? str_from(s->target, str_rfind(s->target, '@') + 1) : S("smart"));
}

struct world {
	struct queue *q;
	int64_t now;
};

static struct world world_new(void)
{
	struct queue_conf conf = { .lane_key = key };
	struct world w = { .now = T0 };
	struct err e;

	by_name = true;
	assert_true(queue_memory_open(&conf, &w.q, &e));
	return w;
}

/* "a@x b@y": a step for each; "a@x/P": with the prefix P. */
static uint64_t accept_for(struct world *w, struct str from, struct str targets)
{
	struct letter_rcpt rcpts[MOST] = { 0 };
	struct letter_step steps[MOST] = { 0 };
	struct letter_record r = { .id = queue_id(w->q, w->now), .accepted = w->now, .from = from, .rcpts = rcpts,
				   .steps = steps, .body = S(BODY), .body_size = sizeof(BODY) - 1 };
	struct err e = { 0 };

	while (targets.n) {
		struct str one = str_cut(targets, ' ', &targets), prefix;

		one = str_cut(one, '/', &prefix);
		rcpts[r.n_rcpts].address = one;
		steps[r.n_steps++] = (struct letter_step){ .rcpt = r.n_rcpts++, .kind = STEP_REMOTE, .target = one,
							   .prefix = prefix };
	}
	assert_true(queue_accept(w->q, &r, 1, &e));
	return r.id;
}

static size_t claim(struct world *w, struct str lane, struct queue_claim *ret)
{
	struct lane *l = queue_lane_due(w->q, w->now);

	if (!l)
		return 0;
	assert_true(!lane.n || str_eq(queue_lane_key(l), lane));
	queue_lane_own(w->q, l, w);
	return queue_claim_lane(w->q, l, ret, MOST, w->now, w->now + HOUR);
}

static void report(struct world *w, const struct queue_claim *c, size_t n, enum queue_outcome outcome, const char *text)
{
	struct err e;

	for (size_t i = 0; i < n; i++)
		assert_true(queue_report(w->q, &(struct queue_report){ .ref = c[i].ref, .outcome = outcome, .text = text,
								       .host = "mx.x [192.0.2.1]" }, 1, w->now, &e));
}

static void test_together(void **state)
{
	struct world w = world_new();
	struct queue_claim c[MOST];

	(void)state;
	accept_for(&w, S("s@o"), S("a@x b@y c@x d@x/other e@x"));
	w.now++;
	accept_for(&w, S("s@o"), S("f@x"));
	assert_int_equal(queue_claim(w.q, c, MOST, w.now, w.now + HOUR), 0);
	w.now = T0;
	for (size_t got = 0, n; got < 5; got += n) {
		n = claim(&w, S(""), c + got);
		assert_true(n > 0);
		if (str_eq(c[got].step->target, S("a@x"))) {    /* one letter, one view */
			assert_int_equal(n, 3);
			assert_true(str_eq(c[got + 1].step->target, S("c@x")) && str_eq(c[got + 2].step->target, S("e@x")));
		} else {
			assert_int_equal(n, 1);
		}
	}
	assert_int_equal(claim(&w, S(""), c + 5), 0);
	w.now++;
	assert_int_equal(claim(&w, S("x"), c + 5), 1);
	report(&w, c, 6, OUTCOME_SAFE, "250 ok");
	assert_true(queue_lane_next(w.q) == INT64_MAX);
	queue_close(w.q);
}

static void test_shut(void **state)
{
	struct world w = world_new();
	struct queue_claim c[MOST];
	struct lane *l;

	(void)state;
	accept_for(&w, S("s@o"), S("a@x"));
	accept_for(&w, S("s@o"), S("b@y"));
	l = queue_lane_due(w.q, w.now);
	queue_lane_own(w.q, l, &w);
	queue_lane_open_at(w.q, l, INT64_MAX);
	assert_int_equal(claim(&w, S("y"), c), 1);
	assert_true(!queue_lane_due(w.q, w.now + DAY) && queue_lane_next(w.q) == INT64_MAX);
	queue_lane_open_at(w.q, l, T0 + MINUTE);
	assert_true(queue_lane_next(w.q) == T0 + MINUTE && !queue_lane_due(w.q, T0 + MINUTE - 1));
	assert_ptr_equal(queue_lane_due(w.q, T0 + MINUTE), l);
	queue_lane_open_at(w.q, l, 0);
	assert_int_equal(claim(&w, S("x"), c), 1);
	queue_lane_own(w.q, l, NULL);
	queue_close(w.q);
}

/* Nothing can go there: nobody's tries are counted, and who waited too long hears of it. */
static void test_asleep(void **state)
{
	struct world w = world_new();
	struct queue_claim c[MOST];
	struct lane *l;
	struct err e;

	(void)state;
	accept_for(&w, S("s@o"), S("old@x"));
	accept_for(&w, S(""), S("bounce@x"));
	w.now += 4 * HOUR;
	accept_for(&w, S("s@o"), S("new@x"));
	assert_int_equal(claim(&w, S("x"), c), 1);
	report(&w, c, 1, OUTCOME_LATER, "no route to host");
	l = queue_lane_due(w.q, w.now);
	queue_lane_failed(w.q, l, S("no route to host"), w.now);
	queue_lane_open_at(w.q, l, w.now + HOUR);
	assert_int_equal(queue_claim(w.q, c, MOST, w.now, w.now + HOUR), 1);
	assert_int_equal(c[0].task, TASK_WARN);
	assert_true(str_eq(c[0].step->target, S("old@x")) && str_eq(c[0].text, S("no route to host")));
	assert_true(queue_warn(w.q, &c[0].ref, 1, NULL, &e));
	assert_null(queue_lane_due(w.q, w.now));
	w.now += 5 * DAY;
	assert_int_equal(claim(&w, S("x"), c), 1);       /* one tries */
	report(&w, c, 1, OUTCOME_LATER, "still none");
	queue_lane_failed(w.q, l, S("still none"), w.now);
	assert_int_equal(queue_claim(w.q, c, MOST, w.now, w.now + HOUR), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(c[i].task, TASK_BOUNCE);
		assert_true(c[i].text.n > 0);
		assert_true(c[i].tries <= 2);
	}
	queue_lane_own(w.q, l, NULL);
	queue_close(w.q);
}

static void test_changed(void **state)
{
	struct world w = world_new();
	struct queue_claim c[MOST];
	struct err e;

	(void)state;
	accept_for(&w, S("s@o"), S("a@x b@y"));
	assert_int_equal(claim(&w, S("x"), c), 1);
	by_name = false;
	queue_relane(w.q);
	/* what comes back unused is due again when it was said, and no try was counted */
	assert_true(queue_report(w.q, &(struct queue_report){ .ref = c[0].ref, .outcome = OUTCOME_LATER, .is_mild = true,
							      .again = w.now + 1 }, 1, w.now, &e));
	w.now++;
	assert_int_equal(claim(&w, S("smart"), c), 2);
	assert_int_equal(c[0].tries, 0);
	report(&w, c, 2, OUTCOME_LATER, "451 later");
	assert_true(queue_lane_next(w.q) == w.now + 5 * MINUTE);
	queue_close(w.q);
}

/* A lease that ran out brings a step back to its lane, not to whoever claims the common ones. */
static void test_lease(void **state)
{
	struct world w = world_new();
	struct queue_claim c[MOST], again;

	(void)state;
	accept_for(&w, S("s@o"), S("a@x"));
	assert_int_equal(claim(&w, S("x"), c), 1);
	assert_true(queue_reclaim(w.q, c[0].ref, &again));
	w.now += HOUR;
	assert_int_equal(queue_claim(w.q, c, MOST, w.now, w.now + HOUR), 0);
	assert_false(queue_reclaim(w.q, c[0].ref, &again));
	assert_int_equal(claim(&w, S("x"), c), 1);
	queue_suspect(w.q, c[0].ref);
	assert_true(queue_reclaim(w.q, c[0].ref, &again) && again.is_suspect);
	report(&w, c, 1, OUTCOME_NEVER, "550 5.1.1 no");
	assert_int_equal(queue_claim(w.q, c, MOST, w.now, w.now + HOUR), 1);
	assert_int_equal(c[0].task, TASK_BOUNCE);
	assert_true(str_eq(c[0].text, S("550 5.1.1 no")) && str_eq(c[0].host, S("mx.x [192.0.2.1]")));
	queue_close(w.q);
}

/* Held letters stand in no lane. */
static void test_held(void **state)
{
	struct world w = world_new();
	struct err e;
	uint64_t id = accept_for(&w, S("s@o"), S("a@x"));

	(void)state;
	assert_true(queue_hold(w.q, id, true, &e));
	assert_null(queue_lane_due(w.q, w.now + DAY));
	assert_true(queue_hold(w.q, id, false, &e));
	assert_non_null(queue_lane_due(w.q, w.now));
	queue_close(w.q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_together), cmocka_unit_test(test_shut), cmocka_unit_test(test_asleep),
		cmocka_unit_test(test_changed), cmocka_unit_test(test_lease), cmocka_unit_test(test_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
