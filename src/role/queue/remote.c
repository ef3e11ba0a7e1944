/* remote.c — which letters leave for other servers now.
 *
 * They wait in the queue's lanes, by destination.  Each destination has its line: one or two jobs at once at
 * first, more while all goes well, fewer when its server says that it is busy; one that cannot be reached sleeps
 * with all its letters, longer each time, and then one of them tries.
 *
 * All jobs together fill a hall with places for destinations that have answered lately, for new ones and for
 * failing ones: fifty servers that hang, or a thousand, fill their own places and nobody else's. */
#include "role/queue/remote.h"
#include "role/queue/sign.h"

#include "base/id.h"
#include "base/log.h"
#include "base/map.h"

#include <stdlib.h>

enum {
	WIDTH_FIRST = 2, WIDTH_MOST = 20,
	LINE_IDLE_MINUTES = 30,
};
static const unsigned hall[LINE_STANDINGS] = { [LINE_NEW] = 400, [LINE_PROVEN] = 800, [LINE_FAILING] = 100 };

#define LEASE (6 * HOUR)
#define RELAY_PAUSE SECOND

static struct remote_line *lines;
static unsigned out[LINE_STANDINGS];
static struct wait kick;
static unsigned starved;
static uint32_t next_instance;

void remote_kick(void)
{
	wait_wake(&kick);
}

/* -- lines ----------------------------------------------------------------- */

static enum standing standing_of(const struct remote_line *l)
{
	return l->fails ? LINE_FAILING : l->standing == LINE_PROVEN ? LINE_PROVEN : LINE_NEW;
}

struct remote_line *remote_line_of(struct lane *lane, const struct queue_claim *first)
{
	struct remote_line *l = queue_lane_owner(lane);

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	must(l, "out of memory for a destination's line");
	*l = (struct remote_line){ .lane = lane, .width = WIDTH_FIRST, .used = time_mono(), .next = lines,
				   .instance = next_instance++ };
	destination_of(conf_now(), first->letter->from, first->step->target, &l->to);
	if (lines)
		lines->prev = l;
	lines = l;
	queue_lane_own(queue, lane, l);
	return l;
}

static void line_free(struct remote_line *l)
{
	if (l->prev)
		l->prev->next = l->next;
	else
		lines = l->next;
	if (l->next)
		l->next->prev = l->prev;
	queue_lane_own(queue, l->lane, NULL);
	sts_forget(l);
	free(l);
}

/* What was learned of a destination is forgotten when nothing goes there any more. */
static void lines_tend(void)
{
	int64_t now = time_mono();
	struct remote_line *next;

	for (struct remote_line *l = lines; l; l = next) {
		next = l->next;
		if (!l->out && !l->is_asking && !queue_lane_waiting(l->lane) && now - l->used > LINE_IDLE_MINUTES * MINUTE)
			line_free(l);
	}
}

void remote_grew(struct remote_line *l)
{
	l->fails = 0;
	l->standing = LINE_PROVEN;
	if (++l->good < l->width)
		return;
	l->good = 0;
	if (l->width < WIDTH_MOST)
		l->width++;
}

void remote_shrank(struct remote_line *l)
{
	l->good = 0;
	l->width = l->width > 1 ? l->width / 2 : 1;
	l->changed = time_mono();
}

static void starved_open(void)
{
	for (struct remote_line *l = lines; l && starved; l = l->next)
		if (l->is_starved && out[standing_of(l)] < hall[standing_of(l)]) {
			l->is_starved = false;
			starved--;
			queue_lane_open_at(queue, l->lane, 0);
		}
}

void remote_line_back(struct remote_line *l, enum standing standing, int64_t at)
{
	must(out[standing] && l->out, "a job comes back that was not let in");
	out[standing]--;
	l->out--;
	l->used = time_mono();
	if (l->out < l->width)
		queue_lane_open_at(queue, l->lane, at);
	if (starved)
		starved_open();
	remote_kick();
}

/* -- which relay ----------------------------------------------------------- */

/* The one that has the line's connections, or another if that is away. */
static struct link *relay_of(const struct remote_line *l)
{
	struct link *found[64];
	size_t n = 0;

	for (struct link *k = link_next(NULL); k && n < ARRAY_LEN(found); k = link_next(k))
		if (k->peer == ROLE_RELAY && relay_carries(k->instance))
			found[n++] = k;
	for (size_t i = 0; i < n; i++)
		if (found[i]->instance % n == l->instance % n)
			return found[i];
	return n ? found[l->instance % n] : NULL;
}

