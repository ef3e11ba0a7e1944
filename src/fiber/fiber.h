/* fiber.h — conversations written as straight lines.
 *
 * A fiber is a function with a stack of its own (64 KiB and a guard page) that
 * gives the processor away only where it waits.  One loop (libuv) wakes those
 * whose descriptor, time or event has come.
 *
 * Words:  a *nursery* owns fibers and is left only when all have ended;  a
 * *deadline* is a scope (WITHIN) in which waits fail when it runs out;  to
 * *cancel* a fiber makes its present and every later wait fail with
 * FAULT_CANCEL, so that it leaves through its own returns.
 *
 * Outside a fiber (tools, tests) the waiting calls simply block; in a role
 * process that is a bug and aborts (fiber_only()). */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/time.h"

struct buf;
struct fiber;
struct uv_loop_s;

typedef void fiber_fn(void *arg);        /* SUSPENDS */

/* Something to wait for: an event that another fiber announces.  Zero is good. */
struct waiting;
struct wait {
	struct waiting *first, *last;
};

struct sleeper;
struct nursery {
	struct fiber *first;     /* those that have not ended */
	struct sleeper *sleepers;        /* those that have not begun, see fiber_start_at() */
	size_t n;                /* both */
	struct wait ended;       /* told when n falls to 0 */
	bool cancelled;          /* a fiber started from now on begins cancelled */
};

/* Start a fiber; it first runs when the present one waits.  false: no memory for a stack. */
bool fiber_start(struct nursery *n, const char *name, fiber_fn *fn, void *arg);
/* The same, but it is made only when the descriptor is ready or n is cancelled: until then it costs no
 * stack.  Nobody else reads (or writes) the descriptor meanwhile. */
bool fiber_start_at(struct nursery *n, const char *name, fiber_fn *fn, void *arg, int fd, short events,
		    struct err *e);
void nursery_cancel(struct nursery *n);
/* Wait until all have ended. */
SUSPENDS bool nursery_join(struct nursery *n, struct err *e);
/* For AUTO: cancel and join; not itself cancellable. */
SUSPENDS void nursery_end(struct nursery *n);

/* Run fn(arg) as the first fiber; returns when it and everything it started has ended. */
void loop_run(fiber_fn *fn, void *arg);
struct uv_loop_s *loop_uv(void);
bool fiber_inside(void);
#ifdef WAXWING_HOOKS
/* time_mono() jumped (base/hooks.h): what is due is looked for again. */
void loop_clock_moved(void);
#endif
/* From now on waiting outside a fiber aborts. */
void fiber_only(void);

/* fn is called, outside fibers, each time no fiber has run for about two seconds: what is held
 * only to be quick may go. */
void loop_on_calm(void (*fn)(void));
/* Static memory that nobody reads again after a wait: its pages go back then. */
enum { SCRATCH_ALIGN = 4096 };
void loop_scratch(void *p, size_t n);

/* What a fiber that waits longer than about 2 s does not use of its stack is given back. */
enum { FIBER_STACK = 64 * 1024, FIBER_NAME_MAX = 48 };

/* The present fiber's name, "" outside one.  The name is its log prefix. */
const char *fiber_name(void);
PRINTF_LIKE(1, 2) void fiber_rename(const char *fmt, ...);
void fiber_cancel(struct fiber *f);
struct fiber *fiber_self(void);
/* False if this fiber is cancelled or its deadline has passed; does not wait. */
bool fiber_check(struct err *e);
/* Counts switches: a NO_WAIT block asserts that it does not move. */
uint64_t fiber_switches(void);

SUSPENDS bool fiber_sleep(int64_t us, struct err *e);
/* Let the others run once; in loops over big inputs each 64 KiB. */
SUSPENDS void breathe(void);

/* Wait for a descriptor; events is POLLIN and/or POLLOUT.  `what` is a literal for the list of fibers. */
SUSPENDS bool fd_wait(int fd, short events, const char *what, struct err *e);
/* The same for any of several; an entry without events is left out. */
enum { FD_WAIT_ANY_MAX = 4 };
struct fd_want {
	int fd;
	short events;
};
SUSPENDS bool fd_wait_any(const struct fd_want *wants, size_t n, const char *what, struct err *e);
/* Without a fiber: fn(arg) is called once, outside fibers, when the descriptor is ready. */
bool fd_tell(int fd, short events, void (*fn)(void *), void *arg, struct err *e);
void fd_tell_not(int fd);
/* Before a descriptor that was ever waited for is closed: forgets its watcher. */
void fd_wait_forget(int fd);

SUSPENDS bool wait_on(struct wait *w, const char *what, struct err *e);
/* Either: told, or the descriptor is ready.  *ret_told: it was the event. */
SUSPENDS bool wait_on_or(struct wait *w, int fd, short events, const char *what, bool *ret_told, struct err *e);
void wait_wake(struct wait *w);          /* the one that waits longest */
void wait_wake_all(struct wait *w);

/* WITHIN(30 * SECOND) { … }: waits inside fail with FAULT_TEMP and timed_out once the time is
 * up; an outer deadline always holds.  Leave it by return or by its end; break leaves it too. */
struct deadline {
	int64_t was;
	bool over;
};
struct deadline deadline_begin(int64_t us);
void deadline_end(struct deadline *d);
#define FIBER_CAT2(a, b) a##b
#define FIBER_CAT(a, b) FIBER_CAT2(a, b)
#define FIBER_ONCE(fn, type, init, v) for (AUTO(fn) struct type v = init; !v.over; v.over = true)
#define WITHIN(us) FIBER_ONCE(deadline_end, deadline, deadline_begin(us), FIBER_CAT(within_, __LINE__))

/* Run fn(arg) in a thread of the pool (it may block, must not log and must not touch the loop).
 * Always waits for its end, cancelled or not; the result is what fn left in arg. */
SUSPENDS void off_loop(void (*fn)(void *), void *arg);
/* Landlock and capabilities hold for one thread: a process that has yet to give up rights says
 * false and has no others, off_loop() runs fn in place. */
void off_loop_threads(bool allowed);
/* Run fn(arg) on the loop's 8 MiB stack: for libraries of unknown depth.  fn does not wait. */
void on_loop_stack(void (*fn)(void *), void *arg);

/* A line per fiber: name, what it waits for, since when (ms). */
void fiber_list(struct buf *b);

/* NO_WAIT { … }: asserts at its end that no other fiber ran meanwhile. */
struct no_wait {
	uint64_t switches;
	bool over;
};
struct no_wait no_wait_begin(void);
void no_wait_end(struct no_wait *n);
#define NO_WAIT FIBER_ONCE(no_wait_end, no_wait, no_wait_begin(), FIBER_CAT(no_wait_, __LINE__))
