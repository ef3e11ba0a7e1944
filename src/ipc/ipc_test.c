/* ipc_test.c — the codec refuses every truncation and stray descriptor; links
 * call, tell, pass descriptors, keep their window, and die cleanly. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/fd.h"
#include "ipc/say.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail      /* ours, of base/err.h */

static void test_table(void **state)
{
	const struct ipc_type *t;

	(void)state;
	for (size_t i = 0; (t = ipc_type_at(i)); i++) {
		assert_ptr_equal(ipc_type_find(t->number), t);           /* numbers are unique */
		assert_true(t->from && t->to);
		assert_false(ipc_may_say(t, IPC_TELL, ROLE_SMTPD, ROLE_SMTPD));
	}
	t = ipc_type_find(IPC_queue_commit);
	assert_true(ipc_may_say(t, IPC_QUESTION, ROLE_SMTPD, ROLE_QUEUE));
	assert_true(ipc_may_say(t, IPC_ANSWER, ROLE_QUEUE, ROLE_SMTPD));
	assert_false(ipc_may_say(t, IPC_QUESTION, ROLE_SCAN, ROLE_QUEUE));
	assert_false(ipc_may_say(t, IPC_TELL, ROLE_SMTPD, ROLE_QUEUE));
}

static void test_truncations(void **state)
{
	struct ipc_rcpt r[2] = { { .address = S("a@b"), .notify = 3 }, { .domain = S("c") } };
	struct queue_commit q = { .id = 7, .letter = 5, .mail_from = S("x@y"), .received = -1,
				  .rcpts = { r, 2 } }, back;
	const struct ipc_shape *shape = ipc_type_find(IPC_queue_commit)->question();
	char mem[1000];
	struct buf b = buf_over(mem, sizeof(mem));
	AUTO(arena_end) struct arena a = { 0 };
	int fds[IPC_FDS_MAX];
	size_t n_fds;
	struct err e;

	(void)state;
	assert_true(ipc_encode(&b, shape, &q, fds, &n_fds, &e) && n_fds == 1 && fds[0] == 5);
	assert_true(ipc_decode(buf_str(&b), shape, &back, fds, 1, &a, &e));
	assert_true(back.rcpts.n == 2 && back.rcpts.p[0].notify == 3 && back.letter == 5 && back.received == -1);
	assert_true(str_eq(back.rcpts.p[1].domain, S("c")));
	for (size_t n = 0; n < b.n; n++)
		assert_false(ipc_decode(str_head(buf_str(&b), n), shape, &back, fds, 1, &a, &e));
	assert_false(ipc_decode(buf_str(&b), shape, &back, fds, 0, &a, &e));
	assert_false(ipc_decode(buf_str(&b), shape, &back, fds, 2, &a, &e));
	buf_add_char(&b, 'x');
	assert_false(ipc_decode(buf_str(&b), shape, &back, fds, 1, &a, &e));
}

static unsigned served, told, closed;
static size_t told_bytes;
static char big[300000];
static char last_peer[64];

SUSPENDS static bool serve_begin(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_begin *q = question;
	struct queue_begin_answer *r = answer;

	(void)l, (void)a;
	served++;
	if (q->count == 1)
		return fail(e, FAULT_PERM, "no");
	if (q->count == 2 && !fiber_sleep(50 * MILLISECOND, e))
		return false;
	r->id = q->count * 2;
	return true;
}

SUSPENDS static bool serve_pipe(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_pipe_answer *r = answer;

	(void)l, (void)question, (void)a;
	return fd_sealed("x", S("hello"), &r->pipe, e);
}

static void hear_disconnect(struct link *l, void *tell)
{
	struct queue_why *w = tell;

	(void)l;
	told++;
	told_bytes = w->record.n;
	snprintf(last_peer, sizeof(last_peer), STR_FMT, STR_ARG(w->record));
}

