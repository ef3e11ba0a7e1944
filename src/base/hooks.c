/* hooks.c — see hooks.h; only in builds with -Dhooks=true.
 *
 * An order is one 64-bit word, so that it is read whole without a lock. */
#include "base/hooks.h"

#include "base/buf.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { KILLED = 137 };           /* what a shell shows for SIGKILL */

struct page {
	_Atomic int64_t wall, mono;
	_Atomic uint64_t orders[FAULT_POINTS];
};

struct tally {
	_Atomic uint32_t passed[FAULT_POINTS];
};

static const struct {
	const char *name, *what;
} points[] = {
#define POINT(id, name, what) { name, what },
#include "base/fault_points.def"
#undef POINT
};

static struct page *page;
static struct tally *tally;
static uint8_t self;

static uint64_t pack(const struct fault_order *o)
{
	return (uint64_t)o->action << 56 | (uint64_t)o->who << 48 | (uint64_t)o->nth << 32 | o->value;
}

static struct fault_order unpack(uint64_t word)
{
	return (struct fault_order){ (enum fault_action)(word >> 56), (uint8_t)(word >> 48), (uint16_t)(word >> 32),
				     (uint32_t)word };
}

/* One write to the log; whoever passes may be a thread. */
static void say(enum fault_point p)
{
	char line[128];
	struct buf b = buf_over(line, sizeof(line));

	buf_addf(&b, "warn - fault point=%s\n", points[p].name);
	(void)!write(STDERR_FILENO, b.p, b.n);
}

bool hooks_fault(enum fault_point p)
{
	struct fault_order o;
	uint32_t n;

	if (!page)
		return false;
	o = unpack(page->orders[p]);
	if (o.who && o.who != self)
		return false;
	n = atomic_fetch_add(&tally->passed[p], 1) + 1;
	if (o.action == ACTION_NONE || (o.nth && o.nth != n))
		return false;
	say(p);
	if (o.action == ACTION_KILL)
		_exit(KILLED);
	if (o.action == ACTION_DELAY) {
		nanosleep(&(struct timespec){ o.value / 1000, o.value % 1000 * 1000000 }, NULL);
		return false;
	}
	errno = (int)o.value;
	return true;
}

bool hooks_fault_in(enum fault_point p, struct err *e)
{
	return hooks_fault(p) && !fail_sys(e, FAULT_TEMP, errno, "%s", points[p].name);
}

int64_t hooks_wall(void)
{
	return page ? page->wall : 0;
}

int64_t hooks_mono(void)
{
	return page ? page->mono : 0;
}

static bool map(int fd, size_t n, int how, void *ret, struct err *e)
{
	void *p = mmap(NULL, n, how, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return fail_sys(e, FAULT_TEMP, errno, "map the page of faults");
	*(void **)ret = p;
	return true;
}

static bool make(const char *name, size_t n, int seals, void *ret, int *ret_fd, struct err *e)
{
	AUTO(fd_end) int fd = -1;

	if (!fd_memory(name, &fd, e))
		return false;
	if (ftruncate(fd, (off_t)n))
		return fail_sys(e, FAULT_TEMP, errno, "make the page of faults");
	/* what is mapped before stays writable */
	if (!map(fd, n, PROT_READ | PROT_WRITE, ret, e))
		return false;
	if (fcntl(fd, F_ADD_SEALS, seals | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fail_sys(e, FAULT_TEMP, errno, "seal the page of faults");
	*ret_fd = fd_take(&fd);
	return true;
}

bool hooks_make(uint8_t who, int *ret_page, int *ret_tally, struct err *e)
{
	self = who;
	return make("tally", sizeof(*tally), 0, &tally, ret_tally, e) &&
	       make("hooks", sizeof(*page), F_SEAL_FUTURE_WRITE, &page, ret_page, e);
}

void hooks_set_clock(int64_t wall, int64_t mono)
{
	page->wall = wall;
	page->mono = mono;
}

void hooks_order(enum fault_point p, const struct fault_order *o)
{
	page->orders[p] = 0;
	tally->passed[p] = 0;
	page->orders[p] = pack(o);
}

bool hooks_map(uint8_t who, int page_fd, int tally_fd, struct err *e)
{
	self = who;
	return map(tally_fd, sizeof(*tally), PROT_READ | PROT_WRITE, &tally, e) &&
	       map(page_fd, sizeof(*page), PROT_READ, &page, e);
}

struct fault_order hooks_ordered(enum fault_point p)
{
	return unpack(page ? page->orders[p] : 0);
}

uint32_t hooks_passed(enum fault_point p)
{
	return tally ? tally->passed[p] : 0;
}

const char *hooks_name(enum fault_point p)
{
	return points[p].name;
}

const char *hooks_what(enum fault_point p)
{
	return points[p].what;
}
