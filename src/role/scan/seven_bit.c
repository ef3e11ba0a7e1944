/* seven_bit.c — a letter in 7 bits goes into a pipe that the queue drains; see wire/seven_bit.h. */
#include "role/scan/scan.h"

#include "base/fd.h"
#include "wire/mime.h"
#include "wire/seven_bit.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLAIN_MAX = 512 << 20 };          /* octets of a letter that is read whole: more than any limit of ours */
#define WRITE_WITHIN (2 * MINUTE)

SUSPENDS static bool put(int pipe, struct str piece, struct err *e)
{
	while (piece.n) {
		ssize_t n = write(pipe, piece.p, piece.n);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail_sys(e, FAULT_TEMP, errno, "write a letter");
		if (n < 0 && errno == EAGAIN && !fd_wait(pipe, POLLOUT, "the queue to take a letter", e))
			return false;
		if (n > 0)
			piece = str_from(piece, (size_t)n);
	}
	return true;
}

SUSPENDS static bool write_letter(const struct scan_seven_bit *q, struct str letter, const struct view *v, uint64_t *ret_size,
				  struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	AUTO(buf_end) struct buf b = buf_on_heap(SEVEN_BIT_ROOM);
	struct seven_bit s;
	uint64_t size = 0;

	if (!seven_bit_init(&s, letter, v, &a, e))
		return false;
	while (seven_bit_next(&s, &b)) {
		if (!put(q->out, buf_str(&b), e))
			return false;
		size += b.n;
		buf_clear(&b);
		breathe();
	}
	*ret_size = size;
	return b.full ? fail(e, FAULT_TEMP, "4.3.0 no memory for the letter") : true;
}

static bool make_view(const struct scan_seven_bit *q, struct view *v, struct arena *a, struct err *e)
{
	*v = (struct view){ .prefix = q->prefix, .cuts = ARENA_ARRAY(a, struct cut, q->cuts.n ? q->cuts.n : 1) };
	for (; v->cuts && v->n_cuts < q->cuts.n; v->n_cuts++)
		v->cuts[v->n_cuts] = (struct cut){ q->cuts.p[v->n_cuts].at, q->cuts.p[v->n_cuts].n };
	return v->cuts ? true : fail(e, FAULT_TEMP, "4.3.0 no memory for the cuts");
}

static bool read_letter(const struct scan_seven_bit *q, char **ret, struct err *e)
{
	struct stat st;

	if (fstat(q->letter, &st) || st.st_size < 0 || q->size > (uint64_t)st.st_size || q->size > PLAIN_MAX)
		return fail(e, FAULT_PERM, "5.6.0 the letter is shorter than it is said to be");
	*ret = malloc(q->size ? q->size : 1);
	return *ret ? fd_pread_all(q->letter, *ret, q->size, 0, e) : fail(e, FAULT_TEMP, "4.3.0 no memory for the letter");
}

bool serve_seven_bit(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct scan_seven_bit *q = question;
	struct scan_seven_bit_answer *r = answer;
	char *bytes = NULL;
	struct view v;
	bool ok;

	(void)l;
	scan_in_hand++;
	ok = make_view(q, &v, a, e) && fd_set_nonblocking(q->out, e) && (q->letter <= 0 || read_letter(q, &bytes, e));
	if (ok) {
		ok = false;
		WITHIN(WRITE_WITHIN)
			ok = write_letter(q, bytes ? str_of(bytes, q->size) : q->bytes, &v, &r->size, e);
	}
	free(bytes);
	if (q->out > 0)
		fd_wait_forget(q->out);
	scan_in_hand--;
	return ok;
}
