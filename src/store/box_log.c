/* box_log.c — what happened in a box, for the sessions that follow it.
 *
 * The log is a ring of the last changes; a session that was away for more of them compares
 * everything.  What was expunged is kept longer, with its MODSEQ, for clients that come
 * back (RFC 7162 §3.2.5); of the oldest only the moment is kept up to which nothing is known. */
#include "base/arena.h"
#include "store/box_file.h"
#include "store/notices.h"

#include <stdlib.h>

/* Grows over everything that was given before, also over a cache that was deleted. */
uint64_t box_modseq_next(struct box *b)
{
	uint64_t now = (uint64_t)time_now();

	b->modseq = now > b->modseq ? now : b->modseq + 1;
	b->is_stale = true;
	return b->modseq;
}

static bool log_grow(struct box *b)
{
	size_t cap = b->log_cap ? b->log_cap * 2 : 32;
	struct change *log;

	if (b->log_cap >= CHANGES_MAX)
		return false;
	log = calloc(cap, sizeof(*log));
	if (!log)
		return false;
	for (uint64_t i = b->log_first; i < b->log_end; i++)
		log[i % cap] = b->log[i % b->log_cap];
	free(b->log);
	b->log = log;
	b->log_cap = cap;
	return true;
}

void box_log(struct box *b, const struct change *c)
{
	notices_letters(b->shelf, str_from_z(b->folder), c->by);
	if (b->log_end - b->log_first == b->log_cap && !log_grow(b)) {
		if (!b->log_cap) {
			/* no memory at all: everybody compares */
			b->log_first = ++b->log_end;
			wait_wake_all(&b->changed);
			return;
		}
		b->log_first++;
	}
	b->log[b->log_end++ % b->log_cap] = *c;
	wait_wake_all(&b->changed);
}

uint64_t box_changes_end(const struct box *b)
{
	return b->log_end;
}

bool box_change_next(const struct box *b, uint64_t *at, struct change *ret)
{
	if (*at >= b->log_end)
		return false;
	if (*at < b->log_first) {
		*at = b->log_end;
		*ret = (struct change){ .kind = b->is_gone ? CHANGE_GONE : CHANGE_LOST };
		return true;
	}
	*ret = b->log[(*at)++ % b->log_cap];
	return true;
}

struct wait *box_changed(struct box *b)
{
	return &b->changed;
}

void box_set_flags(struct box *b, struct letter *l, uint8_t flags, uint32_t keywords)
{
	bool is;

	l->flags = flags;
	l->keywords = keywords;
	is = flags != l->disk_flags || keywords != l->disk_keywords;
	b->n_dirty += (size_t)is - (size_t)l->is_dirty;
	l->is_dirty = is;
}

/* ---- expunged ---- */

void box_expunged_add(struct box *b, uint32_t first, uint32_t last, uint64_t modseq)
{
	struct expunged *prev = b->n_expunged ? &b->expunged[b->n_expunged - 1] : NULL;

	if (prev && prev->modseq == modseq && prev->last + 1 == first) {
		prev->last = last;
		return;
	}
	if (b->n_expunged == b->cap_expunged && b->cap_expunged < EXPUNGED_MAX) {
		size_t cap = b->cap_expunged ? b->cap_expunged * 2 : 16;
		struct expunged *more = reallocarray(b->expunged, cap, sizeof(*more));

		if (more) {
			b->expunged = more;
			b->cap_expunged = cap;
		}
	}
	if (b->n_expunged == b->cap_expunged) {
		size_t half = b->n_expunged / 2;

		/* the older half is forgotten */
		b->expunged_from = half ? b->expunged[half - 1].modseq : modseq;
		b->n_expunged -= half;
		if (half)
			memmove(b->expunged, b->expunged + half, b->n_expunged * sizeof(*b->expunged));
		if (b->n_expunged == b->cap_expunged)
			return;
	}
	b->expunged[b->n_expunged++] = (struct expunged){ first, last, modseq };
}

static int range_order(const void *a, const void *b)
{
	const struct uid_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

bool box_expunged(const struct box *b, uint64_t since, struct arena *a, struct uid_range **ret,
		  size_t *ret_n, bool *ret_all)
{
	size_t from = b->n_expunged, n = 0;
	struct uid_range *r;

	while (from && b->expunged[from - 1].modseq > since)
		from--;
	*ret_all = since < b->expunged_from;
	*ret = r = ARENA_ARRAY(a, struct uid_range, b->n_expunged - from + 1);
	if (!r)
		return false;
	for (size_t i = from; i < b->n_expunged; i++)
		r[n++] = (struct uid_range){ b->expunged[i].first, b->expunged[i].last };
	qsort(r, n, sizeof(*r), range_order);
	*ret_n = n ? 1 : 0;
	for (size_t i = 1; i < n; i++) {
		struct uid_range *last = &r[*ret_n - 1];

		if (r[i].first > last->last + 1)
			r[(*ret_n)++] = r[i];
		else if (r[i].last > last->last)
			last->last = r[i].last;
	}
	return true;
}

static void letter_forget(struct box *b, const struct letter *l)
{
	b->n_dirty -= l->is_dirty;
	b->n_new -= l->state & STATE_IN_NEW ? 1 : 0;
}

/* One walk over the letters; runs of neighbours become one entry of the log. */
void box_remove(struct box *b, const uint32_t *uids, size_t n, uint64_t modseq, const struct by *by)
{
	size_t to = n ? box_find_from(b, uids[0]) : b->n, u = 0;
	uint32_t first = 0, last = 0;

	for (size_t i = to; i < b->n; i++) {
		struct letter *l = &b->letters[i];

		while (u < n && uids[u] < l->uid)
			u++;
		if (u < n && uids[u] == l->uid) {
			letter_forget(b, l);
			box_keep_nothing(b, l->uid);
			first = first ? first : l->uid;
			last = l->uid;
			continue;
		}
		if (first) {
			box_expunged_add(b, first, last, modseq);
			box_log(b, &(struct change){ CHANGE_EXPUNGED, first, last, modseq, by });
			first = 0;
		}
		b->letters[to++] = *l;
	}
	b->n = to;
	b->is_stale = true;
	if (!first)
		return;
	box_expunged_add(b, first, last, modseq);
	box_log(b, &(struct change){ CHANGE_EXPUNGED, first, last, modseq, by });
}
