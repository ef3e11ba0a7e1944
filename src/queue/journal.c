/* journal.c — groups of records, one sync at a time.
 *
 * Whoever comes while no group is in flight leads: it takes all that waits,
 * writes and syncs it in a thread, tells the others, and wakes the first of
 * those that came meanwhile, who leads next.  After a failed write or sync
 * nothing is tried again: the page cache may show what the disk lacks. */
#include "queue/journal_segment.h"

#include "base/fd.h"
#include "base/hooks.h"
#include "base/rnd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char zeros[JOURNAL_BLOCK];

static ssize_t write_real(int fd, const struct iovec *iov, int n, off_t at)
{
	ssize_t put;

	do {
		put = FAULT_POINT(journal_write) ? -1 : pwritev(fd, iov, n, at);
	} while (put < 0 && errno == EINTR);
	return put;
}

static int sync_real(int fd)
{
	int rc;

	do {
		rc = FAULT_POINT(journal_sync) ? -1 : fdatasync(fd);
	} while (rc && errno == EINTR);          /* interrupted is not failed: nothing was given up */
	return rc;
}

const struct journal_ops journal_ops_real = { write_real, sync_real };

bool segment_head_write(struct journal *j, struct segment *s, enum segment_state state)
{
	struct segment_head h = {
		.version = JOURNAL_VERSION, .state = state, .epoch = s->epoch, .first = s->first,
	};
	char head[JOURNAL_HEAD_BYTES];
	struct iovec iov[2] = {
		{ head, sizeof head },
		{ (void *)(uintptr_t)zeros, JOURNAL_BLOCK - sizeof head },
	};

	segment_head_print(&h, head);
	return j->conf.ops->write(s->fd, iov, 2, 0) == JOURNAL_BLOCK;
}

/* Every 4 MiB would be one system call; 1,536 iovecs are past IOV_MAX, 768 are not. */
_Static_assert(JOURNAL_IOV_MAX <= 1024, "a group is one pwritev");

struct group {
	struct journal *j;
	struct segment *s;
	bool is_new;                     /* the segment's head is written with it */
	bool is_lazy;                    /* a later one's sync is for it, too */
	int n_iov;
	size_t n;
	off_t at;
	bool ok;
	int sys;
};

static void group_write(void *arg)
{
	struct group *g = arg;
	const struct journal_ops *ops = g->j->conf.ops;

	errno = 0;
	g->ok = (!g->is_new || segment_head_write(g->j, g->s, SEGMENT_IN_USE)) &&
		ops->write(g->s->fd, g->j->iov, g->n_iov, g->at) == (ssize_t)g->n &&
		(g->is_lazy || ops->sync(g->s->fd) == 0);
	g->sys = errno ? errno : EIO;
}

static size_t free_count(const struct journal *j)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n_segments; i++)
		n += !j->segments[i]->in_use;
	return n;
}

static struct segment *free_segment(struct journal *j)
{
	for (size_t i = 0; i < j->n_segments; i++)
		if (!j->segments[i]->in_use)
			return j->segments[i];
	return NULL;
}

struct making {
	struct journal *j;
	struct segment *made;
	struct err err;
};

static void make_in_thread(void *arg)
{
	struct making *m = arg;

	if (!segment_make(m->j, &m->made, &m->err))
		m->made = NULL;
}

/* One maker at a time; the segment joins the list on the loop. */
SUSPENDS static bool make_spare(struct journal *j, struct err *e)
{
	struct making m = { .j = j };

	j->is_preparing = true;
	off_loop(make_in_thread, &m);
	j->is_preparing = false;
	j->no_space = !m.made;
	if (!m.made) {
		*e = m.err;
		return false;
	}
	j->segments[j->n_segments++] = m.made;
	return true;
}

SUSPENDS static bool segment_take(struct journal *j, struct err *e)
{
	struct segment *s;

	while (!(s = free_segment(j))) {
		struct err ignored;

		if (!j->is_preparing) {
			if (!make_spare(j, e))
				return false;
		} else if (!fiber_sleep(MILLISECOND, &ignored)) {
			breathe();
		}
	}
	s->in_use = true;
	s->epoch = rnd_u64();
	s->first = j->next_sequence;
	s->last = 0;
	s->used = JOURNAL_BLOCK;
	s->pins = 0;
	j->active = s;
	return true;
}

