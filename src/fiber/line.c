/* line.c — lines from a connection; see line.h. */
#include "fiber/line.h"

#include "base/time.h"
#include "fiber/conn.h"
#include "fiber/fiber.h"

/* Length of the line at the start of in including CRLF, 0 if it does not end there.
 * The first `from` bytes are known to hold no end. */
static size_t line_length(struct str in, size_t from)
{
	while (from < in.n) {
		size_t i = from + str_find(str_from(in, from), '\n');

		if (i < in.n && i > 0 && in.p[i - 1] == '\r')
			return i + 1;
		from = i + 1;
	}
	return 0;
}

static void line_judge(struct line *l)
{
	struct str s = l->text;

	l->has_nul = str_has(s, '\0');
	l->has_bare_lf = str_has(s, '\n');       /* one behind a CR would have ended it */
	l->has_bare_cr = str_has(s, '\r');
}

/* Eat the rest of a line of which nothing is wanted. */
SUSPENDS static bool line_skip(struct conn *c, struct err *e)
{
	size_t skipped = 0;

	for (;;) {
		struct str in = conn_pending(c);
		size_t n = line_length(in, 0);

		if (n) {
			conn_eat(c, n);
			return true;
		}
		/* a CR at the end may be half of a CRLF */
		n = in.n && in.p[in.n - 1] == '\r' ? in.n - 1 : in.n;
		conn_eat(c, n);
		skipped += n;
		if (skipped > LINE_SKIP_MAX)
			return fail(e, FAULT_PEER, "a line without end");
		if (!conn_fill(c, e))
			return false;
	}
}

SUSPENDS bool line_read(struct conn *c, size_t max, struct line *ret, struct err *e)
{
	size_t seen = 0;

	must(max >= 2 && max <= CONN_INPUT_MAX / 2, "a line limit that cannot be kept");
	for (;;) {
		struct str in = str_head(conn_pending(c), max);
		size_t n = line_length(in, seen);

		if (n) {
			*ret = (struct line){ .text = str_head(in, n - 2) };
			line_judge(ret);
			conn_eat(c, n);
			return true;
		}
		if (in.n == max) {
			if (!line_skip(c, e))
				return false;
			*ret = (struct line){ .too_long = true };
			return true;
		}
		seen = in.n;
		if (!conn_fill(c, e))
			return false;
	}
}

struct rate_guard rate_guard_begin(uint32_t rate, int64_t window)
{
	return (struct rate_guard){ .rate = rate, .window = window, .left = window };
}

bool rate_guard_count(struct rate_guard *g, int64_t waited, uint64_t bytes)
{
	/* more than a window's worth earns no more than the window */
	uint64_t most = (uint64_t)(g->window / SECOND + 1) * g->rate;

	g->left -= waited;
	if (g->left <= 0)
		return false;
	g->left += (int64_t)((bytes < most ? bytes : most) * (uint64_t)SECOND / g->rate);
	if (g->left > g->window)
		g->left = g->window;
	return true;
}

SUSPENDS bool rate_guard_fill(struct rate_guard *g, struct conn *c, struct err *e)
{
	size_t before = conn_pending(c).n;
	int64_t since = time_mono();
	bool ok = false;

	WITHIN(g->left)
		ok = conn_fill(c, e);
	if (ok)
		ok = rate_guard_count(g, time_mono() - since, conn_pending(c).n - before) ||
			fail(e, FAULT_PEER, "the peer sends too slowly");
	else if (!e->timed_out || time_mono() - since < g->left)
		return false;    /* another reason, or an outer deadline */
	else
		fail(e, FAULT_PEER, "the peer sends too slowly");
	if (!ok)
		e->timed_out = true;
	return ok;
}
