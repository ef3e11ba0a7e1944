/* stream_test.c — a session's bytes, as they are and compressed; zlib is the peer. */
#include "role/mailbox/stream.h"

#include "base/attr.h"
#include "base/buf.h"
#include "fiber/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

enum { BLOCK_MAX = 16 * 1024 };

/* The stream, and its client with one compressor and one inflater for all it says and hears. */
struct stage {
	struct conn conn;
	struct stream s;
	int client;
	z_stream out, in;
};

static void stage_open(struct stage *t, bool compressed)
{
	struct err e;
	int sv[2];

	*t = (struct stage){ 0 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	conn_init(&t->conn, sv[0]);
	t->client = sv[1];
	t->s.conn = &t->conn;
	if (compressed)
		assert_true(stream_compress(&t->s, &e));
	assert_int_equal(deflateInit2(&t->out, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(inflateInit2(&t->in, -15), Z_OK);
}

static void stage_close(struct stage *t)
{
	stream_end(&t->s);
	conn_end(&t->conn);
	close(t->client);
	deflateEnd(&t->out);
	inflateEnd(&t->in);
}

/* As the client's compressor makes it; the bytes are the caller's to free. */
static struct str packed(struct stage *t, struct str text, int flush)
{
	size_t room = text.n + 1024;
	char *p = malloc(room);

	assert_non_null(p);
	t->out.next_in = (Bytef *)(uintptr_t)text.p;
	t->out.avail_in = (uInt)text.n;
	t->out.next_out = (Bytef *)p;
	t->out.avail_out = (uInt)room;
	assert_int_equal(deflate(&t->out, flush), Z_OK);
	return str_of(p, room - t->out.avail_out);
}

static void client_sends(struct stage *t, struct str bytes)
{
	assert_int_equal(write(t->client, bytes.p, bytes.n), bytes.n);
}

static void client_says(struct stage *t, const char *text, int flush)
{
	struct str p = packed(t, str_from_z(text), flush);

	client_sends(t, p);
	free((char *)(uintptr_t)p.p);
}

/* What is pending after one more filling, all of it, is `text`. */
static void expect(struct stage *t, const char *text)
{
	AUTO(buf_end) struct buf got = buf_on_heap(1 << 16);
	struct err e = { 0 };
	struct str in;

	while (got.n < strlen(text)) {
		assert_true(stream_fill(&t->s, &e));
		in = stream_pending(&t->s);
		assert_true(in.n > 0);
		buf_add(&got, in);
		stream_eat(&t->s, in.n);
	}
	assert_int_equal(got.n, strlen(text));
	assert_memory_equal(got.p, text, got.n);
	assert_int_equal(stream_pending(&t->s).n, 0);
}

static void client_hears(struct stage *t, const char *text)
{
	char raw[1024], plain[2048];
	ssize_t n = read(t->client, raw, sizeof(raw));

	assert_true(n > 0);
	t->in.next_in = (Bytef *)raw;
	t->in.avail_in = (uInt)n;
	t->in.next_out = (Bytef *)plain;
	t->in.avail_out = sizeof(plain);
	assert_int_equal(inflate(&t->in, Z_SYNC_FLUSH), Z_OK);
	assert_int_equal(sizeof(plain) - t->in.avail_out, strlen(text));
	assert_memory_equal(plain, text, strlen(text));
}

static void as_it_is(void **state)
{
	struct stage t;
	struct err e;
	char got[8];

	(void)state;
	stage_open(&t, false);
	client_sends(&t, S("a NOOP\r\nb NO"));
	assert_true(stream_fill(&t.s, &e));
	assert_true(str_eq(stream_pending(&t.s), S("a NOOP\r\nb NO")));
	stream_eat(&t.s, 8);
	assert_true(str_eq(stream_pending(&t.s), S("b NO")));
	stream_rest(&t.s);
	client_sends(&t, S("OP\r\n"));
	assert_true(stream_fill(&t.s, &e));
	assert_true(str_eq(stream_pending(&t.s), S("b NOOP\r\n")));
	assert_true(stream_put(&t.s, S("* OK\r\n"), &e) && stream_flush(&t.s, &e));
	assert_int_equal(read(t.client, got, sizeof(got)), 6);
	stage_close(&t);
}

/* However a packet is cut, a line comes once and whole. */
static void octet_by_octet(void **state)
{
	struct stage t;
	struct str p;
	struct err e = { 0 };
	size_t n = 0;

	(void)state;
	stage_open(&t, true);
	p = packed(&t, S("a NOOP\r\nb NOOP\r\n"), Z_SYNC_FLUSH);
	for (size_t i = 0; i < p.n; i++) {
		client_sends(&t, str_of(p.p + i, 1));
		assert_true(conn_fill(&t.conn, &e));
		n = stream_pending(&t.s).n;
		stream_rest(&t.s);
		assert_int_equal(stream_pending(&t.s).n, n);
		if (n)
			stream_eat(&t.s, n);
	}
	free((char *)(uintptr_t)p.p);
	client_says(&t, "c NOOP\r\n", Z_SYNC_FLUSH);
	expect(&t, "c NOOP\r\n");
	stage_close(&t);
}

/* The states go between any two lines; what repeats is still understood, both ways. */
static void rest_between(void **state)
{
	static const char line[] = "a UID FETCH 4711:* (FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)])\r\n";
	static const int flushes[] = { Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_PARTIAL_FLUSH };
	struct stage t;
	struct err e;

	(void)state;
	for (size_t f = 0; f < sizeof(flushes) / sizeof(flushes[0]); f++) {
		stage_open(&t, true);
		for (int i = 0; i < 20; i++) {
			client_says(&t, line, flushes[f]);
			expect(&t, line);
			stream_rest(&t.s);
			assert_true(stream_put(&t.s, str_from_z(line), &e) && stream_flush(&t.s, &e));
			stream_rest(&t.s);
			client_hears(&t, line);
		}
		stage_close(&t);
	}
}

/* A little that unfolds to much is unfolded as it is eaten. */
static void a_bomb(void **state)
{
	enum { MUCH = 8 << 20 };
	char *zeros = calloc(1, MUCH);
	struct stage t;
	struct err e = { 0 };
	struct str p, in;
	size_t n = 0;

	(void)state;
	assert_non_null(zeros);
	stage_open(&t, true);
	p = packed(&t, str_of(zeros, MUCH), Z_SYNC_FLUSH);
	assert_true(p.n < 16000);
	client_sends(&t, p);
	while (n < MUCH) {
		assert_true(stream_fill(&t.s, &e));
		in = stream_pending(&t.s);
		assert_true(in.n > 0 && in.n <= BLOCK_MAX);
		stream_rest(&t.s);
		assert_int_equal(stream_pending(&t.s).n, in.n);
		stream_eat(&t.s, in.n);
		n += in.n;
	}
	assert_int_equal(n, MUCH);
	free((char *)(uintptr_t)p.p);
	free(zeros);
	stage_close(&t);
}

static void not_compressed(void **state)
{
	struct stage t;
	struct err e = { 0 };

	(void)state;
	stage_open(&t, true);
	client_says(&t, "a NOOP\r\n", Z_SYNC_FLUSH);
	client_sends(&t, S("\x07\xff\xff\xff"));
	expect(&t, "a NOOP\r\n");
	assert_false(stream_fill(&t.s, &e));
	assert_int_equal(e.fault, FAULT_PEER);
	assert_int_equal(stream_pending(&t.s).n, 0);
	stage_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_it_is),
		cmocka_unit_test(octet_by_octet),
		cmocka_unit_test(rest_between),
		cmocka_unit_test(a_bomb),
		cmocka_unit_test(not_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