static size_t record_size(const struct entry *w)
{
	return journal_align(JOURNAL_RECORD_HEAD + w->n, JOURNAL_ALIGN);
}

static void iov_add(struct group *g, const void *p, size_t n)
{
	if (n == 0)
		return;
	g->j->iov[g->n_iov++] = (struct iovec){ (void *)(uintptr_t)p, n };
	g->n += n;
}

/* Lay the entry out at the end of the group. */
static void group_add(struct group *g, struct entry *w, size_t i)
{
	struct journal *j = g->j;

	w->is_taken = true;
	w->at.segment = g->s->number;
	w->at.offset = (uint32_t)((size_t)g->at + g->n + JOURNAL_RECORD_HEAD);
	w->at.length = (uint32_t)w->n;
	w->at.sequence = j->next_sequence++;
	record_head_print(w->kind, g->s->epoch, w->at.sequence, w->parts, w->n_parts, j->heads[i]);
	iov_add(g, j->heads[i], JOURNAL_RECORD_HEAD);
	for (size_t k = 0; k < w->n_parts; k++)
		iov_add(g, w->parts[k].p, w->parts[k].n);
	iov_add(g, zeros, record_size(w) - JOURNAL_RECORD_HEAD - w->n);
}

/* Takes the entries that fit off the line; returns the first of them. */
static struct entry *group_fill(struct journal *j, struct group *g)
{
	struct entry *taken = j->first, *end = NULL;
	size_t room = j->conf.segment_size - g->s->used;

	for (size_t i = 0; j->first && i < JOURNAL_GROUP_RECORDS; i++) {
		struct entry *w = j->first;

		if (record_size(w) > room - g->n ||
		    (i > 0 && g->n + record_size(w) > JOURNAL_GROUP_BYTES))
			break;
		group_add(g, w, i);
		end = w;
		j->first = w->next;
	}
	if (!j->first)
		j->last = NULL;
	if (end)
		end->next = NULL;
	/* whole blocks: the kernel need not read what a reused segment held */
	iov_add(g, zeros, journal_align(g->n, JOURNAL_BLOCK) - g->n);
	return end ? taken : NULL;
}

static void entries_end(struct entry *w, bool ok, const struct err *err)
{
	while (w) {
		struct entry *next = w->next;

		w->is_done = true;
		w->is_ok = ok;
		w->err = *err;
		wait_wake_all(&w->wait);
		w = next;
	}
}

static void fail_all(struct journal *j, const struct err *err)
{
	struct entry *w = j->first;

	j->first = j->last = NULL;
	entries_end(w, false, err);
}

static void group_done(struct journal *j, struct group *g, struct entry *taken)
{
	struct err err = { 0 };

	if (!g->ok) {
		j->is_dead = true;
		fail_sys(&err, FAULT_TEMP, g->sys, "the journal cannot be written");
	} else {
		g->s->used += (uint32_t)g->n;
		g->s->last = j->next_sequence - 1;
		j->unsynced = g->is_lazy ? j->unsynced + g->n : 0;
		j->count.syncs += !g->is_lazy;
		j->count.bytes += g->n;
		for (struct entry *w = taken; w; w = w->next) {
			g->s->pins++;
			j->count.records++;
		}
	}
	entries_end(taken, g->ok, &err);
	if (j->is_dead)
		fail_all(j, &err);
}

static bool fits_active(const struct journal *j)
{
	return j->active && record_size(j->first) <= j->conf.segment_size - j->active->used;
}

struct settling {
	struct journal *j;
	bool ok;
	int sys;
};

static void settle_in_thread(void *arg)
{
	struct settling *s = arg;

	errno = 0;
	s->ok = s->j->conf.ops->sync(s->j->active->fd) == 0;
	s->sys = errno ? errno : EIO;
}

SUSPENDS bool journal_settle(struct journal *j, struct err *e)
{
	struct settling s = { .j = j };

	if (!j->unsynced)
		return true;
	off_loop(settle_in_thread, &s);
	j->unsynced = 0;
	j->count.syncs++;
	if (s.ok)
		return true;
	j->is_dead = true;
	return fail_sys(e, FAULT_TEMP, s.sys, "the journal cannot be written");
}

