/* fiber.c — fibers, nurseries, deadlines, waits.
 *
 * One thread runs all fibers.  A fiber is in one of four states: ready (in the
 * queue), running, waiting (somebody holds a pointer to wake it), ended (its
 * stack is about to return to the pool).  The scheduler lives on the thread's
 * own stack, in loop.c; a fiber only ever switches there and back. */
#include "fiber/sched.h"

#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef WAXWING_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(from, to) 0u
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102   /* Linux 6.13: a guard page that costs no mapping of its own */
#endif

enum { POOL_KEEP = 256, PAGE = 4096 };

static struct stack_place scheduler;
static struct fiber *running;
static struct fiber *ready_first, *ready_last;
static struct fiber *all;
static size_t alive;
static uint64_t switches;
static struct heap timers;
static bool only_fibers;

/* What runs on the scheduler's stack for a fiber (on_loop_stack). */
static void (*errand)(void *);
static void *errand_arg;

/* -- stacks ---------------------------------------------------------------- */

struct free_stack {
	struct free_stack *next;
};

static struct free_stack *pool;
static size_t pool_n;

static char *stack_map(void)
{
	char *p = mmap(NULL, FIBER_STACK + PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, PAGE, MADV_GUARD_INSTALL) && mprotect(p, PAGE, PROT_NONE)) {
		munmap(p, FIBER_STACK + PAGE);
		return NULL;
	}
	return p + PAGE;
}

static void stack_unmap(char *stack)
{
	munmap(stack - PAGE, FIBER_STACK + PAGE);
}

static char *stack_take(void)
{
	char *p = (char *)pool;

	if (!p)
		return stack_map();
	pool = pool->next;
	pool_n--;
	return p;
}

static void stack_give(char *stack)
{
	struct free_stack *s = (struct free_stack *)(void *)stack;

#ifdef WAXWING_ASAN
	__asan_unpoison_memory_region(stack, FIBER_STACK);
#endif
	if (pool_n >= POOL_KEEP) {
		stack_unmap(stack);
		return;
	}
	s->next = pool;
	pool = s;
	pool_n++;
}

void sched_free_stacks(void)
{
	while (pool) {
		char *p = (char *)pool;

		pool = pool->next;
		stack_unmap(p);
	}
	pool_n = 0;
}

void sched_free_pool(void)
{
	sched_free_stacks();
	heap_end(&timers);
}

/* Give back what waiting fibers do not use below their stack pointer. */
void sched_trim(int64_t idle_since)
{
	for (struct fiber *f = all; f; f = f->all_next) {
		uintptr_t from = (uintptr_t)f->stack, to = (uintptr_t)f->place.sp & ~(uintptr_t)(PAGE - 1);

		if (f->state != FIBER_WAITING || f->trimmed || f->since > idle_since)
			continue;
		f->trimmed = true;
#if defined(__x86_64__) && !defined(WAXWING_ASAN)
		if (to > from)
			madvise(f->stack, to - from, MADV_DONTNEED);
#else
		(void)from, (void)to;
#endif
	}
}

/* -- switching ------------------------------------------------------------- */

#ifdef WAXWING_ASAN
static const void *main_bottom;
static size_t main_size;
#endif

static void to_scheduler(bool for_ever)
{
	struct fiber *f = running;
	int was = errno;

#ifdef WAXWING_ASAN
	__sanitizer_start_switch_fiber(for_ever ? NULL : &f->fake_stack, main_bottom, main_size);
#endif
	(void)for_ever;
	stack_switch(&f->place, &scheduler);
#ifdef WAXWING_ASAN
	__sanitizer_finish_switch_fiber(f->fake_stack, &main_bottom, &main_size);
#endif
	errno = was;
}

static void nursery_less(struct nursery *n)
{
	if (--n->n == 0)
		wait_wake_all(&n->ended);
}

static void nursery_remove(struct fiber *f)
{
	struct nursery *n = f->nursery;

	if (f->prev)
		f->prev->next = f->next;
	else
		n->first = f->next;
	if (f->next)
		f->next->prev = f->prev;
	nursery_less(n);
}

