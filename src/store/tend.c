/* tend.c — what goes on behind the sessions: other programs' changes are seen, flags are synced and
 * get into the names, the cache is written, boxes nobody uses are closed. */
#include "store/box_file.h"
#include "store/cache.h"
#include "store/flag_log.h"
#include "store/notices.h"
#include "store/search_build.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SOON (500 * MILLISECOND)         /* from a change of flags to its sync: well below 5 s */
#define IDLE_TICK (30 * SECOND)
#define POLL_TICK (1 * SECOND)           /* where inotify is not to be had */
#define BOX_IDLE (60 * SECOND)
#define SAVE_EVERY (300 * SECOND)

enum { EVENTS_BYTES = 2048, FOLLOW_AT_ONCE = 512 };

/* ---- watching ---- */

static bool stamps_differ(const struct box *b)
{
	struct stamp new = stamp_of(b->dir.new), cur = stamp_of(b->dir.cur);

	return !stamp_eq(&new, &b->at_new) || !stamp_eq(&cur, &b->at_cur);
}

static bool is_watched(const struct box *b)
{
	return b->watch_new >= 0 && b->watch_cur >= 0;
}

bool watch_pending(struct box *b)
{
	struct pollfd p = { .fd = b->shelf->inotify, .events = POLLIN };

	if (b->look_new || b->look_cur)
		return true;
	return is_watched(b) ? poll(&p, 1, 0) > 0 : stamps_differ(b);
}

/* Our own renames are known by the time their events are read: the shelf is held from before the
 * one until after the other. */
static bool is_expected(const struct box *b, const struct inotify_event *ev, bool in_new)
{
	struct str name = str_from_z(ev->name);
	const struct letter *l = box_by_stem(b, str_head(name, str_find(name, ':')));
	char known[STORE_NAME_MAX + 1];
	bool is_here;

	if (!b->index_cap)
		return false;
	is_here = l && !!(l->state & STATE_IN_NEW) == in_new;
	if (is_here) {
		(void)letter_file(b, l, known);
		is_here = str_eq(str_from_z(known), name);
	}
	return ev->mask & (IN_CREATE | IN_MOVED_TO) ? is_here : !is_here;
}

static void event_take(struct shelf *s, const struct inotify_event *ev)
{
	struct str folder;
	void *box;

	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);) {
		struct box *b = box;
		bool in_new = ev->wd == b->watch_new;

		if (ev->mask & IN_Q_OVERFLOW) {
			b->look_new = b->look_cur = true;
			continue;
		}
		if (!in_new && ev->wd != b->watch_cur)
			continue;
		if (ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF))
			b->look_new = b->look_cur = true;
		else if (ev->len && ev->name[0] != '.' && !is_expected(b, ev, in_new))
			*(in_new ? &b->look_new : &b->look_cur) = true;
		else if (!(ev->mask & IN_IGNORED))
			return;          /* our own doing */
		break;
	}
	notices_event(s, ev);
}

void watch_poll(struct shelf *s)
{
	_Alignas(struct inotify_event) char events[EVENTS_BYTES];
	struct str folder;
	void *box;
	ssize_t n;

	while (s->inotify >= 0 && (n = read(s->inotify, events, sizeof(events))) > 0)
		for (char *p = events; p < events + n;) {
			const struct inotify_event *ev = (const void *)p;

			event_take(s, ev);
			p += sizeof(*ev) + ev->len;
		}
	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);) {
		struct box *b = box;

		if (!is_watched(b) && stamps_differ(b))
			b->look_new = b->look_cur = true;
	}
}

/* ---- one round ---- */

struct tend_job {
	struct shelf *s;
	struct box *b;
	struct err e;
	bool ok;
};

static void save_run(void *arg)
{
	struct tend_job *j = arg;

	j->ok = cache_save(j->b);
}

/* What we know is what lies there, if nothing moved for two seconds and nobody told otherwise. */
static void stamps_take(struct box *b)
{
	struct stamp new = stamp_of(b->dir.new), cur = stamp_of(b->dir.cur);
	int64_t now = time_now(), newest = new.mtime > cur.mtime ? new.mtime : cur.mtime;

	watch_poll(b->shelf);
	if (!is_watched(b) || b->look_new || b->look_cur || newest / 1000 + 2 * SECOND >= now)
		return;
	b->at_new = new;
	b->at_cur = cur;
	b->looked = now;
}

