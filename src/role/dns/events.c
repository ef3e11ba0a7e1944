/* events.c — see events.h.
 *
 * Descriptors are watched by fd_tell(), deadlines lie in one heap with one timer of the loop.  All
 * callbacks run on the loop's own stack, outside fibers.  An event may be changed, and freed, by its own
 * callback: after that nothing of it is touched. */
#include "role/dns/events.h"

#include "base/err.h"
#include "base/heap.h"
#include "fiber/fiber.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unbound-event.h>
#include <uv.h>

struct event {
	struct ub_event super;           /* first: libunbound sees only this */
	struct heap_node due;            /* key: microseconds of now() */
	void (*fn)(int fd, short bits, void *arg);
	void *arg;
	int fd;
	short bits;
	bool is_watched;
};

static struct heap deadlines;
static uv_timer_t timer;
static bool has_timer;

/* Not time_mono(): libunbound reads the clock itself. */
static int64_t now(void)
{
	return (int64_t)(uv_hrtime() / 1000);
}

static struct event *event_of(struct ub_event *super)
{
	return (struct event *)(void *)super;
}

/* -- deadlines --------------------------------------------------------------- */

static void on_timer(uv_timer_t *t);

static void arm(void)
{
	struct heap_node *first = heap_first(&deadlines);
	int64_t left = first ? first->key - now() : 0;

	if (!first) {
		uv_timer_stop(&timer);
		return;
	}
	uv_update_time(loop_uv());
	uv_timer_start(&timer, on_timer, left <= 0 ? 0 : (uint64_t)(left + 999) / 1000, 0);
}

static void stop(struct event *v)
{
	heap_remove(&deadlines, &v->due);
	if (v->is_watched) {
		fd_tell_not(v->fd);
		fd_wait_forget(v->fd);           /* its owner may close it now */
	}
	v->is_watched = false;
}

static void on_timer(uv_timer_t *t)
{
	struct heap_node *first = heap_first(&deadlines);
	int64_t at = now();

	(void)t;
	for (; first && first->key <= at; first = heap_first(&deadlines)) {
		struct event *v = HEAP_OWNER(first, struct event, due);

		heap_remove(&deadlines, first);
		if (!(v->bits & UB_EV_PERSIST))
			stop(v);
		v->fn(v->fd, UB_EV_TIMEOUT, v->arg);
	}
	arm();
}

static void set_deadline(struct event *v, const struct timeval *in)
{
	bool was_first = heap_first(&deadlines) == &v->due;

	heap_remove(&deadlines, &v->due);
	heap_add(&deadlines, &v->due, now() + (int64_t)in->tv_sec * SECOND + in->tv_usec);
	if (was_first || heap_first(&deadlines) == &v->due)
		arm();
}

/* -- descriptors ------------------------------------------------------------- */

static void on_ready(void *arg);

static bool watch(struct event *v)
{
	short want = (short)((v->bits & UB_EV_READ ? POLLIN : 0) | (v->bits & UB_EV_WRITE ? POLLOUT : 0));
	struct err e;

	v->is_watched = fd_tell(v->fd, want, on_ready, v, &e);
	return v->is_watched;
}

static void on_ready(void *arg)
{
	struct event *v = arg;
	struct pollfd p = { .fd = v->fd, .events = (short)((v->bits & UB_EV_READ ? POLLIN : 0) |
							   (v->bits & UB_EV_WRITE ? POLLOUT : 0)) };
	short bits = 0;

	/* what has happened there: fd_tell() does not say; a fault is both, and reading says which */
	if (poll(&p, 1, 0) > 0) {
		if (p.revents & ~POLLOUT)
			bits |= UB_EV_READ;
		if (p.revents & ~POLLIN)
			bits |= UB_EV_WRITE;
	}
	bits &= v->bits;
	if (v->bits & UB_EV_PERSIST || !bits)
		watch(v);
	else
		stop(v);
	if (bits)
		v->fn(v->fd, bits, v->arg);
}

/* -- the table --------------------------------------------------------------- */

static int del(struct ub_event *super)
{
	stop(event_of(super));
	return 0;
}

static int add(struct ub_event *super, struct timeval *in)
{
	struct event *v = event_of(super);

	stop(v);
	if (in && (v->bits & UB_EV_TIMEOUT))
		set_deadline(v, in);
	if (v->fd >= 0 && (v->bits & (UB_EV_READ | UB_EV_WRITE)) && !watch(v)) {
		stop(v);
		return -1;
	}
	return 0;
}

static void add_bits(struct ub_event *super, short bits)
{
	stop(event_of(super));
	event_of(super)->bits |= bits;
}

static void del_bits(struct ub_event *super, short bits)
{
	stop(event_of(super));
	event_of(super)->bits &= (short)~bits;
}

static void set_fd(struct ub_event *super, int fd)
{
	stop(event_of(super));
	event_of(super)->fd = fd;
}

static void free_event(struct ub_event *super)
{
	stop(event_of(super));
	free(super);
}

static int add_timer(struct ub_event *super, struct ub_event_base *base, void (*fn)(int, short, void *), void *arg,
		     struct timeval *in)
{
	struct event *v = event_of(super);

	(void)base;
	stop(v);
	v->fd = -1;
	v->bits = UB_EV_TIMEOUT;
	v->fn = fn;
	v->arg = arg;
	return add(super, in);
}

static int add_signal(struct ub_event *super, struct timeval *in)
{
	(void)super, (void)in;
	return -1;                       /* libunbound does not call it */
}

static struct ub_event_vmt event_table = {
	.add_bits = add_bits, .del_bits = del_bits, .set_fd = set_fd, .free = free_event, .add = add, .del = del,
	.add_timer = add_timer, .del_timer = del, .add_signal = add_signal, .del_signal = del,
};

static struct ub_event *new_event(struct ub_event_base *base, int fd, short bits, void (*fn)(int, short, void *),
				  void *arg)
{
	struct event *v = calloc(1, sizeof(*v));

	(void)base;
	if (!v)
		return NULL;
	*v = (struct event){ .super = { UB_EVENT_MAGIC, &event_table }, .fn = fn, .arg = arg, .fd = fd, .bits = bits };
	return &v->super;
}

static struct ub_event *new_signal(struct ub_event_base *base, int fd, void (*fn)(int, short, void *), void *arg)
{
	(void)base, (void)fd, (void)fn, (void)arg;
	return NULL;
}

static void keep(struct ub_event_base *base)
{
	(void)base;
}

static int dispatch(struct ub_event_base *base)
{
	(void)base;
	return -1;                       /* the loop runs by itself */
}

static int loopexit(struct ub_event_base *base, struct timeval *in)
{
	(void)base, (void)in;
	return 0;
}

struct ub_event_base *events_base(void)
{
	static struct ub_event_base_vmt table = { .free = keep, .dispatch = dispatch, .loopexit = loopexit,
						  .new_event = new_event, .new_signal = new_signal };
	static struct ub_event_base base = { UB_EVENT_MAGIC, &table };

	if (!has_timer) {
		uv_timer_init(loop_uv(), &timer);
		has_timer = true;
	}
	return &base;
}
