/* progress.c — "[#####.....]  50%" on one line that is drawn over; see transfer.h. */
#include "ctl/transfer.h"

#include <unistd.h>

enum { WIDTH = 40 };
#define DRAW_EVERY (100 * MILLISECOND)

static void draw(struct progress *p)
{
	uint64_t done = p->done < p->total ? p->done : p->total;
	unsigned percent = (unsigned)(p->total ? (double)done * 100 / (double)p->total : 100);
	char bar[WIDTH + 1];

	for (unsigned i = 0; i < WIDTH; i++)
		bar[i] = i < percent * WIDTH / 100 ? '#' : '.';
	bar[WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %3u%%", bar, percent);
	if (p->letters)
		fprintf(stderr, "  %llu letters", (unsigned long long)p->letters);
	fflush(stderr);
	p->drawn = time_mono();
}

void progress_begin(struct progress *p, uint64_t total)
{
	*p = (struct progress){ .is_on = isatty(STDERR_FILENO), .total = total };
	if (p->is_on)
		draw(p);
}

void progress_set(struct progress *p, uint64_t done)
{
	p->done = done;
	if (p->is_on && time_mono() - p->drawn >= DRAW_EVERY)
		draw(p);
}

void progress_clear(struct progress *p)
{
	if (!p->is_on || !p->drawn)
		return;
	fprintf(stderr, "\r\033[K");
	p->drawn = 0;
}
