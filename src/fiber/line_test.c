/* line_test.c — lines and streams in the clear: every split, every flag, every end. */
#include "base/rnd.h"
#include "base/time.h"
#include "fiber/conn.h"
#include "fiber/fiber.h"
#include "fiber/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROW_MAX = 12 };

static void pair(struct conn *c, int *peer)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	conn_init(c, sv[0]);
	*peer = sv[1];
}

static void give(int fd, struct str s)
{
	if (s.n)
		assert_int_equal(send(fd, s.p, s.n, MSG_NOSIGNAL), (ssize_t)s.n);
}

/* What a reader with lines of at most ROW_MAX sees; "|" ends a line, flags stand before it. */
static const struct row {
	struct str in;
	const char *seen;
} rows[] = {
	{ S(""), "" },
	{ S("\r\n"), "|" },
	{ S("a\r\nbc\r\n"), "a|bc|" },
	{ S("a\r\nrest"), "a|" },
	{ S("a\nb\r\n"), "a\nb<LF>|" },
	{ S("a\rb\r\n"), "a\rb<CR>|" },
	{ S("a\r\r\n"), "a\r<CR>|" },
	{ S("\n\r\n"), "\n<LF>|" },
	{ S("\r\r\r\n"), "\r\r<CR>|" },
	{ S("\n\r\r\n"), "\n\r<CR><LF>|" },
	{ S("a\0b\r\nc\r\n"), "a?b<NUL>|c|" },
	{ S("0123456789\r\nx\r\n"), "0123456789|x|" },                  /* 12 with CRLF */
	{ S("0123456789a\r\nx\r\n"), "<LONG>|x|" },
	{ S("0123456789ab\r\nx\r\n"), "<LONG>|x|" },
	{ S("0123456789abc\r\nx\r\n"), "<LONG>|x|" },
	{ S("0123456789\nMAIL\r\nx\r\n"), "<LONG>|x|" },
	{ S("0123456789a\rMAIL\nRCPT\r\r\nx\r\n"), "<LONG>|x|" },
	{ S("0123456789abcdefghijklmnopqrstuvwxyz"), "" },
	{ S("QUIT\r\n\r\nMAIL\r\n"), "QUIT||MAIL|" },
};

static void show(struct buf *b, const struct line *l)
{
	for (size_t i = 0; i < l->text.n; i++)
		buf_add_char(b, l->text.p[i] ? l->text.p[i] : '?');
	if (l->has_nul)
		buf_add(b, S("<NUL>"));
	if (l->has_bare_cr)
		buf_add(b, S("<CR>"));
	if (l->has_bare_lf)
		buf_add(b, S("<LF>"));
	if (l->too_long)
		buf_add(b, S("<LONG>"));
	buf_add_char(b, '|');
}

static void read_row(const struct row *r, size_t split)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1000);
	AUTO(conn_end) struct conn c;
	struct line l;
	struct err e;
	int peer;

	pair(&c, &peer);
	give(peer, str_head(r->in, split));
	if (split)
		assert_true(conn_fill(&c, &e));
	give(peer, str_from(r->in, split));
	close(peer);
	while (line_read(&c, ROW_MAX, &l, &e))
		show(&b, &l);
	assert_true(c.eof);
	assert_int_equal(e.fault, FAULT_PEER);
	if (!str_eq(buf_str(&b), str_from_z(r->seen)))
		fail_msg("split at %zu of '" STR_FMT "': saw '" STR_FMT "'", split,
			STR_ARG(r->in), STR_ARG(buf_str(&b)));
}

static void test_line_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t split = 0; split <= rows[i].in.n; split++)
			read_row(&rows[i], split);
}

static void test_line_byte_by_byte(void **state)
{
	struct str in = S("EHLO x\r\nMAIL\r\r\nQUIT\r\n");
	AUTO(buf_end) struct buf b = buf_on_heap(1000);
	AUTO(conn_end) struct conn c;
	struct line l;
	struct err e;
	int peer;

	(void)state;
	pair(&c, &peer);
	for (size_t i = 0; i < in.n; i++) {
		give(peer, str_sub(in, i, 1));
		assert_true(conn_fill(&c, &e));
	}
	for (int i = 0; i < 3; i++) {
		assert_true(line_read(&c, 100, &l, &e));
		show(&b, &l);
	}
	assert_true(str_eq(buf_str(&b), S("EHLO x|MAIL\r<CR>|QUIT|")));
	close(peer);
}

struct flood {
	int fd;
	size_t n;
	bool ended;      /* could send all */
};

SUSPENDS static void flood_run(void *arg)
{
	struct flood *f = arg;
	AUTO(conn_end) struct conn c;
	char block[2048];
	struct err e;

	memset(block, 'x', sizeof(block));
	conn_init(&c, f->fd);
	for (size_t i = 0; i < f->n; i += sizeof(block))
		if (!conn_write(&c, str_of(block, sizeof(block)), &e))
			return;
	f->ended = conn_write(&c, S("\r\nNOOP\r\n"), &e);
}