static void entry(void)
{
#ifdef WAXWING_ASAN
	__sanitizer_finish_switch_fiber(NULL, &main_bottom, &main_size);
#endif
	running->fn(running->arg);
	running->state = FIBER_ENDED;
	nursery_remove(running);
	to_scheduler(true);
}

void sched_run(struct fiber *f)
{
#ifdef WAXWING_ASAN
	void *fake;
#endif

	for (;;) {
		running = f;
		f->state = FIBER_RUNNING;
		f->trimmed = false;
		switches++;
#ifdef WAXWING_ASAN
		__sanitizer_start_switch_fiber(&fake, f->stack, f->stack_n);
#endif
		stack_switch(&scheduler, &f->place);
#ifdef WAXWING_ASAN
		__sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
		running = NULL;
		if (!errand)
			break;
		errand(errand_arg);
		errand = NULL;
	}
	if (f->state == FIBER_ENDED) {
		char *stack = f->stack;

		if (f->all_prev)
			f->all_prev->all_next = f->all_next;
		else
			all = f->all_next;
		if (f->all_next)
			f->all_next->all_prev = f->all_prev;
		VALGRIND_STACK_DEREGISTER(f->valgrind_id);
#ifdef WAXWING_ASAN
		__lsan_unregister_root_region(stack, FIBER_STACK);
#endif
		alive--;
		stack_give(stack);
	}
}

static void make_ready(struct fiber *f)
{
	f->state = FIBER_READY;
	f->ready_next = NULL;
	if (ready_last)
		ready_last->ready_next = f;
	else
		ready_first = f;
	ready_last = f;
}

struct fiber *sched_next_ready(void)
{
	struct fiber *f = ready_first;

	if (f) {
		ready_first = f->ready_next;
		if (!ready_first)
			ready_last = NULL;
	}
	return f;
}

bool sched_has_ready(void)
{
	return ready_first;
}

size_t sched_alive(void)
{
	return alive;
}

bool fiber_start(struct nursery *n, const char *name, fiber_fn *fn, void *arg)
{
	char *stack = stack_take();
	size_t top = (FIBER_STACK - sizeof(struct fiber)) & ~(size_t)63;
	struct fiber *f;

	if (!stack)
		return false;
	f = (struct fiber *)(void *)(stack + top);
	*f = (struct fiber){ .fn = fn, .arg = arg, .nursery = n, .stack = stack, .stack_n = top,
			     .deadline = INT64_MAX, .cancelled = n->cancelled };
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->valgrind_id = VALGRIND_STACK_REGISTER(stack, stack + top);
#ifdef WAXWING_ASAN
	__lsan_register_root_region(stack, FIBER_STACK);
#endif
	stack_prepare(&f->place, stack, top, entry);
	f->next = n->first;
	if (n->first)
		n->first->prev = f;
	n->first = f;
	n->n++;
	f->all_next = all;
	if (all)
		all->all_prev = f;
	all = f;
	alive++;
	make_ready(f);
	return true;
}

/* -- fibers that have not begun -------------------------------------------- */

struct sleeper {
	struct nursery *nursery;
	struct sleeper *prev, *next;
	fiber_fn *fn;
	void *arg;
	int fd;
	char name[FIBER_NAME_MAX];
};

/* It becomes a fiber. */
static void sleeper_begin(void *arg)
{
	struct sleeper *s = arg;
	struct nursery *n = s->nursery;

	if (s->prev)
		s->prev->next = s->next;
	else
		n->sleepers = s->next;
	if (s->next)
		s->next->prev = s->prev;
	must(fiber_start(n, s->name, s->fn, s->arg), "no memory for the stack of a fiber that waited");
	alive--;
	nursery_less(n);
	free(s);
}

bool fiber_start_at(struct nursery *n, const char *name, fiber_fn *fn, void *arg, int fd, short events,
		    struct err *e)
{
	struct sleeper *s;

