/* hooks.h — faults on demand and a clock moved by hand, for tests: -Dhooks=true.
 *
 * The parent makes one page and seals it, so that every role it is handed to can
 * but read it; there stand how far the clocks are moved and what is ordered at
 * each fault point.  A second page counts how often each point was passed, over
 * all processes, so that "the third time" means the same for all of them.
 *
 * In every other build a fault point is the constant false, the clocks are the
 * machine's, and nothing of this is in the binary (./dev lint proves it). */
#pragma once

#include "base/err.h"

#ifdef WAXWING_HOOKS

/* In front of a system call: FAULT_POINT(journal_sync) || fdatasync(fd).  True: it failed, errno says
 * how.  An ordered delay sleeps here, an ordered kill does not return. */
#define FAULT_POINT(id) hooks_fault(FAULT_POINT_##id)
/* In front of a function of ours: FAULT_IN(spool_sync, e) || !fd_sync(fd, e). */
#define FAULT_IN(id, e) hooks_fault_in(FAULT_POINT_##id, e)

enum fault_point {
#define POINT(id, name, what) FAULT_POINT_##id,
#include "base/fault_points.def"
#undef POINT
	FAULT_POINTS
};

enum fault_action { ACTION_NONE, ACTION_FAIL, ACTION_DELAY, ACTION_KILL };

struct fault_order {
	enum fault_action action;
	uint8_t who;             /* 0: whoever passes; else as given to hooks_map() */
	uint16_t nth;            /* only this time, counted from now; 0: each time */
	uint32_t value;          /* errno, or milliseconds */
};

bool hooks_fault(enum fault_point p);
bool hooks_fault_in(enum fault_point p, struct err *e);
/* Microseconds that are added to the machine's clocks. */
int64_t hooks_wall(void);
int64_t hooks_mono(void);

/* The parent: makes the pages, maps them and gives their descriptors to hand on. */
bool hooks_make(uint8_t who, int *ret_page, int *ret_tally, struct err *e);
void hooks_set_clock(int64_t wall, int64_t mono);
void hooks_order(enum fault_point p, const struct fault_order *o);
/* Any other process. */
bool hooks_map(uint8_t who, int page, int tally, struct err *e);

struct fault_order hooks_ordered(enum fault_point p);
/* How often it was passed since it was last ordered. */
uint32_t hooks_passed(enum fault_point p);
const char *hooks_name(enum fault_point p);
const char *hooks_what(enum fault_point p);

#else

#define FAULT_POINT(id) false
#define FAULT_IN(id, e) ((void)(e), false)

#define hooks_wall() 0
#define hooks_mono() 0

#endif