/* A line of f->n bytes keeps no memory; then the next one is read, or the conversation ended. */
SUSPENDS static void flood_main(void *arg)
{
	struct flood *f = arg;
	bool is_endless = f->n > LINE_SKIP_MAX;
	AUTO(nursery_end) struct nursery n = { 0 };
	AUTO(conn_end) struct conn c;
	struct line l;
	struct err e;

	pair(&c, &f->fd);
	assert_true(fiber_start(&n, "flood", flood_run, f));
	assert_int_equal(line_read(&c, 2048, &l, &e), !is_endless);
	assert_true(c.in_cap <= 2 * CONN_READ_MAX);
	if (is_endless) {
		assert_false(c.eof);
		return;
	}
	assert_true(l.too_long);
	assert_true(line_read(&c, 2048, &l, &e));
	assert_true(str_eq(l.text, S("NOOP")));
}

static void test_line_floods(void **state)
{
	(void)state;
	loop_run(flood_main, &(struct flood){ .n = 600 * 1024 });
	loop_run(flood_main, &(struct flood){ .n = 3 * 1024 * 1024 });
}

/* Answers to pipelined commands leave as one segment, when the reader has to wait. */
SUSPENDS static void together_main(void *arg)
{
	AUTO(conn_end) struct conn c;
	struct line l;
	struct err e;
	char got[100];
	int peer;

	(void)arg;
	pair(&c, &peer);
	give(peer, S("a\r\nb\r\n"));
	for (int i = 0; i < 2; i++) {
		assert_true(line_read(&c, 100, &l, &e));
		assert_true(conn_put(&c, S("250 ok\r\n"), &e));
		assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), -1);
	}
	WITHIN(10 * MILLISECOND)
		assert_false(line_read(&c, 100, &l, &e));
	assert_true(e.timed_out);
	assert_false(c.eof);
	assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), 16);
	assert_null(c.in);      /* who waits holds no buffer */
	close(peer);
}

static void test_answers_together(void **state)
{
	(void)state;
	loop_run(together_main, NULL);
}

/* What was written last arrives although the peer's input was not read. */
static void test_close_keeps_last_words(void **state)
{
	struct conn c;
	struct err e;
	char got[100];
	int peer;

	(void)state;
	pair(&c, &peer);
	give(peer, S("many\r\ncommands\r\n"));
	assert_true(conn_put(&c, S("421 bye\r\n"), &e));
	conn_close(&c);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 9);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 0);
	close(peer);
	conn_end(&c);
	conn_end(&(struct conn){ 0 });
}

static void test_peer_gone(void **state)
{
	AUTO(conn_end) struct conn c;
	struct err e;
	int peer;

	(void)state;
	pair(&c, &peer);
	close(peer);
	assert_false(conn_write(&c, S("250 ok\r\n"), &e));
	assert_int_equal(e.fault, FAULT_PEER);
	assert_false(conn_write(&c, S("250 ok\r\n"), &e));
}

static void test_rate_guard(void **state)
{
	static const struct step {
		int64_t waited;
		uint64_t bytes;
		bool ok;
		int64_t left;
	} steps[] = {
		{ 4 * SECOND, 0, true, 6 * SECOND },
		{ 1 * SECOND, 500, true, 6 * SECOND },
		{ 0, 1000000000000, true, 10 * SECOND },
		{ 9 * SECOND, 1, true, SECOND + 2000 },
		{ SECOND + 2000, 100000, false, 0 },
	};
	struct rate_guard g = rate_guard_begin(500, 10 * SECOND);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_int_equal(rate_guard_count(&g, steps[i].waited, steps[i].bytes), steps[i].ok);
		assert_int_equal(g.left, steps[i].left);
	}
}

SUSPENDS static void drip_run(void *arg)
{
	int fd = *(int *)arg;
	struct err e;

	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1 && fiber_sleep(5 * MILLISECOND, &e))
		;
}

/* 200 bytes per second where 1000 are asked for: over after some 125 ms, not at once. */
SUSPENDS static void drip_main(void *arg)
{
	struct rate_guard g = rate_guard_begin(1000, 100 * MILLISECOND);
	AUTO(nursery_end) struct nursery n = { 0 };
	AUTO(conn_end) struct conn c;
	int64_t since = time_mono();
	struct err e;
	int peer;

	(void)arg;
	pair(&c, &peer);
	assert_true(fiber_start(&n, "drip", drip_run, &peer));
	while (rate_guard_fill(&g, &c, &e))
		;
	assert_true(e.timed_out);
	assert_int_equal(e.fault, FAULT_PEER);
	assert_true(conn_pending(&c).n >= 5);
	assert_true(time_mono() - since >= 90 * MILLISECOND);
	nursery_cancel(&n);
	assert_true(nursery_join(&n, &e));
	close(peer);
}

static void test_drip(void **state)
{
	(void)state;
	loop_run(drip_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_table),
		cmocka_unit_test(test_line_byte_by_byte),
		cmocka_unit_test(test_line_floods),
		cmocka_unit_test(test_answers_together),
		cmocka_unit_test(test_close_keeps_last_words),
		cmocka_unit_test(test_peer_gone),
		cmocka_unit_test(test_rate_guard),
		cmocka_unit_test(test_drip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
