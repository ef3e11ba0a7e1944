/* stream_fuzz.c — what unfolds is what zlib says, in bounds, also if the state rests between. */
#include "fiber/conn.h"
#include "role/mailbox/stream.h"

#include "base/buf.h"

#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { INPUT_MAX = 4096, TOTAL_MAX = 8 << 20, BLOCK_MAX = 16 * 1024 };

/* All of it at once: what unfolds before the first fault. */
static void expect(const uint8_t *p, size_t n, struct buf *ret)
{
	static Bytef out[1 << 16];
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n };
	int r;

	must(inflateInit2(&z, -15) == Z_OK, "no memory");
	do {
		z.next_out = out;
		z.avail_out = sizeof(out);
		r = inflate(&z, Z_SYNC_FLUSH);
		buf_add(ret, str_of(out, sizeof(out) - z.avail_out));
	} while (r == Z_OK && (z.avail_in || !z.avail_out));
	inflateEnd(&z);
}

SUSPENDS int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(buf_end) struct buf want = buf_on_heap(TOTAL_MAX), got = buf_on_heap(TOTAL_MAX);
	struct conn c;
	struct stream s = { .conn = &c };
	struct err e = { 0 };
	size_t step;
	int sv[2];

	if (n < 2 || n > INPUT_MAX)
		return 0;
	step = (size_t)p[0] + 1;
	p++, n--;
	expect(p, n, &want);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0, "no sockets");
	conn_init(&c, sv[0]);
	must(stream_compress(&s, &e), "no memory");
	for (size_t at = 0; at < n; at += step) {
		size_t k = at + step < n ? step : n - at;
		struct str in;

		must(write(sv[1], p + at, k) == (ssize_t)k && conn_fill(&c, &e), "the socket takes all");
		while ((in = stream_pending(&s)).n) {
			must(in.n <= BLOCK_MAX, "no more than a block at once");
			buf_add(&got, in);
			stream_eat(&s, in.n);
		}
		stream_rest(&s);
	}
	shutdown(sv[1], SHUT_WR);
	must(!stream_fill(&s, &e), "nothing is left");
	must(got.full || want.full || str_eq(buf_str(&got), buf_str(&want)), "it is what zlib says");
	stream_end(&s);
	conn_end(&c);
	close(sv[1]);
	return 0;
}