SUSPENDS static void save_box(struct box *b, bool save)
{
	struct tend_job j = { .s = b->shelf, .b = b };

	if (b->is_gone)
		return;
	box_keep_write(b);
	if (!save || !b->is_stale)
		return;
	stamps_take(b);
	b->is_stale = false;
	b->saved_at = time_mono();
	off_loop(save_run, &j);
	b->shelf->is_ahead |= !j.ok;
}

/* What a box that somebody uses needs now; one that nobody has used for a minute is closed. */
SUSPENDS static bool tend_box(struct box *b, bool all, struct err *e)
{
	int64_t now = time_mono();
	bool idle = !b->users && now - b->left > BOX_IDLE;

	if (!names_follow(b, false, all ? SIZE_MAX : FOLLOW_AT_ONCE, e))
		return false;
	if (b->is_gone)
		return true;
	if ((b->users || all) && (b->look_new || b->look_cur) && !box_look(b, false, e))
		return b->is_gone;
	if (all || idle || b->puts.n || now - b->saved_at > SAVE_EVERY)
		save_box(b, all || idle || now - b->saved_at > SAVE_EVERY);
	if (!idle || b->users || b->n_dirty || b->cur_needs_sync || b->is_stale)
		return true;
	map_remove(&b->shelf->boxes, str_from_z(b->folder));
	box_free(b);
	return true;
}

/* The one without users that nobody has asked for longest, if it can go now. */
static struct box *least_used(struct shelf *s)
{
	struct box *best = NULL;
	struct str folder;
	void *box;

	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);) {
		struct box *b = box;

		if (!b->users && !b->n_dirty && !b->cur_needs_sync && (!best || b->left < best->left))
			best = b;
	}
	return best;
}

SUSPENDS void boxes_make_room(struct shelf *s)
{
	struct box *b;

	while (s->boxes.n >= BOXES_OPEN_MAX && (b = least_used(s)) != NULL) {
		save_box(b, true);
		if (b->users || b->n_dirty || b->is_stale || b->puts.n)
			return;
		map_remove(&s->boxes, str_from_z(b->folder));
		box_free(b);
	}
}

static void rest_run(void *arg)
{
	cache_rest(((struct tend_job *)arg)->s->cache);
}

SUSPENDS static void rest(struct shelf *s)
{
	struct tend_job j = { .s = s };

	if (s->is_calm && cache_is_open(s->cache))
		off_loop(rest_run, &j);
	s->is_calm = false;
}

/* *ret_more: there is more to be done soon. */
SUSPENDS static bool tend_round(struct shelf *s, bool all, bool *ret_more, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct str folder;
	void *box;

	if (!shelf_hold(&held, s, e) || !shelf_start(s, e))
		return false;
	s->has_work = false;
	watch_poll(s);
	if (!flag_log_sync(s->flag_log, e) || !notices_tend(s, e))
		return false;
	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);)
		if (!tend_box(box, all, e))
			return false;
	*ret_more = s->has_work;
	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);)
		*ret_more |= ((struct box *)box)->n_dirty > 0;
	if (!*ret_more && !names_follow_all(s, e))
		return false;
	rest(s);
	return true;
}

void store_calm(struct store *s)
{
	struct maildir *m = maildir_of(s);

	if (!m || !m->shelf || !cache_is_open(m->shelf->cache))
		return;
	m->shelf->is_calm = true;
	wait_wake_all(&m->shelf->work);
}

SUSPENDS bool store_settle(struct store *s, struct err *e)
{
	struct maildir *m = maildir_of(s);
	bool more = true;

	while (m && m->shelf && more)
		if (!tend_round(m->shelf, true, &more, e))
			return false;
	return true;
}

void store_rest(struct store *s)
{
	struct maildir *m = maildir_of(s);
	struct str folder;
	void *box;

	if (!m || !m->shelf || m->shelf->is_held)
		return;
	for (size_t i = 0; map_next(&m->shelf->boxes, &i, &folder, &box);)
		if (((struct box *)box)->is_stale)
			return;
	if (!m->shelf->is_ahead)
		flag_log_rest(m->shelf->flag_log);
}

/* ---- for the life of the process ---- */

