/* ipc_fuzz.c — any bytes as any message: refused, or decoded in bounds and the same when encoded again. */
#include "base/arena.h"
#include "base/buf.h"
#include "ipc/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool in_bounds(struct str outer, struct str s)
{
	return s.n == 0 || (s.p >= outer.p && s.p + s.n <= outer.p + outer.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const int fds[IPC_FDS_MAX] = { 1001, 1002, 1003, 1004 };
	static char again[IPC_MESSAGE_MAX * 2], text[IPC_MESSAGE_MAX];
	struct buf b = buf_over(again, sizeof(again)), t = buf_over(text, sizeof(text));
	struct arena a = { .limit = 4 << 20 };
	const struct ipc_type *type;
	const struct ipc_shape *shape;
	struct str in;
	size_t n_out;
	int out[IPC_FDS_MAX];
	struct err e;
	void *v;

	if (n < 3 || !(type = ipc_type_find(p[0])))
		return 0;
	shape = p[1] & 1 && type->answer ? type->answer() : type->question();
	in = str_of(p + 3, n - 3);
	v = arena_alloc(&a, 1, shape->size ? shape->size : 1);
	if (ipc_decode(in, shape, v, fds, p[2] % (IPC_FDS_MAX + 1), &a, &e)) {
		if (!ipc_encode(&b, shape, v, out, &n_out, &e) || !str_eq(buf_str(&b), in) ||
		    n_out != p[2] % (IPC_FDS_MAX + 1))
			abort();
		if (type->number == IPC_user_rcpt && !(p[1] & 1) &&
		    !in_bounds(in, ((struct user_rcpt *)v)->local))
			abort();
		ipc_print(&t, shape, v);
	}
	arena_end(&a);
	return 0;
}
