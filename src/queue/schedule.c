/* schedule.c — when to try a letter again. */
#include "queue/schedule.h"

const struct schedule schedule_default = {
	.waits = { 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR },
	.n_waits = 4,
	.give_up = 4 * DAY,
	.warn = 4 * HOUR,
};

static int64_t longest(const struct schedule *s)
{
	int64_t most = 0;

	for (size_t i = 0; i < s->n_waits; i++)
		if (s->waits[i] > most)
			most = s->waits[i];
	return most;
}

int64_t schedule_next(const struct schedule *s, unsigned tries, int64_t now)
{
	size_t i = tries > 0 ? tries - 1 : 0;

	if (s->n_waits == 0)
		return now;
	return now + s->waits[i < s->n_waits ? i : s->n_waits - 1];
}

int64_t schedule_next_local(const struct schedule *s, unsigned tries, int64_t now)
{
	if (tries >= 1 && tries <= s->n_local)
		return now + s->local[tries - 1];
	return schedule_next(s, tries - (unsigned)s->n_local, now);
}

bool schedule_is_over(const struct schedule *s, int64_t accepted, int64_t now)
{
	return now >= accepted && now - accepted >= s->give_up;
}

bool schedule_should_warn(const struct schedule *s, int64_t accepted, int64_t now)
{
	return s->warn > 0 && now >= accepted && now - accepted >= s->warn;
}

int64_t schedule_sane(const struct schedule *s, int64_t due, int64_t now)
{
	return due > now && due - now > longest(s) ? now : due;
}

bool schedule_is_due(const struct schedule *s, int64_t due, int64_t now)
{
	return schedule_sane(s, due, now) <= now;
}