/* Letters came: boxes that somebody has open are looked at now. */
SUSPENDS static bool look_at_news(struct shelf *s, int64_t *ret_cost, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct str folder;
	void *box;

	if (!shelf_hold(&held, s, e))
		return false;
	*ret_cost = 0;
	watch_poll(s);
	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);) {
		struct box *b = box;

		if (!b->users || !(b->look_new || b->look_cur))
			continue;
		(void)box_look(b, false, e);
		*ret_cost += b->look_cost;
	}
	return true;
}

/* A large folder in which another program is busy is read at most a fifth of the time. */
SUSPENDS static void watch_fiber(void *arg)
{
	struct shelf *s = arg;
	int64_t cost;
	struct err e;

	while (fd_wait(s->inotify, POLLIN, "other programs", &e))
		if (!look_at_news(s, &cost, &e) || (cost > 5 * MILLISECOND && !fiber_sleep(4 * cost, &e)))
			return;
}

/* Work that has just been announced waits for a moment: there is often more of it. */
SUSPENDS static bool wait_for_work(struct shelf *s, bool more, struct err *e)
{
	int64_t tick = s->inotify < 0 && s->boxes.n ? POLL_TICK : IDLE_TICK, cost;

	*e = (struct err){ 0 };
	if (!more && !s->has_work)
		WITHIN(tick)
			(void)wait_on(&s->work, "letters", e);
	if (e->fault == FAULT_CANCEL)
		return false;
	if (s->has_news) {
		s->has_news = false;
		return look_at_news(s, &cost, e) || e->fault != FAULT_CANCEL;
	}
	return !s->has_work || fiber_sleep(more ? MILLISECOND : SOON, e);
}

SUSPENDS static void index_fiber(void *arg)
{
	search_build(arg);
}

static void index_start(struct shelf *s, struct nursery *kids)
{
	struct str folder;
	void *box;

	for (size_t i = 0; !s->is_indexing && map_next(&s->boxes, &i, &folder, &box);)
		s->is_indexing = search_build_wanted(box) && fiber_start(kids, "search-index", index_fiber, s);
}

/* Whatever holds the shelf meanwhile: flags are not to wait for it. */
SUSPENDS static void flags_fiber(void *arg)
{
	struct shelf *s = arg;
	struct err e = { 0 };

	while (e.fault != FAULT_CANCEL) {
		if (!flag_log_needs_sync(s->flag_log)) {
			if (!wait_on(&s->work, "flags", &e))
				return;
		} else if (fiber_sleep(SOON, &e)) {
			(void)flag_log_sync(s->flag_log, &e);
		}
	}
}

static struct box *box_with_much(struct shelf *s)
{
	struct str folder;
	void *box;

	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);)
		if (box_keeps_much(box))
			return box;
	return NULL;
}

SUSPENDS static bool keep_much(struct shelf *s, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct box *b;

	if (!shelf_hold(&held, s, e))
		return false;
	b = box_with_much(s);
	if (b)
		box_keep_write(b);
	return true;
}

/* What is made of many letters is written while more of them are read. */
SUSPENDS static void keep_fiber(void *arg)
{
	struct shelf *s = arg;
	struct err e;

	while (box_with_much(s) ? keep_much(s, &e) : wait_on(&s->work, "what is made of letters", &e))
		;
}

SUSPENDS void store_tend(struct store *s)
{
	AUTO(nursery_end) struct nursery kids = { 0 };
	struct err e = { 0 };
	struct shelf *shelf = shelf_of(s, &e);
	bool more = false;

	if (!shelf)
		return;
	if (shelf->inotify >= 0)
		fiber_start(&kids, "watch", watch_fiber, shelf);
	fiber_start(&kids, "flags", flags_fiber, shelf);
	fiber_start(&kids, "keep", keep_fiber, shelf);
	while (wait_for_work(shelf, more, &e)) {
		e = (struct err){ 0 };
		if (shelf->is_started && tend_round(shelf, false, &more, &e)) {
			index_start(shelf, &kids);
			continue;
		}
		if (e.fault == FAULT_CANCEL)
			return;
		/* a full disk, a folder without rights: later it may work */
		more = false;
		shelf->has_work = false;
		if (!fiber_sleep(shelf->is_started ? SECOND : SOON, &e))
			return;
	}
}
