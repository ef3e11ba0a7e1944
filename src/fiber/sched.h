/* sched.h — what fiber.c and loop.c share; nobody else includes it. */
#pragma once

#include "base/heap.h"
#include "fiber/fiber.h"
#include "fiber/switch.h"

enum fiber_state { FIBER_READY, FIBER_RUNNING, FIBER_WAITING, FIBER_ENDED };

struct fiber {
	struct stack_place place;
	enum fiber_state state;
	bool cancelled;
	bool woken;              /* the wait was answered, not cut short */
	bool trimmed;
	bool is_deaf;            /* in a wait that neither cancel nor deadline ends */
	int64_t deadline;        /* monotonic; INT64_MAX: none */
	struct heap_node timer;
	const char *what;        /* what it waits for */
	int64_t since;
	struct nursery *nursery;
	struct fiber *prev, *next;               /* in the nursery */
	struct fiber *all_prev, *all_next;
	struct fiber *ready_next;
	fiber_fn *fn;
	void *arg;
	char *stack;             /* lowest usable byte, above the guard page */
	size_t stack_n;
	void *fake_stack;        /* AddressSanitizer's */
	unsigned valgrind_id;
	char name[FIBER_NAME_MAX];
};

/* Wait until fiber_wake(), a cancel or the deadline.  True: woken. */
SUSPENDS bool fiber_suspend(const char *what, struct err *e);
/* Only fiber_wake() ends it. */
SUSPENDS void fiber_suspend_deaf(const char *what);
void fiber_wake(struct fiber *f);
bool fiber_may_block(void);

/* The loop's side. */
struct fiber *sched_next_ready(void);
bool sched_has_ready(void);
void sched_run(struct fiber *f);
size_t sched_alive(void);
/* Wake what is due; returns the next deadline or INT64_MAX. */
int64_t sched_timers(int64_t now);
void sched_trim(int64_t idle_since);
/* Of ended fibers. */
void sched_free_stacks(void);
void sched_free_pool(void);
