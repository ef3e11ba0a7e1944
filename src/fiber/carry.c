/* carry.c — bytes both ways between a connection and a local stream; see carry.h.
 *
 * Bytes are read into a block of the process and written at once; only what the
 * other side does not take is kept, at most a block in each direction, and then
 * nothing more is read in that direction: a slow reader slows its writer. */
#include "fiber/carry.h"

#include "base/attr.h"
#include "base/str.h"
#include "base/time.h"
#include "fiber/conn_try.h"
#include "fiber/fiber.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { TURN_MAX = 64 * 1024 };           /* after so many bytes the others run */
#define STALL_MOST (10 * MINUTE)         /* a client that takes nothing for so long is gone */
#define LINGER_MOST (30 * SECOND)        /* what the stream may still say once the client has ended */

/* What was read in one direction and not yet taken in by the other side. */
struct held {
	char *p;
	size_t at, n;
};

struct carrying {
	struct conn *c;
	int stream;
	struct held in, out;     /* from the connection; to it */
	struct fd_want want[2];  /* of the connection, of the stream */
	bool in_ended;           /* the connection's end was passed on */
	bool is_over;
	struct carried facts;
	void (*told)(void *);    /* carry_watch() */
	void *told_arg;
	size_t turn;             /* bytes since the others ran */
};

static _Alignas(SCRATCH_ALIGN) char block[CONN_READ_MAX];
/* Answers are longer than questions. */
static _Alignas(SCRATCH_ALIGN) char out_block[4 * CONN_READ_MAX];

static void held_end(struct held *h)
{
	free(h->p);
	*h = (struct held){ 0 };
}

static bool hold(struct held *h, struct str s, struct err *e)
{
	*h = (struct held){ .p = malloc(s.n), .n = s.n };
	if (!h->p)
		return fail(e, FAULT_TEMP, "no memory to carry");
	memcpy(h->p, s.p, s.n);
	return true;
}

static void over(struct carrying *x, const char *why)
{
	x->is_over = true;
	x->facts.why = why;
}

static void count(struct carrying *x, uint64_t *sum, size_t n)
{
	*sum += n;
	x->turn += n;
}

