/* body.c — the bytes of a letter on their way in; see body.h. */
#include "role/smtpd/body.h"

#include "base/fd.h"
#include "conf/conf.h"
#include "fiber/conn.h"
#include "fiber/fiber.h"
#include "ipc/say.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* dot_feed() may make three bytes of each one and a half of what was read at once. */
enum { BODY_ROOM = BODY_HELD_MAX + 2 * CONN_INPUT_MAX + 3 };

#define QUEUE_WITHIN MINUTE      /* for the queue to take what we write */
#define PACE_WINDOW MINUTE       /* data-rate holds after the first minute */

void body_init(struct body *b, const struct conf_inbound *in, bool normalize)
{
	*b = (struct body){
		.dot = { .size_max = in->max_size, .line_max = in->line_limit, .header_max = in->header_limit,
			 .field_max = in->header_count, .normalize = normalize },
		.held = buf_on_heap(BODY_ROOM),
		.pipe = -1,
		.silence_max = in->data_timeout,
	};
	if (in->data_rate)
		b->pace = rate_guard_begin((uint32_t)in->data_rate, PACE_WINDOW);
}

static void body_end_pipe(struct body *b)
{
	if (b->pipe >= 0) {
		fd_wait_forget(b->pipe);
		fd_end(&b->pipe);
	}
}

void body_end(struct body *b)
{
	body_end_pipe(b);
	buf_end(&b->held);
}

SUSPENDS bool body_fill(struct body *b, struct conn *c, struct err *e)
{
	bool ok = false;

	WITHIN(b->silence_max)
		ok = b->pace.rate ? rate_guard_fill(&b->pace, c, e) : conn_fill(c, e);
	return ok;
}

SUSPENDS static bool pipe_write(int fd, struct str s, struct err *e)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n > 0)
			s = str_from(s, (size_t)n);
		else if (errno != EAGAIN && errno != EINTR)
			return fail_sys(e, FAULT_TEMP, errno, "the queue's pipe");
		else if (!fd_wait(fd, POLLOUT, "the queue's pipe", e))
			return false;
	}
	return true;
}

SUSPENDS static bool pipe_open(struct body *b, uint64_t id, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct queue_pipe_answer r;

	if (!queue_pipe(link_to(ROLE_QUEUE), &(struct queue_pipe){ .id = id }, &r, &a, e))
		return false;
	if (r.pipe <= 0)
		return fail(e, FAULT_TEMP, "the queue gave no pipe");
	b->pipe = r.pipe;
	return fd_set_nonblocking(b->pipe, e);
}

/* What is held goes into the pipe, and its memory is given back. */
SUSPENDS static bool body_pass_on(struct body *b, uint64_t id, struct err *e)
{
	bool ok = false;

	WITHIN(QUEUE_WITHIN)
		ok = (b->pipe >= 0 || pipe_open(b, id, e)) && pipe_write(b->pipe, buf_str(&b->held), e);
	return ok;
}

static void body_drop_held(struct body *b)
{
	buf_end(&b->held);
	b->held = buf_on_heap(BODY_ROOM);
}

SUSPENDS void body_keep(struct body *b, uint64_t id)
{
	if (b->held.full && !b->trouble.fault)
		fail(&b->trouble, FAULT_TEMP, "no memory for the letter");
	if (b->trouble.fault || body_judge(&b->dot)) {
		body_drop_held(b);
		return;
	}
	if (b->pipe < 0 && b->held.n <= BODY_HELD_MAX)
		return;
	body_pass_on(b, id, &b->trouble);
	body_drop_held(b);
}

enum reply_id body_judge(const struct dot *d)
{
	if (dot_is_malformed(d) || d->flags & DOT_END_DOUBTFUL)
		return REPLY_BARE_NEWLINE;
	if (d->flags & DOT_TOO_BIG)
		return REPLY_TOO_BIG;
	if (d->flags & (DOT_HEADER_BIG | DOT_HEADER_MANY))
		return REPLY_HEADER_TOO_BIG;
	return d->flags & DOT_LINE_LONG ? REPLY_LINE_IN_LETTER : REPLY_NONE;
}

bool body_seal(struct body *b, int *ret, struct str *ret_bytes, struct err *e)
{
	bool ok;

	if (b->trouble.fault) {
		*e = b->trouble;
		return false;
	}
	if (b->pipe >= 0) {
		body_end_pipe(b);
		return true;
	}
	if (b->held.n <= BODY_INLINE_MAX) {
		*ret_bytes = buf_str(&b->held);
		return true;
	}
	ok = fd_sealed("letter", buf_str(&b->held), ret, e);
	body_drop_held(b);
	return ok;
}
