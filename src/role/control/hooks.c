/* hooks.c — waxwing test clock|fault; only in builds with -Dhooks=true.
 *
 * Orders are read here and carried out by the parent; what is in force stands in
 * the page, which every role sees (base/hooks.h). */
#include "role/control/control.h"

#include "base/hooks.h"

#include <errno.h>

enum { ERRNO_LAST = 133, MOVE_MAX_DAYS = 3650 };

/* -- the clock ------------------------------------------------------------- */

/* "90s", "1h30m", "4d". */
static bool parse_duration(struct str s, int64_t *ret)
{
	static const struct {
		char unit;
		int64_t us;
	} units[] = { { 's', SECOND }, { 'm', MINUTE }, { 'h', HOUR }, { 'd', DAY } };
	int64_t sum = 0;

	if (!s.n)
		return false;
	while (s.n) {
		int64_t n = 0, us = 0;
		size_t i = 0;

		for (; str_at(s, i) >= '0' && str_at(s, i) <= '9' && n < 1000000; i++)
			n = n * 10 + str_at(s, i) - '0';
		for (size_t k = 0; k < ARRAY_LEN(units); k++)
			if (str_at(s, i) == units[k].unit)
				us = units[k].us;
		if (i == 0 || !us)
			return false;
		sum += n * us;
		if (sum > MOVE_MAX_DAYS * DAY)
			return false;
		s = str_from(s, i + 1);
	}
	*ret = sum;
	return true;
}

/* The monotonic clock follows the other one forwards and never goes back. */
static bool parse_move(struct str s, struct parent_clock *ret)
{
	int64_t by = 0;

	*ret = (struct parent_clock){ .wall = hooks_wall(), .mono = hooks_mono() };
	if (str_eq(s, S("reset"))) {
		ret->wall = 0;
		return true;
	}
	if ((str_at(s, 0) != '+' && str_at(s, 0) != '-') || !parse_duration(str_from(s, 1), &by))
		return false;
	ret->wall += str_at(s, 0) == '+' ? by : -by;
	ret->mono += str_at(s, 0) == '+' ? by : 0;
	return true;
}

int run_test_clock(struct command *c)
{
	struct buf b = buf_on_heap(256);
	struct parent_clock_answer r;
	struct parent_clock q;
	struct err e;

	if (c->n_args && !str_eq(c->args[0].text, S("show"))) {
		if (!parse_move(c->args[0].text, &q))
			return complain(c, EXIT_USAGE, S("a move is +DURATION, -DURATION (30s, 5m, 1h30m, 4d) or reset"));
		if (!parent_clock(self.parent, &q, &r, c->a, &e))
			return complain_err(c, &e);
	}
	time_add_rfc3339(&b, time_now());
	buf_addf(&b, " moved by %lld s\n", (long long)(hooks_wall() / SECOND));
	say(c, buf_str(&b));
	buf_end(&b);
	return EXIT_DONE;
}

/* -- faults ---------------------------------------------------------------- */

static const char *const actions[] = { "off", "fail", "delay", "kill" };

static void print_order(struct buf *b, const struct fault_order *o)
{
	buf_addf(b, " %s", actions[o->action]);
	if (o->action == ACTION_FAIL)
		buf_addf(b, " %s", strerrorname_np((int)o->value));
	if (o->action == ACTION_DELAY)
		buf_addf(b, " %us", o->value / 1000);
	if (o->nth)
		buf_addf(b, " nth %u", o->nth);
	if (o->who)
		buf_addf(b, " in %s", role_name((enum role)(o->who - 1)));
}

static int list(struct command *c)
{
	struct buf b = buf_on_heap(16384);

	for (enum fault_point p = 0; p < FAULT_POINTS; p++) {
		struct fault_order o = hooks_ordered(p);

		buf_addf(&b, "%-16s passed %u", hooks_name(p), hooks_passed(p));
		if (o.action)
			print_order(&b, &o);
		buf_addf(&b, "  # %s\n", hooks_what(p));
	}
	say(c, buf_str(&b));
	buf_end(&b);
	return EXIT_DONE;
}