/* How many bytes the stream took. */
static size_t stream_put(struct carrying *x, struct str s)
{
	ssize_t n = send(x->stream, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		over(x, "the mailbox has ended");
	count(x, &x->facts.in, n > 0 ? (size_t)n : 0);
	return n > 0 ? (size_t)n : 0;
}

static size_t client_put(struct carrying *x, struct str s)
{
	size_t done = 0;
	struct try t;
	struct err e;

	while (done < s.n) {
		enum outcome o = conn_try_write(x->c, str_from(s, done), &t, &e);

		if (o == OUTCOME_WAIT)
			x->want[0].events |= t.events;
		else if (o != OUTCOME_DONE)
			over(x, "the connection broke");
		if (o != OUTCOME_DONE)
			break;
		done += t.n;
	}
	count(x, &x->facts.out, done);
	return done;
}

/* Try again what is held; false: there is still some. */
static bool held_put(struct carrying *x, struct held *h, size_t (*put)(struct carrying *x, struct str s))
{
	h->at += put(x, str_of(h->p + h->at, h->n - h->at));
	if (h->at < h->n)
		return false;
	held_end(h);
	return true;
}

/* What was read before we came lies in the connection. */
static bool move_pending(struct carrying *x)
{
	conn_eat(x->c, stream_put(x, conn_pending(x->c)));
	if (conn_pending(x->c).n) {
		x->want[1].events |= POLLOUT;
		return false;
	}
	conn_input_release(x->c);
	return true;
}

/* One step from the connection to the stream; false: it has to wait, or nothing is left. */
static bool move_in(struct carrying *x, struct err *e)
{
	struct try t;
	size_t put;

	if (x->in_ended || x->is_over)
		return false;
	if (x->in.p && !held_put(x, &x->in, stream_put)) {
		x->want[1].events |= POLLOUT;
		return false;
	}
	if (conn_pending(x->c).n)
		return move_pending(x);
	switch (conn_try_read(x->c, block, sizeof(block), &t, e)) {
	case OUTCOME_DONE:
		put = stream_put(x, str_of(block, t.n));
		if (put < t.n && !hold(&x->in, str_of(block + put, t.n - put), e))
			over(x, "no memory");
		return true;
	case OUTCOME_WAIT:
		x->want[0].events |= t.events;
		return false;
	case OUTCOME_END:
		shutdown(x->stream, SHUT_WR);
		x->in_ended = true;
		return false;
	case OUTCOME_FAILED:
		break;
	}
	over(x, "the connection broke");
	return false;
}

/* The other direction. */
static bool move_out(struct carrying *x, struct err *e)
{
	ssize_t n;
	size_t put;

	if (x->is_over || (x->out.p && !held_put(x, &x->out, client_put)))
		return false;
	n = recv(x->stream, out_block, sizeof(out_block), MSG_DONTWAIT);
	if (n <= 0) {
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			x->want[1].events |= POLLIN;
		else
			over(x, x->in_ended ? "the client left" : "the session ended");
		return false;
	}
	put = client_put(x, str_of(out_block, (size_t)n));
	if (put < (size_t)n && !hold(&x->out, str_of(out_block + put, (size_t)n - put), e))
		over(x, "no memory");
	return true;
}

/* How long the present state may last; 0: for ever. */
static int64_t patience(const struct carrying *x)
{
	return x->in_ended ? LINGER_MOST : x->out.p ? STALL_MOST : 0;
}

/* false: cancelled. */
SUSPENDS static bool wait_for_more(struct carrying *x, struct err *e)
{
	bool ok = false;

	WITHIN(patience(x))
		ok = fd_wait_any(x->want, 2, "carry", e);
	if (ok || !e->timed_out)
		return ok;
	over(x, x->in_ended ? "the client left" : "the client takes nothing");
	return true;
}

/* Did anything move? */
static bool move(struct carrying *x, struct err *e)
{
	bool moved;

	x->want[0] = (struct fd_want){ .fd = x->c->fd };
	x->want[1] = (struct fd_want){ .fd = x->stream };
	moved = move_in(x, e);
	return move_out(x, e) || moved;
}

SUSPENDS bool carry_on(struct carrying *x, struct err *e)
{
	x->turn = 0;
	while (!x->is_over) {
		bool moved = move(x, e);

		if (x->turn >= TURN_MAX) {
			x->turn = 0;
			breathe();
		}
		if (!fiber_check(e))
			return false;
		if (moved || x->is_over)
			continue;
		if (!patience(x))
			return true;
		if (!wait_for_more(x, e))
			return false;
	}
	return false;
}

static void watch_end(struct carrying *x)
{
	if (x->told) {
		fd_tell_not(x->want[0].fd);
		fd_tell_not(x->want[1].fd);
	}
	x->told = NULL;
}

void carry_wake(struct carrying *x)
{
	void (*told)(void *) = x->told;

	watch_end(x);
	told(x->told_arg);
}

static void on_event(void *arg)
{
	carry_wake(arg);
}

bool carry_watch(struct carrying *x, void (*fn)(void *), void *arg, struct err *e)
{
	x->told = fn;
	x->told_arg = arg;
	for (int i = 0; i < 2; i++)
		if (x->want[i].events && !fd_tell(x->want[i].fd, x->want[i].events, on_event, x, e)) {
			watch_end(x);
			return false;
		}
	return true;
}

struct carrying *carry_open(struct conn *c, int stream, struct str first)
{
	struct carrying *x = calloc(1, sizeof(*x));
	struct err e;

	loop_scratch(block, sizeof(block));
	if (!x)
		return NULL;
	*x = (struct carrying){ .c = c, .stream = stream, .facts.why = "stopped" };
	if (first.n && !hold(&x->in, first, &e)) {
		free(x);
		return NULL;
	}
	return x;
}

const struct carried *carry_facts(const struct carrying *x)
{
	return &x->facts;
}

void carry_close(struct carrying *x)
{
	if (!x)
		return;
	watch_end(x);
	held_end(&x->in);
	held_end(&x->out);
	free(x);
}