SUSPENDS void journal_lead(struct journal *j)
{
	struct group g = { .j = j };
	struct err err = { 0 };
	struct entry *taken;

	j->is_leading = true;
	if (!fits_active(j)) {
		bool ok = journal_settle(j, &err);

		j->active = NULL;
		if (!ok || !segment_take(j, &err)) {
			j->is_leading = false;
			fail_all(j, &err);
			return;
		}
		g.is_new = true;
	}
	g.s = j->active;
	g.at = g.s->used;
	taken = group_fill(j, &g);
	/* no more at risk together than one group may have */
	g.is_lazy = j->is_copying && j->unsynced + g.n < JOURNAL_GROUP_BYTES;
	if (taken) {
		off_loop(group_write, &g);
		group_done(j, &g, taken);
	} else if (g.is_new) {
		/* whoever waited was cancelled meanwhile */
		g.s->in_use = false;
		j->active = NULL;
	}
	j->is_leading = false;
	if (j->first)
		wait_wake(&j->first->wait);
}

void journal_enqueue(struct journal *j, struct entry *w)
{
	w->n = 0;
	for (size_t i = 0; i < w->n_parts; i++)
		w->n += w->parts[i].n;
	if (j->last)
		j->last->next = w;
	else
		j->first = w;
	j->last = w;
}

static void entry_leave(struct journal *j, struct entry *w)
{
	struct entry *before = NULL;

	for (struct entry *at = j->first; at && at != w; at = at->next)
		before = at;
	if (before)
		before->next = w->next;
	else
		j->first = w->next;
	if (j->last == w)
		j->last = before;
	if (j->first && !j->is_leading)
		wait_wake(&j->first->wait);
}

static void nap(void *arg)
{
	(void)arg;
	usleep(1000);
}

SUSPENDS bool journal_append(struct journal *j, enum journal_kind kind, const struct str *parts,
			     size_t n_parts, struct journal_at *ret, struct err *e)
{
	struct entry w = { .kind = kind, .parts = parts, .n_parts = n_parts };

	must(n_parts <= JOURNAL_PARTS_MAX, "a record comes in at most four parts");
	if (j->is_dead)
		return fail(e, FAULT_TEMP, "the journal is closed after an error");
	for (size_t i = 0; i < n_parts; i++)
		w.n += parts[i].n;
	if (w.n > JOURNAL_RECORD_MAX || record_size(&w) > j->conf.segment_size - JOURNAL_BLOCK)
		return fail(e, FAULT_PERM, "a record of %zu bytes is too long to write down", w.n);
	journal_enqueue(j, &w);
	while (!w.is_done) {
		if (!j->is_leading) {
			journal_lead(j);
		} else if (!wait_on(&w.wait, "the journal", e) && !w.is_done) {
			if (!w.is_taken) {
				entry_leave(j, &w);
				return false;
			}
			/* cancelled, but the disk has it in hand */
			off_loop(nap, NULL);
		}
	}
	if (!w.is_ok) {
		*e = w.err;
		return false;
	}
	*ret = w.at;
	return true;
}

static struct segment *segment_of(const struct journal *j, const struct journal_at *at)
{
	for (size_t i = 0; i < j->n_segments; i++)
		if (j->segments[i]->number == at->segment)
			return j->segments[i];
	return NULL;
}

void journal_pin(struct journal *j, const struct journal_at *at)
{
	struct segment *s = segment_of(j, at);

	must(s && s->in_use, "a record that is pinned stands in a segment in use");
	s->pins++;
}

void journal_unpin(struct journal *j, const struct journal_at *at)
{
	struct segment *s = segment_of(j, at);

	must(s && s->pins > 0, "a record is unpinned once for each pin");
	s->pins--;
}

void journal_cursor_add(struct journal *j, struct journal_cursor *c)
{
	c->next = j->cursors;
	j->cursors = c;
}

struct reading {
	int fd;
	const struct journal_at *at;
	char head[JOURNAL_RECORD_HEAD];
	void *to;
	bool ok;
	struct err err;
};