static bool parse_errno(struct str s, uint32_t *ret)
{
	for (int i = 1; i <= ERRNO_LAST; i++)
		if (strerrorname_np(i) && str_eq_nocase(s, str_from_z(strerrorname_np(i)))) {
			*ret = (uint32_t)i;
			return true;
		}
	return false;
}

/* "100ms", or a duration as everywhere. */
static bool parse_delay(struct str s, uint32_t *ret)
{
	int64_t us;
	uint64_t ms;

	if (s.n > 2 && str_eq(str_from(s, s.n - 2), S("ms")) && str_u64(str_head(s, s.n - 2), &ms) && ms <= HOUR / MILLISECOND) {
		*ret = (uint32_t)ms;
		return true;
	}
	if (!parse_duration(s, &us) || us > HOUR)
		return false;
	*ret = (uint32_t)(us / MILLISECOND);
	return true;
}

/* "nth N", "in ROLE". */
static bool parse_limit(struct str what, struct str which, struct parent_fault *q)
{
	enum role r = role_by_name(which);
	uint64_t nth;

	if (str_eq(what, S("in")) && r != ROLE_COUNT) {
		q->who = (uint8_t)(r + 1);
		return true;
	}
	if (!str_eq(what, S("nth")) || !str_u64(which, &nth) || nth == 0 || nth > UINT16_MAX)
		return false;
	q->nth = (uint16_t)nth;
	return true;
}

/* The words behind NAME. */
static bool parse_order(const struct ipc_text *args, size_t n, struct parent_fault *q)
{
	struct str value = n > 1 ? args[1].text : S("");
	size_t i = 1;

	q->action = 0;
	while (q->action < ARRAY_LEN(actions) && !str_eq(args[0].text, str_from_z(actions[q->action])))
		q->action++;
	switch (q->action) {
	case ACTION_NONE:
		return n == 1;
	case ACTION_FAIL:
		if (!parse_errno(value, &q->value))
			return false;
		i++;
		break;
	case ACTION_DELAY:
		if (!parse_delay(value, &q->value))
			return false;
		i++;
		break;
	case ACTION_KILL:
		break;
	default:
		return false;
	}
	for (; i + 1 < n; i += 2)
		if (!parse_limit(args[i].text, args[i + 1].text, q))
			return false;
	return i == n;
}

SUSPENDS static int clear_all(struct command *c)
{
	struct parent_fault_answer r;
	struct err e;

	for (uint16_t p = 0; p < FAULT_POINTS; p++)
		if (!parent_fault(self.parent, &(struct parent_fault){ .point = p }, &r, c->a, &e))
			return complain_err(c, &e);
	return EXIT_DONE;
}

int run_test_fault(struct command *c)
{
	struct parent_fault_answer r;
	struct parent_fault q = { 0 };
	struct err e;

	if (c->n_args == 0 || str_eq(c->args[0].text, S("--list")))
		return list(c);
	if (c->n_args == 1 && str_eq(c->args[0].text, S("clear")))
		return clear_all(c);
	while (q.point < FAULT_POINTS && !str_eq(c->args[0].text, str_from_z(hooks_name((enum fault_point)q.point))))
		q.point++;
	if (q.point == FAULT_POINTS)
		return complain(c, EXIT_USAGE, S("no such fault point; waxwing test fault --list shows them"));
	if (c->n_args == 1 || !parse_order(c->args + 1, c->n_args - 1, &q))
		return complain(c, EXIT_USAGE, S("usage: waxwing test fault NAME "
						 "off|fail ERRNO|delay DURATION|kill [nth N] [in ROLE]"));
	if (!parent_fault(self.parent, &q, &r, c->a, &e))
		return complain_err(c, &e);
	return EXIT_DONE;
}
