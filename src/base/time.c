/* time.c — clocks and dates; see time.h. */
#include "base/time.h"

#include "base/buf.h"
#include "base/hooks.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec / 1000;
}

int64_t time_now(void)
{
	return read_clock(CLOCK_REALTIME) + hooks_wall();
}

int64_t time_mono(void)
{
	return read_clock(CLOCK_MONOTONIC) + hooks_mono();
}

/* Days ⇄ civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
struct time_parts time_split(int64_t us)
{
	int64_t days = us / DAY, rest = us % DAY, era, doe, yoe, doy, mp;
	struct time_parts t;

	if (rest < 0) {
		rest += DAY;
		days--;
	}
	t.weekday = (int)(((days + 4) % 7 + 7) % 7);
	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	t.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	t.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	t.year = (int)(yoe + era * 400 + (t.month <= 2));
	t.hour = (int)(rest / HOUR);
	t.minute = (int)(rest / MINUTE % 60);
	t.second = (int)(rest / SECOND % 60);
	t.micro = (int)(rest % SECOND);
	return t;
}

int64_t time_join(const struct time_parts *t)
{
	int64_t y = t->year - (t->month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (t->month + (t->month > 2 ? -3 : 9)) + 2) / 5 + t->day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return (era * 146097 + doe - 719468) * DAY + t->hour * HOUR + t->minute * MINUTE + t->second * SECOND +
	       t->micro;
}

void time_add_rfc3339(struct buf *b, int64_t us)
{
	struct time_parts t = time_split(us);

	buf_addf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.year, t.month, t.day, t.hour, t.minute, t.second,
		 t.micro / 1000);
}

void time_add_known(struct buf *b, int64_t us)
{
	if (us)
		time_add_rfc3339(b, us);
}

void time_add_rfc5322(struct buf *b, int64_t us)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct time_parts t = time_split(us);

	buf_addf(b, "%.3s, %02d %.3s %04d %02d:%02d:%02d +0000", days + 3 * t.weekday, t.day,
		 months + 3 * (t.month - 1), t.year, t.hour, t.minute, t.second);
}
