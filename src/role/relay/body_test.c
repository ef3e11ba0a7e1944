/* body_test.c — a letter as it goes out (RFC 5321 §4.5.2, RFC 3030 §2), and one with a CR or LF alone, which never goes
 * out whole: the other server might see an end, and a second letter behind it (A26). */
#include "role/relay/peer.h"
#include "role/relay/relay.h"
#include "role/runtime.h"

#include "base/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROOM = 256 * 1024 };

static const struct {
	struct str prefix, body;
	struct cut cut;                  /* n 0: none */
	const char *dotted;              /* NULL: refused */
	const char *chunks;
} rows[] = {
	{ S(""), S("A: b\r\n\r\nx\r\n"), { 0, 0 }, "A: b\r\n\r\nx\r\n.\r\n", "BDAT 11 LAST\r\nA: b\r\n\r\nx\r\n" },
	{ S(""), S(".\r\n..\r\n.x\r\n"), { 0, 0 }, "..\r\n...\r\n..x\r\n.\r\n", "BDAT 11 LAST\r\n.\r\n..\r\n.x\r\n" },
	{ S("P: q\r\n"), S(".a\r\n"), { 0, 0 }, "P: q\r\n..a\r\n.\r\n", "BDAT 10 LAST\r\nP: q\r\n.a\r\n" },
	{ S(""), S("a\r\nBcc: x\r\n.b\r\n"), { 3, 8 }, "a\r\n..b\r\n.\r\n", "BDAT 7 LAST\r\na\r\n.b\r\n" },
	{ S(""), S("a"), { 0, 0 }, "a\r\n.\r\n", "BDAT 1 LAST\r\na" },
	{ S(""), S("a\nb\r\n"), { 0, 0 }, NULL, NULL },
	{ S(""), S("a\rb\r\n"), { 0, 0 }, NULL, NULL },
	{ S(""), S("\na\r\n"), { 0, 0 }, NULL, NULL },
	{ S(""), S("\ra\r\n"), { 0, 0 }, NULL, NULL },
	{ S(""), S("a\r\n\n"), { 0, 0 }, NULL, NULL },
	{ S(""), S("a\r\n\r"), { 0, 0 }, NULL, NULL },
	{ S(""), S("a\r\r\n"), { 0, 0 }, NULL, NULL },
	{ S(""), S("a\r"), { 0, 0 }, NULL, NULL },
	{ S(""), S("x\n.\nMAIL FROM:<>\n"), { 0, 0 }, NULL, NULL },
	{ S(""), S("x\r\n.\rMAIL FROM:<>\r\n"), { 0, 0 }, NULL, NULL },
	/* what a cut leaves beside each other */
	{ S(""), S("a\r\nb\r\n"), { 2, 2 }, NULL, NULL },
	{ S(""), S("a\r\nb\r\n"), { 1, 1 }, NULL, NULL },
	{ S("P: q\r"), S("a\r\n"), { 0, 0 }, NULL, NULL },
	{ S("P: q"), S("\na\r\n"), { 0, 0 }, NULL, NULL },
};

static struct conf_held conf = { .c.outbound.patience = 100 };
static char got[ROOM];

/* What comes out at the other end of the connection. */
SUSPENDS static bool send_out(struct letter_src src, struct str prefix, struct cut cut,
			      SUSPENDS bool (*send)(struct peer *s, struct job *j, struct err *e), struct str *ret, struct err *e)
{
	struct job j = { .src = src, .view = { .prefix = prefix, .cuts = &cut, .n_cuts = cut.n > 0 },
			 .size = src.size + prefix.n - cut.n };
	struct peer s = { 0 };
	size_t n = 0;
	int pair[2], room = ROOM;
	bool ok;

	self.conf = &conf;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	conn_init(&s.c, pair[0]);
	ok = send(&s, &j, e) && conn_flush(&s.c, e);
	assert_true(ok == !s.is_broken);
	for (ssize_t more; (more = read(pair[1], got + n, ROOM - n)) > 0;)
		n += (size_t)more;
	conn_end(&s.c);
	close(pair[1]);
	*ret = str_of(got, n);
	return ok;
}

static void expect(bool ok, struct str out, const struct err *e, const char *want, size_t n, size_t row)
{
	if (ok != (want != NULL))
		fail_msg("row %zu: it is %s", row, ok ? "taken" : e->text);
	if (want && !str_eq(out, str_of(want, n)))
		fail_msg("row %zu: " STR_FMT, row, STR_ARG(out));
	if (!want) {
		assert_int_equal(e->fault, FAULT_PERM);
		assert_true(str_starts(str_from_z(e->text), S("554 5.6.0 ")));
	}
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct letter_src src = letter_in_memory(rows[i].body);
		const char *want = rows[i].dotted;
		struct err e = { 0 };
		struct str out;
		bool ok;

		ok = send_out(src, rows[i].prefix, rows[i].cut, body_send_dotted, &out, &e);
		expect(ok, out, &e, want, want ? strlen(want) : 0, i);
		if (!want)
			assert_false(str_ends(out, S("\r\n.\r\n")));
		want = rows[i].chunks;
		ok = send_out(src, rows[i].prefix, rows[i].cut, body_send_chunks, &out, &e);
		expect(ok, out, &e, want, want ? strlen(want) : 0, i);
		if (!want) {     /* the chunk is never full */
			struct str rest, line = str_cut(out, '\n', &rest);

			assert_true(rest.n < rows[i].body.n + rows[i].prefix.n - rows[i].cut.n || !line.n);
		}
	}
}

/* A line end, half of one, and a dot at each place near the border of the blocks that are read from a file. */
static void test_blocks(void **state)
{
	static const struct {
		struct str what;
		bool ok;
	} ends[] = { { S("\r\n"), true }, { S("\r\n.\r\n"), true }, { S("\n"), false }, { S("\r"), false }, { S("\r\n\n"), false } };
	static char body[LETTER_BLOCK + 64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		for (size_t at = LETTER_BLOCK - 6; at < LETTER_BLOCK + 3; at++) {
			AUTO(fd_end) int fd = memfd_create("letter", MFD_CLOEXEC);
			struct letter_src src = letter_in_file(fd, 0, sizeof(body));
			bool has_dot = ends[i].what.n == 5;
			struct err e = { 0 };
			struct str out;

			memset(body, 'x', sizeof(body));
			memcpy(body + at, ends[i].what.p, ends[i].what.n);
			memcpy(body + sizeof(body) - 2, "\r\n", 2);
			assert_int_equal(write(fd, body, sizeof(body)), sizeof(body));
			assert_int_equal(send_out(src, S(""), (struct cut){ 0 }, body_send_dotted, &out, &e), ends[i].ok);
			if (ends[i].ok)
				assert_int_equal(out.n, sizeof(body) + 3 + has_dot);
			assert_int_equal(send_out(src, S(""), (struct cut){ 0 }, body_send_chunks, &out, &e), ends[i].ok);
			if (ends[i].ok)
				assert_int_equal(out.n, sizeof(body) + strlen("BDAT 65600 LAST\r\n"));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_blocks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
