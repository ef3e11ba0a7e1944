/* loop.c — the scheduler: libuv wakes, fibers run.
 *
 * A descriptor has one watcher, made when it is first waited for and kept armed
 * while somebody waits again and again; it is disarmed only when an event finds
 * nobody (uv_poll_start costs two system calls each time). */
#include "fiber/sched.h"

#include "base/arena.h"
#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

enum { TURNS_MAX = 8, TRIM_TICK_MS = 2000, TICKING_MAX = 8, THREADS_MAX = 4, NAP_US = 3000, NAP_TRIM = 256 * 1024,
        SCRATCHES_MAX = 8, PAGE = 4096 };

struct watch {
	uv_poll_t poll;
	int armed;                       /* UV_READABLE | UV_WRITABLE */
	struct fiber *reader, *writer;
	void (*fn)(void *);              /* fd_tell(): NULL: nobody is told */
	void *arg;
	int fn_events;
};

static uv_loop_t loop;
static bool loop_is_open;
static uv_timer_t timer, trimmer;
static int64_t timer_set = INT64_MAX;
static bool trims;
static uint64_t trim_seen;               /* switches at the trimmer's last tick */
static bool is_trimmed;                  /* since it was last busy */
static void (*calm)(void);
static struct scratch {
	uintptr_t from, to;              /* whole pages */
} scratches[SCRATCHES_MAX];
static size_t n_scratches;
static struct watch **watches;           /* by descriptor */
static size_t watches_n;

static void on_timer(uv_timer_t *t)
{
	(void)t;
	timer_set = INT64_MAX;
}

void loop_scratch(void *p, size_t n)
{
	uintptr_t from = ((uintptr_t)p + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t to = ((uintptr_t)p + n) & ~(uintptr_t)(PAGE - 1);

	for (size_t i = 0; i < n_scratches; i++)
		if (scratches[i].from == from)
			return;
	must(n_scratches < SCRATCHES_MAX, "too many blocks of scratch memory");
	scratches[n_scratches++] = (struct scratch){ from, to };
}

static void drop_scratches(void)
{
	for (size_t i = 0; i < n_scratches; i++)
		if (scratches[i].to > scratches[i].from)
			madvise((void *)scratches[i].from, scratches[i].to - scratches[i].from, MADV_DONTNEED);
}

/* -- threads --------------------------------------------------------------- */

static bool has_no_threads;
static size_t in_threads;                /* works under way */
static bool had_work;                    /* since they were trimmed */

static void on_nap(uv_work_t *req, int status)
{
	(void)status;
	free(req);
}

/* In a thread that has nothing to do: what lies below this frame is not needed.  The nap leaves the next
 * one to another thread. */
static void nap(uv_work_t *req)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(PAGE - 1);

	(void)req;
#ifndef WAXWING_ASAN
	madvise((void *)(here - PAGE - NAP_TRIM), NAP_TRIM, MADV_DONTNEED);
#else
	(void)here;
#endif
	usleep(NAP_US);
}

/* libuv's threads have stacks of the size of the limit. */
static bool have_deep_stacks(void)
{
	struct rlimit r;

	return !getrlimit(RLIMIT_STACK, &r) && r.rlim_cur >= 4 * NAP_TRIM;
}

static void trim_threads(void)
{
	if (has_no_threads || in_threads || !had_work || !have_deep_stacks())
		return;
	had_work = false;
	for (size_t i = 0; i < THREADS_MAX; i++) {
		uv_work_t *req = malloc(sizeof(*req));

		if (req && uv_queue_work(loop_uv(), req, nap, on_nap))
			free(req);
	}
}

static void give_back(void)
{
	log_flush();
	trim_threads();
	sched_free_stacks();
	drop_scratches();
	arena_trim();
	(void)malloc_trim(0);
	is_trimmed = true;
}

/* It ticks while fibers run; when none did for a tick, memory goes back and the timer rests too.  A role
 * in which some fiber looks around each second is never so calm: it gives back once after each work. */
static void on_trim(uv_timer_t *t)
{
	uint64_t ran = fiber_switches() - trim_seen;

	trim_seen = fiber_switches();
	sched_trim(time_mono() - TRIM_TICK_MS * MILLISECOND);
	if (ran > TICKING_MAX)
		is_trimmed = false;
	else if (ran && !is_trimmed)
		give_back();
	if (ran)
		return;
	uv_timer_stop(t);
	trims = false;
	if (calm)
		calm();
	give_back();
}

static void arm_trimmer(void)
{
	if (trims || fiber_switches() == trim_seen)
		return;
	trims = true;
	uv_timer_start(&trimmer, on_trim, TRIM_TICK_MS, TRIM_TICK_MS);
}