	if (n->cancelled)
		return fiber_start(n, name, fn, arg) || fail(e, FAULT_TEMP, "no memory for a fiber");
	s = malloc(sizeof(*s));
	if (!s)
		return fail(e, FAULT_TEMP, "no memory for a fiber");
	*s = (struct sleeper){ .nursery = n, .next = n->sleepers, .fn = fn, .arg = arg, .fd = fd };
	snprintf(s->name, sizeof(s->name), "%s", name);
	if (!fd_tell(fd, events, sleeper_begin, s, e)) {
		free(s);
		return false;
	}
	if (n->sleepers)
		n->sleepers->prev = s;
	n->sleepers = s;
	n->n++;
	alive++;
	return true;
}

/* -- waiting --------------------------------------------------------------- */

void fiber_wake(struct fiber *f)
{
	if (f->state == FIBER_WAITING) {
		f->woken = true;
		make_ready(f);
	}
}

/* End a wait without its event: cancelled, or out of time. */
static void cut_short(struct fiber *f)
{
	if (f->state == FIBER_WAITING && !f->is_deaf)
		make_ready(f);
}

static void suspend(const char *what)
{
	struct fiber *f = running;

	f->state = FIBER_WAITING;
	f->woken = false;
	f->what = what;
	f->since = time_mono();
	if (!f->is_deaf && f->deadline != INT64_MAX)
		heap_add(&timers, &f->timer, f->deadline);
	to_scheduler(false);
	heap_remove(&timers, &f->timer);
	f->what = NULL;
}

bool fiber_suspend(const char *what, struct err *e)
{
	must(running, "only a fiber waits");
	if (!fiber_check(e))
		return fail_in(e, "%s", what);
	suspend(what);
	if (running->woken)
		return true;
	must(!fiber_check(e), "a wait ended without a reason");
	return fail_in(e, "%s", what);
}

void fiber_suspend_deaf(const char *what)
{
	must(running, "only a fiber waits");
	running->is_deaf = true;
	while (suspend(what), !running->woken)
		continue;
	running->is_deaf = false;
}

bool fiber_check(struct err *e)
{
	if (!running)
		return true;
	if (running->cancelled)
		return fail(e, FAULT_CANCEL, "cancelled");
	if (running->deadline != INT64_MAX && running->deadline <= time_mono()) {
		fail(e, FAULT_TEMP, "timed out");
		e->timed_out = true;
		return false;
	}
	return true;
}

int64_t sched_timers(int64_t now)
{
	struct heap_node *first;

	while ((first = heap_first(&timers)) && first->key <= now) {
		heap_remove(&timers, first);
		cut_short(HEAP_OWNER(first, struct fiber, timer));
	}
	return first ? first->key : INT64_MAX;
}

void breathe(void)
{
	if (!running)
		return;
	make_ready(running);
	to_scheduler(false);
}

bool fiber_sleep(int64_t us, struct err *e)
{
	int64_t outer, until = time_mono() + us;
	struct err mine = { 0 };

	if (!running) {
		must(!only_fibers, "a role process waits outside a fiber");
		usleep((useconds_t)us);
		return true;
	}
	outer = running->deadline;
	if (until >= outer)
		return fiber_suspend("sleep", e);
	running->deadline = until;
	while (fiber_suspend("sleep", &mine))
		continue;
	running->deadline = outer;
	if (mine.timed_out)
		return true;
	*e = mine;
	return false;
}

struct waiting {
	struct fiber *f;
	struct waiting *prev, *next;
	bool is_told;
};

static void unlink_waiting(struct wait *w, struct waiting *me)
{
	if (me->prev)
		me->prev->next = me->next;
	else
		w->first = me->next;
	if (me->next)
		me->next->prev = me->prev;
	else
		w->last = me->prev;
}

static void link_waiting(struct wait *w, struct waiting *me)
{
	must(running, "only a fiber waits for another");
	if (w->last)
		w->last->next = me;
	else
		w->first = me;
	w->last = me;
}