static void read_in_thread(void *arg)
{
	struct reading *r = arg;

	r->ok = fd_pread_all(r->fd, r->head, sizeof r->head,
			     (int64_t)r->at->offset - JOURNAL_RECORD_HEAD, &r->err) &&
		fd_pread_all(r->fd, r->to, r->at->length, r->at->offset, &r->err);
}

SUSPENDS bool journal_read(struct journal *j, const struct journal_at *at, void *to,
			   struct err *e)
{
	struct segment *s = segment_of(j, at);
	struct reading r = { .at = at, .to = to };

	must(s && s->pins > 0, "only a pinned record is read");
	r.fd = s->fd;
	off_loop(read_in_thread, &r);
	if (!r.ok) {
		*e = r.err;
		return fail_in(e, "journal/%02u", at->segment);
	}
	if (!record_is_good(str_of(r.head, sizeof r.head), str_of(to, at->length)))
		return fail(e, FAULT_TEMP, "journal/%02u: the record at %u is damaged",
			    at->segment, at->offset);
	return true;
}

static size_t in_use_count(const struct journal *j)
{
	return j->n_segments - free_count(j);
}

bool journal_has_room(const struct journal *j)
{
	size_t left = j->active ? j->conf.segment_size - j->active->used : 0;
	size_t in_use = in_use_count(j);

	if (j->is_dead)
		return false;
	if (j->no_space && free_count(j) == 0)
		return left > j->conf.segment_size / 4;
	/* the last segment's second half is for the notes that empty the others */
	return in_use < j->conf.segments_max ||
	       (in_use == j->conf.segments_max && left > j->conf.segment_size / 2);
}

bool journal_is_dead(const struct journal *j)
{
	return j->is_dead;
}

/* The oldest segment in use, if it can be given back now. */
static struct segment *oldest_unneeded(struct journal *j)
{
	struct segment *old = NULL;

	for (size_t i = 0; i < j->n_segments; i++) {
		struct segment *s = j->segments[i];

		if (s->in_use && (!old || s->first < old->first))
			old = s;
	}
	if (!old || old == j->active || old->pins > 0)
		return NULL;
	for (struct journal_cursor *c = j->cursors; c; c = c->next)
		if (c->passed < old->last)
			return NULL;
	return old;
}

struct giving {
	struct journal *j;
	struct segment *s;
	bool ok;
	int sys;
};

static void give_in_thread(void *arg)
{
	struct giving *g = arg;

	errno = 0;
	g->ok = segment_head_write(g->j, g->s, SEGMENT_FREE) &&
		g->j->conf.ops->sync(g->s->fd) == 0;
	g->sys = errno ? errno : EIO;
}

/* In order and synced one by one: the notes about a letter stand behind it, so they
 * must not be gone while it is still readable. */
SUSPENDS bool journal_give_back(struct journal *j, struct err *e)
{
	struct giving g = { .j = j, .ok = true };

	if (j->is_dead)
		return fail(e, FAULT_TEMP, "the journal is closed after an error");
	if (j->is_giving)
		return true;
	j->is_giving = true;
	while (g.ok && (g.s = oldest_unneeded(j))) {
		off_loop(give_in_thread, &g);
		if (!g.ok)
			break;
		g.s->in_use = false;
		if (j->n_segments > j->conf.segments_max)
			segment_remove(j, g.s);
	}
	j->is_giving = false;
	if (!g.ok) {
		j->is_dead = true;
		return fail_sys(e, FAULT_TEMP, g.sys, "the journal cannot be written");
	}
	return true;
}

void journal_turn(struct journal *j)
{
	if (!j->is_leading && j->active && j->active->last > 0)
		j->active = NULL;
}

SUSPENDS bool journal_prepare(struct journal *j, struct err *e)
{
	if (j->is_dead || j->is_preparing || free_count(j) > 0 ||
	    j->n_segments >= j->conf.segments_max)
		return true;
	return make_spare(j, e);
}

void journal_status(const struct journal *j, struct journal_status *ret)
{
	*ret = j->count;
	ret->total = (unsigned)j->n_segments;
	ret->spare = (unsigned)free_count(j);
	ret->in_use = ret->total - ret->spare;
	ret->full = ret->in_use - (j->active ? 1 : 0);
	ret->sequence = j->next_sequence - 1;
}
