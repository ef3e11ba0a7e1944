/* schedule.h — when to try a letter again, warn its sender, give it up.
 *
 * The list of waits comes from the configuration ("retry 5m 15m 1h 4h give-up 4d
 * warn 4h"); the last one repeats.  Nothing here looks at a clock. */
#pragma once

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>

enum { SCHEDULE_WAITS_MAX = 16 };

struct schedule {
	int64_t waits[SCHEDULE_WAITS_MAX];
	size_t n_waits;
	int64_t local[SCHEDULE_WAITS_MAX];       /* in front of `waits`, for mailboxes here */
	size_t n_local;
	int64_t give_up, warn;           /* after acceptance; warn 0: never */
};

extern const struct schedule schedule_default;

/* After the try number `tries` (from 1) failed at `now`. */
int64_t schedule_next(const struct schedule *s, unsigned tries, int64_t now);
/* For a mailbox here: quick tries first, since what hinders it is often gone in a moment. */
int64_t schedule_next_local(const struct schedule *s, unsigned tries, int64_t now);
bool schedule_is_over(const struct schedule *s, int64_t accepted, int64_t now);
bool schedule_should_warn(const struct schedule *s, int64_t accepted, int64_t now);
/* A due time further ahead than the longest wait is due now: the clock was set back. */
bool schedule_is_due(const struct schedule *s, int64_t due, int64_t now);
/* What schedule_is_due() sees: due itself, or `now` if it lies too far ahead. */
int64_t schedule_sane(const struct schedule *s, int64_t due, int64_t now);