static void end_waiting(struct wait *w, struct waiting *me, bool ok)
{
	if (!me->is_told)
		unlink_waiting(w, me);
	else if (!ok)
		wait_wake(w);            /* told and cut short in one turn: pass it on */
}

bool wait_on(struct wait *w, const char *what, struct err *e)
{
	struct waiting me = { .f = running, .prev = w->last };
	bool ok;

	link_waiting(w, &me);
	ok = fiber_suspend(what, e);
	end_waiting(w, &me, ok);
	return ok;
}

bool wait_on_or(struct wait *w, int fd, short events, const char *what, bool *ret_told, struct err *e)
{
	struct waiting me = { .f = running, .prev = w->last };
	bool ok;

	link_waiting(w, &me);
	ok = fd_wait_any(&(struct fd_want){ fd, events }, 1, what, e);
	end_waiting(w, &me, ok);
	*ret_told = me.is_told;
	return ok;
}

void wait_wake(struct wait *w)
{
	struct waiting *first = w->first;

	if (first) {
		unlink_waiting(w, first);
		first->is_told = true;
		fiber_wake(first->f);
	}
}

void wait_wake_all(struct wait *w)
{
	while (w->first)
		wait_wake(w);
}

/* -- nurseries, cancelling ------------------------------------------------- */

void fiber_cancel(struct fiber *f)
{
	f->cancelled = true;
	cut_short(f);
}

void nursery_cancel(struct nursery *n)
{
	n->cancelled = true;
	for (struct fiber *f = n->first; f; f = f->next)
		fiber_cancel(f);
	while (n->sleepers) {
		fd_tell_not(n->sleepers->fd);
		sleeper_begin(n->sleepers);
	}
}

bool nursery_join(struct nursery *n, struct err *e)
{
	while (n->n)
		if (!wait_on(&n->ended, "children", e))
			return false;
	return true;
}

void nursery_end(struct nursery *n)
{
	nursery_cancel(n);
	while (n->n) {
		struct waiting me = { .f = running, .prev = n->ended.last };

		must(running, "a nursery with fibers is left from inside a fiber");
		if (n->ended.last)
			n->ended.last->next = &me;
		else
			n->ended.first = &me;
		n->ended.last = &me;
		fiber_suspend_deaf("children");
	}
}

/* -- small answers --------------------------------------------------------- */

bool fiber_inside(void)
{
	return running;
}

struct fiber *fiber_self(void)
{
	return running;
}

void fiber_only(void)
{
	only_fibers = true;
}

bool fiber_may_block(void)
{
	return !only_fibers;
}

const char *fiber_name(void)
{
	return running ? running->name : "";
}

void fiber_rename(const char *fmt, ...)
{
	va_list ap;

	if (!running)
		return;
	va_start(ap, fmt);
	vsnprintf(running->name, sizeof(running->name), fmt, ap);
	va_end(ap);
}

uint64_t fiber_switches(void)
{
	return switches;
}

struct no_wait no_wait_begin(void)
{
	return (struct no_wait){ .switches = switches };
}

void no_wait_end(struct no_wait *n)
{
	must(n->switches == switches, "another fiber ran inside NO_WAIT");
}

struct deadline deadline_begin(int64_t us)
{
	struct deadline d = { .was = running ? running->deadline : INT64_MAX };
	int64_t until = time_mono() + us;

	if (running && until < d.was)
		running->deadline = until;
	return d;
}

void deadline_end(struct deadline *d)
{
	if (running)
		running->deadline = d->was;
}

void on_loop_stack(void (*fn)(void *), void *arg)
{
	if (!running) {
		fn(arg);
		return;
	}
	errand = fn;
	errand_arg = arg;
	to_scheduler(false);
}

void fiber_list(struct buf *b)
{
	int64_t now = time_mono();

	for (struct fiber *f = all; f; f = f->all_next)
		buf_addf(b, "%s %s %lld ms\n", f->name, f == running ? "runs" : f->what ? f->what : "is ready",
			 f->what ? (long long)((now - f->since) / MILLISECOND) : 0LL);
}