static void on_close(struct link *l)
{
	(void)l;
	closed++;
}

static struct link *queue_link;

SUSPENDS static void ask_many(void *arg)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct queue_begin_answer r;
	struct err e;

	for (unsigned i = 0; i < 50; i++) {
		assert_true(queue_begin(queue_link, &(struct queue_begin){ .count = 100 + i }, &r, &a, &e));
		assert_int_equal(r.id, (100 + i) * 2);
	}
	++*(unsigned *)arg;
}

SUSPENDS static void link_main(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	AUTO(arena_end) struct arena a = { 0 };
	struct queue_begin_answer r;
	struct queue_pipe_answer p;
	struct link *other;
	unsigned finished = 0;
	struct err e;
	char back[5];
	int sv[2];

	(void)arg;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	queue_link = link_open(sv[0], ROLE_SMTPD, ROLE_QUEUE, 0, S(""), &n, &e);
	other = link_open(sv[1], ROLE_QUEUE, ROLE_SMTPD, 3, S(""), &n, &e);
	assert_true(queue_link && other);
	{
		AUTO(nursery_end) struct nursery callers = { 0 };

		for (int i = 0; i < 200; i++)            /* three times the window */
			assert_true(fiber_start(&callers, "caller", ask_many, &finished));
		assert_true(nursery_join(&callers, &e));
	}
	assert_int_equal(finished, 200);
	assert_int_equal(served, 10000);
	assert_false(queue_begin(queue_link, &(struct queue_begin){ .count = 1 }, &r, &a, &e));
	assert_true(e.fault == FAULT_PERM && strcmp(e.text, "no") == 0);
	WITHIN(10 * MILLISECOND)
		assert_false(queue_begin(queue_link, &(struct queue_begin){ .count = 2 }, &r, &a, &e));
	assert_true(e.timed_out);
	assert_int_equal(queue_link->n_calls, 1);        /* abandoned, until its answer comes */
	assert_true(fiber_sleep(100 * MILLISECOND, &e));
	assert_int_equal(queue_link->n_calls, 0);
	assert_true(queue_pipe(queue_link, &(struct queue_pipe){ .id = 1 }, &p, &a, &e));
	assert_true(fd_pread_all(p.pipe, back, 5, 0, &e) && memcmp(back, "hello", 5) == 0);
	close(p.pipe);
	/* more than 64 KiB goes by a sealed memfd, both ways it is the same call */
	assert_true(queue_why(queue_link, &(struct queue_why){ .record = str_of(big, sizeof(big)) }));
	assert_true(fiber_sleep(10 * MILLISECOND, &e));
	assert_int_equal(told_bytes, sizeof(big));
	told = 0;
	assert_true(queue_why(queue_link, &(struct queue_why){ .record = S("192.0.2.1") }));
	breathe();
	assert_true(fiber_sleep(10 * MILLISECOND, &e));
	assert_true(told == 1 && strcmp(last_peer, "192.0.2.1") == 0);
	/* P17: nonsense closes the channel and hurts nobody else */
	assert_int_equal(send(sv[0], "nonsense", 8, 0), 8);
	assert_false(queue_begin(queue_link, &(struct queue_begin){ .count = 2 }, &r, &a, &e));
	assert_int_equal(e.fault, FAULT_TEMP);
	assert_null(link_to(ROLE_QUEUE));
	assert_false(queue_begin(link_to(ROLE_QUEUE), &(struct queue_begin){ .count = 2 }, &r, &a, &e));
}

static void test_link(void **state)
{
	(void)state;
	ipc_serve(IPC_queue_begin, serve_begin);
	ipc_serve(IPC_queue_pipe, serve_pipe);
	ipc_hear(IPC_queue_why, hear_disconnect);
	ipc_on_close(on_close);
	loop_run(link_main, NULL);
	assert_int_equal(closed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table), cmocka_unit_test(test_truncations), cmocka_unit_test(test_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
