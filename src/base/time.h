/* time.h — what time it is, and how it is written.
 *
 * Everything is an i64 count of microseconds: time_now() of UTC since 1970 (it
 * may jump), time_mono() of the monotonic clock (for deadlines only). */
#pragma once

#include <stdint.h>

#define MILLISECOND INT64_C(1000)
#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

struct buf;

int64_t time_now(void);
int64_t time_mono(void);

/* Broken down UTC, without locale or time zone files. */
struct time_parts {
	int year, month, day;            /* month and day from 1 */
	int hour, minute, second, micro;
	int weekday;                     /* 0 = Sunday */
};
struct time_parts time_split(int64_t us);
int64_t time_join(const struct time_parts *t);

/* "2026-11-21T23:53:40.123Z"   RFC 3339 */
void time_add_rfc3339(struct buf *b, int64_t us);
/* The same; nothing for 0, a time that is not known. */
void time_add_known(struct buf *b, int64_t us);
/* "Sat, 21 Nov 2026 23:53:40 +0000"   RFC 5322 §3.3 */
void time_add_rfc5322(struct buf *b, int64_t us);