void loop_on_calm(void (*fn)(void))
{
	calm = fn;
}

struct uv_loop_s *loop_uv(void)
{
	if (!loop_is_open) {
		must(uv_loop_init(&loop) == 0, "no event loop can be made");
		uv_timer_init(&loop, &timer);
		uv_timer_init(&loop, &trimmer);
		uv_unref((uv_handle_t *)&trimmer);
		loop_is_open = true;
	}
	return &loop;
}

static void arm_timer(int64_t due, int64_t now)
{
	if (due == timer_set)
		return;
	timer_set = due;
	if (due == INT64_MAX) {
		uv_timer_stop(&timer);
		return;
	}
	uv_update_time(&loop);
	uv_timer_start(&timer, on_timer, due <= now ? 0 : (uint64_t)((due - now + 999) / 1000), 0);
}

#ifdef WAXWING_HOOKS
void loop_clock_moved(void)
{
	timer_set = INT64_MIN;
}
#endif

/* Everything that was ready when the turn began runs once. */
static void run_turn(void)
{
	struct fiber *f;
	size_t n = sched_alive();        /* those made ready meanwhile come next turn, or nearly so */

	while (n-- && (f = sched_next_ready()))
		sched_run(f);
}

static void close_all(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void loop_close(void)
{
	for (size_t i = 0; i < watches_n; i++)
		if (watches[i])
			fd_wait_forget((int)i);
	uv_walk(&loop, close_all, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	must(uv_loop_close(&loop) == 0, "the loop still holds something");
	free(watches);
	watches = NULL;
	watches_n = 0;
	loop_is_open = false;
	timer_set = INT64_MAX;
	trims = false;
	sched_free_pool();
}

void loop_run(fiber_fn *fn, void *arg)
{
	struct nursery root = { 0 };
	size_t log_n;
	void *log_mem = log_memory(&log_n);

	loop_uv();
	loop_scratch(log_mem, log_n);
	log_set_context(fiber_name);
	must(fiber_start(&root, "main", fn, arg), "no memory for the first fiber");
	while (sched_alive()) {
		int64_t now;

		/* what one event sets going is done before the kernel is asked again */
		for (int turns = 0; turns < TURNS_MAX && sched_has_ready(); turns++)
			run_turn();
		if (!sched_alive())
			break;
		log_flush();
		now = time_mono();
		arm_timer(sched_timers(now), now);
		arm_trimmer();
		uv_run(&loop, sched_has_ready() ? UV_RUN_NOWAIT : UV_RUN_ONCE);
		sched_timers(time_mono());
	}
	log_set_context(NULL);
	loop_close();
}

/* -- descriptors ----------------------------------------------------------- */

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct watch *w = p->data;
	int idle;

	if (status < 0) {
		events = UV_READABLE | UV_WRITABLE;      /* the next read or write says what is wrong */
		w->armed = 0;                            /* libuv has stopped it */
	}
	if ((events & UV_READABLE) && w->reader) {
		fiber_wake(w->reader);
		events &= ~UV_READABLE;
	}
	if ((events & UV_WRITABLE) && w->writer) {
		fiber_wake(w->writer);
		events &= ~UV_WRITABLE;
	}
	if (w->fn && (events & w->fn_events)) {
		void (*fn)(void *) = w->fn;

		events &= ~w->fn_events;
		w->fn = NULL;
		fn(w->arg);
		if (uv_is_closing((uv_handle_t *)p))
			return;
	}
	idle = events & w->armed;
	if (!idle)
		return;
	w->armed &= ~idle;
	if (w->armed)
		uv_poll_start(&w->poll, w->armed, on_poll);
	else
		uv_poll_stop(&w->poll);
}

static struct watch *watch_get(int fd, struct err *e)
{
	struct watch *w;
	int rc;

	if ((size_t)fd >= watches_n) {
		size_t n = watches_n ? watches_n : 64;
		struct watch **more;

		while (n <= (size_t)fd)
			n *= 2;
		more = reallocarray(watches, n, sizeof(struct watch *));
		if (!more) {
			fail(e, FAULT_TEMP, "out of memory");
			return NULL;
		}
		memset(more + watches_n, 0, (n - watches_n) * sizeof(struct watch *));
		watches = more;
		watches_n = n;
	}
	if (watches[fd])
		return watches[fd];
	w = calloc(1, sizeof(*w));
	if (!w) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	rc = uv_poll_init(loop_uv(), &w->poll, fd);
	if (rc) {
		free(w);
		fail_sys(e, FAULT_TEMP, -rc, "watch a descriptor");
		return NULL;
	}
	w->poll.data = w;
	watches[fd] = w;
	return w;
}

static bool wait_blocking(struct pollfd *p, size_t n, const char *what, struct err *e)
{
	must(fiber_may_block(), "a role process waits outside a fiber");
	while (poll(p, n, -1) < 0)
		if (errno != EINTR)
			return fail_sys(e, FAULT_TEMP, errno, "%s", what);
	return true;
}

static int uv_events(short events)
{
	return ((events & POLLIN) ? UV_READABLE : 0) | ((events & POLLOUT) ? UV_WRITABLE : 0);
}

static void watch_arm(struct watch *w, int want)
{
	if (!(want & ~w->armed))
		return;
	w->armed |= want;
	uv_poll_start(&w->poll, w->armed, on_poll);
}

/* From now on what happens there wakes me. */
static bool watch_begin(struct fiber *me, int fd, short events, struct err *e)
{
	int want = uv_events(events);
	struct watch *w = watch_get(fd, e);

	if (!w)
		return false;
	must(!(want & UV_READABLE) || !w->reader, "two fibers read one descriptor");
	must(!(want & UV_WRITABLE) || !w->writer, "two fibers write one descriptor");
	if (want & UV_READABLE)
		w->reader = me;
	if (want & UV_WRITABLE)
		w->writer = me;
	watch_arm(w, want);
	return true;
}

bool fd_tell(int fd, short events, void (*fn)(void *), void *arg, struct err *e)
{
	struct watch *w = watch_get(fd, e);

	if (!w)
		return false;
	must(!w->fn && !((events & POLLIN) && w->reader) && !((events & POLLOUT) && w->writer),
	     "somebody waits for this descriptor already");
	w->fn = fn;
	w->arg = arg;
	w->fn_events = uv_events(events);
	watch_arm(w, w->fn_events);
	return true;
}

void fd_tell_not(int fd)
{
	if (fd >= 0 && (size_t)fd < watches_n && watches[fd])
		watches[fd]->fn = NULL;
}

static void watch_end(const struct fiber *me, int fd)
{
	struct watch *w = watches[fd];

	if (w->reader == me)
		w->reader = NULL;
	if (w->writer == me)
		w->writer = NULL;
}

bool fd_wait(int fd, short events, const char *what, struct err *e)
{
	struct fiber *me = fiber_self();
	bool ok;

	if (!me)
		return wait_blocking(&(struct pollfd){ .fd = fd, .events = events }, 1, what, e);
	if (!watch_begin(me, fd, events, e))
		return false;
	ok = fiber_suspend(what, e);
	watch_end(me, fd);
	return ok;
}

bool fd_wait_any(const struct fd_want *wants, size_t n, const char *what, struct err *e)
{
	struct pollfd polls[FD_WAIT_ANY_MAX];
	struct fiber *me = fiber_self();
	bool ok = true;
	size_t begun;

	must(n <= FD_WAIT_ANY_MAX, "a wait for too many descriptors");
	for (size_t i = 0; i < n; i++)
		polls[i] = (struct pollfd){ .fd = wants[i].events ? wants[i].fd : -1, .events = wants[i].events };
	if (!me)
		return wait_blocking(polls, n, what, e);
	for (begun = 0; ok && begun < n; begun += ok)
		ok = !wants[begun].events || watch_begin(me, wants[begun].fd, wants[begun].events, e);
	ok = ok && fiber_suspend(what, e);
	for (size_t i = 0; i < begun; i++)
		if (wants[i].events)
			watch_end(me, wants[i].fd);
	return ok;
}

static void on_watch_closed(uv_handle_t *h)
{
	free(h->data);
}

void fd_wait_forget(int fd)
{
	struct watch *w = fd >= 0 && (size_t)fd < watches_n ? watches[fd] : NULL;

	if (!w)
		return;
	must(!w->reader && !w->writer && !w->fn, "a descriptor is closed while a fiber waits for it");
	watches[fd] = NULL;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

/* -- work in threads ------------------------------------------------------- */

void off_loop_threads(bool allowed)
{
	has_no_threads = !allowed;
}

struct work {
	uv_work_t req;
	void (*fn)(void *);
	void *arg;
	struct fiber *f;
};

static void work_run(uv_work_t *req)
{
	struct work *w = req->data;

	w->fn(w->arg);
}

static void work_done(uv_work_t *req, int status)
{
	struct work *w = req->data;

	(void)status;
	fiber_wake(w->f);
}

void off_loop(void (*fn)(void *), void *arg)
{
	struct work w = { .fn = fn, .arg = arg, .f = fiber_self() };

	if (!w.f || has_no_threads) {
		fn(arg);
		return;
	}
	w.req.data = &w;
	must(uv_queue_work(loop_uv(), &w.req, work_run, work_done) == 0, "no work can be queued");
	in_threads++;
	had_work = true;
	fiber_suspend_deaf("a thread");
	in_threads--;
}
