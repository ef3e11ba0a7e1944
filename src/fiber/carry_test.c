/* carry_test.c — bytes go both ways, wait where they must, and ends are passed on. */
#include "base/attr.h"
#include "base/buf.h"
#include "base/fd.h"
#include "fiber/carry.h"
#include "fiber/conn.h"
#include "fiber/fiber.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MUCH = 3 << 20 };

/* The carrier stands between client and mailbox; the test holds their far ends. */
struct stage {
	struct conn conn;
	int client, stream, mailbox;     /* stream is the carrier's */
	struct carried facts;
	struct wait woken;
	struct str first;
	bool ok;
	struct nursery n;
};

static void stage_open(struct stage *s)
{
	int a[2], b[2];

	*s = (struct stage){ .stream = -1 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b), 0);
	conn_init(&s->conn, a[0]);
	s->client = a[1];
	s->stream = b[0];
	s->mailbox = b[1];
}

static void wake(void *arg)
{
	wait_wake(&((struct stage *)arg)->woken);
}

SUSPENDS static void run(void *arg)
{
	struct stage *s = arg;
	struct err e = { 0 };

	struct carrying *x = carry_open(&s->conn, s->stream, s->first);

	assert_non_null(x);
	while (carry_on(x, &e) && carry_watch(x, wake, s, &e) && wait_on(&s->woken, "an event", &e))
		continue;
	s->ok = !e.fault;
	s->facts = *carry_facts(x);
	carry_close(x);
}

static void forget(int *fd)
{
	if (*fd >= 0) {
		fd_wait_forget(*fd);
		fd_end(fd);
	}
}

SUSPENDS static void stage_close(struct stage *s)
{
	nursery_end(&s->n);
	conn_end(&s->conn);
	forget(&s->client);
	forget(&s->stream);
	forget(&s->mailbox);
}

SUSPENDS static void put(int fd, const char *z)
{
	struct err e;

	for (size_t n = strlen(z); n;) {
		ssize_t k = send(fd, z, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EAGAIN) {
			assert_true(fd_wait(fd, POLLOUT, "test", &e));
			continue;
		}
		assert_true(k > 0);
		z += k;
		n -= (size_t)k;
	}
}

/* Reads until there are `want` bytes, or the end: how many came. */
SUSPENDS static size_t get(int fd, char *to, size_t want)
{
	struct err e;
	size_t n = 0;

	while (n < want) {
		ssize_t k = recv(fd, to + n, want - n, 0);

		if (k > 0)
			n += (size_t)k;
		else if (k < 0 && errno == EAGAIN)
			assert_true(fd_wait(fd, POLLIN, "test", &e));
		else
			break;
	}
	return n;
}

SUSPENDS static void expect(int fd, const char *z)
{
	char got[256];
	size_t n = get(fd, got, strlen(z));

	if (n != strlen(z) || memcmp(got, z, n) != 0)
		fail_msg("got \"%.*s\", not \"%s\"", (int)n, got, z);
}

SUSPENDS static void both_ways(void *unused)
{
	struct stage s;
	char end;

	(void)unused;
	stage_open(&s);
	s.first = S("tag\r\n");
	put(s.client, "pending");
	assert_true(conn_fill(&s.conn, &(struct err){ 0 }));    /* read before the carrying begins */
	conn_eat(&s.conn, 3);
	fiber_start(&s.n, "carry", run, &s);
	expect(s.mailbox, "tag\r\nding");
	put(s.client, "question");
	expect(s.mailbox, "question");
	put(s.mailbox, "answer");
	expect(s.client, "answer");
	/* the client's end is passed on, and what is still said reaches it */
	shutdown(s.client, SHUT_WR);
	assert_int_equal(get(s.mailbox, &end, 1), 0);
	put(s.mailbox, "bye");
	forget(&s.mailbox);
	expect(s.client, "bye");
	assert_true(nursery_join(&s.n, &(struct err){ 0 }));
	assert_true(s.ok);
	assert_string_equal(s.facts.why, "the client left");
	assert_int_equal(s.facts.in, 5 + 4 + 8);
	assert_int_equal(s.facts.out, 6 + 3);
	stage_close(&s);
}

struct sender {
	int fd;
	size_t n;
	bool is_done;
};

SUSPENDS static void send_much(void *arg)
{
	static char block[16384];
	struct sender *x = arg;
	struct err e;

	while (x->n < MUCH) {
		ssize_t k = send(x->fd, block, sizeof(block), MSG_NOSIGNAL);

		if (k > 0)
			x->n += (size_t)k;
		else if (errno != EAGAIN || !fd_wait(x->fd, POLLOUT, "test", &e))
			return;
	}
	x->is_done = true;
}

/* Neither side reads: both senders have to wait; then both read, and all arrives. */
SUSPENDS static void slow_readers(void *unused)
{
	struct nursery senders = { 0 };
	struct sender in, out;
	struct stage s;
	static char got[65536];
	struct err e;

	(void)unused;
	stage_open(&s);
	in = (struct sender){ .fd = s.client };
	out = (struct sender){ .fd = s.mailbox };
	fiber_start(&s.n, "carry", run, &s);
	fiber_start(&senders, "in", send_much, &in);
	fiber_start(&senders, "out", send_much, &out);
	assert_true(fiber_sleep(100 * MILLISECOND, &e));
	assert_false(in.is_done || out.is_done);
	for (size_t a = 0, b = 0; a < MUCH || b < MUCH;) {
		a += a < MUCH ? get(s.mailbox, got, 4096) : 0;
		b += b < MUCH ? get(s.client, got, 4096) : 0;
	}
	assert_true(nursery_join(&senders, &e));
	assert_true(in.is_done && out.is_done);
	nursery_cancel(&s.n);
	assert_true(nursery_join(&s.n, &e));     /* the facts are those at its end */
	assert_int_equal(s.facts.in, MUCH);
	assert_int_equal(s.facts.out, MUCH);
	stage_close(&s);
}

/* The mailbox dies; the client dies; the carrier is told to stop. */
SUSPENDS static void ends(void *unused)
{
	struct stage s;
	char end;

	(void)unused;
	stage_open(&s);
	fiber_start(&s.n, "carry", run, &s);
	put(s.mailbox, "last words");
	forget(&s.mailbox);
	expect(s.client, "last words");
	assert_true(nursery_join(&s.n, &(struct err){ 0 }));
	assert_string_equal(s.facts.why, "the session ended");
	stage_close(&s);

	stage_open(&s);
	fiber_start(&s.n, "carry", run, &s);
	breathe();
	forget(&s.client);
	assert_int_equal(get(s.mailbox, &end, 1), 0);
	forget(&s.mailbox);
	assert_true(nursery_join(&s.n, &(struct err){ 0 }));
	stage_close(&s);

	stage_open(&s);
	fiber_start(&s.n, "carry", run, &s);
	breathe();
	nursery_cancel(&s.n);
	assert_true(nursery_join(&s.n, &(struct err){ 0 }));
	assert_false(s.ok);
	stage_close(&s);
}

static void test_both_ways(void **state)
{
	(void)state;
	loop_run(both_ways, NULL);
}

static void test_slow_readers(void **state)
{
	(void)state;
	loop_run(slow_readers, NULL);
}

static void test_ends(void **state)
{
	(void)state;
	loop_run(ends, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways), cmocka_unit_test(test_slow_readers), cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