/* -- dispatch -------------------------------------------------------------- */

/* With a text it counts as a try. */
static void put_back(const struct queue_claim *claims, size_t n, int64_t again, struct str text)
{
	struct remote_result r = { .n = n };
	AUTO(arena_end) struct arena a = { 0 };

	r.outcomes = ARENA_ARRAY(&a, struct remote_outcome, n);
	for (size_t i = 0; r.outcomes && i < n; i++)
		r.outcomes[i] = (struct remote_outcome){ .ref = claims[i].ref, .outcome = OUTCOME_LATER, .is_mild = !text.n,
							 .again = again, .text = text };
	if (r.outcomes)
		remote_result_put(&r);
}

/* One job of the lane goes out, or the lane is shut until it may. */
SUSPENDS static void send_one(struct lane *lane)
{
	static struct queue_claim claims[QUEUE_TOGETHER];
	struct remote_line *l = queue_lane_owner(lane);
	int64_t now = time_now();
	enum standing standing;
	struct link *to;
	struct err e = { 0 };
	size_t n;

	if (!l) {
		struct queue_claim first;

		if (!queue_lane_peek(queue, lane, &first))
			return;
		l = remote_line_of(lane, &first);
	}
	standing = standing_of(l);
	if (l->out >= l->width || !sts_ready(l)) {
		queue_lane_open_at(queue, lane, INT64_MAX);
		return;
	}
	if (out[standing] >= hall[standing]) {
		queue_lane_open_at(queue, lane, INT64_MAX);
		starved += !l->is_starved;
		l->is_starved = true;
		return;
	}
	if (!relay_of(l)) {
		queue_lane_open_at(queue, lane, now + RELAY_PAUSE);
		return;
	}
	/* its place is taken before the wait, in which others of the line may come back and the relay may go */
	l->out++;
	out[standing]++;
	n = queue_claim_lane(queue, lane, claims, QUEUE_TOGETHER, now, now + LEASE);
	if (!n) {
		remote_line_back(l, standing, 0);
		return;
	}
	if (claims[0].letter->flags & LETTER_UNSIGNED) {
		unsigned_take(claims, n);
		remote_line_back(l, standing, 0);
		return;
	}
	to = relay_of(l);
	if (!to || (claims[0].is_suspect && remote_has_suspect())) {
		put_back(claims, n, now + RELAY_PAUSE, S(""));
		remote_line_back(l, standing, to ? 0 : now + RELAY_PAUSE);
		return;
	}
	if (!remote_job_send(l, standing, claims, n, to, &e)) {
		if (e.fault != FAULT_CANCEL)
			log_warn("relay", "msg=%s to=%s why=%s", ID_Z(claims[0].ref.id), LOGQ(queue_lane_key(lane)),
				 LOGQ(str_from_z(e.text)));
		put_back(claims, n, now + RELAY_PAUSE, link_is_away(&e) ? S("") : str_from_z(e.text));
		remote_line_back(l, standing, 0);
	}
}

SUSPENDS void remote_run(void *unused)
{
	struct err e = { 0 };

	(void)unused;
	for (;;) {
		struct lane *lane = self.is_stopping ? NULL : queue_lane_due(queue, time_now());

		if (lane) {
			send_one(lane);
			continue;
		}
		int64_t due = queue_lane_next(queue), now = time_now();

		e = (struct err){ 0 };
		WITHIN(due == INT64_MAX || due - now > MINUTE ? MINUTE : due > now ? due - now : MILLISECOND)
			if (!wait_on(&kick, "letters for other servers", &e) && !e.timed_out)
				return;
	}
}

void remote_tend(void)
{
	remote_job_tend();
	lines_tend();
	remote_kick();
}

void remote_lane_key(void *arg, const struct letter_record *l, const struct letter_step *s, struct buf *ret)
{
	struct destination d;

	(void)arg;
	destination_of(conf_now(), l->from, s->target, &d);
	destination_key(&d, ret);
}

/* Who slept may be reached otherwise now. */
void remote_configured(void)
{
	queue_relane(queue);
	for (struct remote_line *l = lines; l; l = l->next) {
		l->fails = 0;
		if (l->out < l->width)
			queue_lane_open_at(queue, l->lane, 0);
	}
	remote_kick();
}
