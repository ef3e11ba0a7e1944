/* view.c — what one session has told its client; see view.h. */
#include "store/view.h"

#include <stdlib.h>

static bool room(uint32_t **p, size_t *cap, size_t n, struct err *e)
{
	size_t want = *cap ? *cap : 16;
	uint32_t *more;

	if (n <= *cap)
		return true;
	while (want < n)
		want *= 2;
	more = reallocarray(*p, want, sizeof(*more));
	if (!more)
		return fail(e, FAULT_TEMP, "out of memory");
	*p = more;
	*cap = want;
	return true;
}

bool view_init(struct view *v, struct box *b, struct err *e)
{
	*v = (struct view){ .box = b, .at = box_changes_end(b) };
	return view_take_new(v, e) || !e->fault;
}

void view_end(struct view *v)
{
	free(v->uids);
	free(v->gone);
	free(v->touched);
	*v = (struct view){ 0 };
}

/* Index of the first UID not below, in an ascending list. */
static size_t place_of(const uint32_t *uids, size_t n, uint32_t uid)
{
	size_t from = 0;

	while (n) {
		size_t half = n / 2;

		if (uids[from + half] < uid) {
			from += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return from;
}

uint32_t view_seq(const struct view *v, uint32_t uid)
{
	size_t at = place_of(v->uids, v->n, uid);

	return at < v->n && v->uids[at] == uid ? (uint32_t)at + 1 : 0;
}

uint32_t view_uid(const struct view *v, uint32_t seq)
{
	return seq && seq <= v->n ? v->uids[seq - 1] : 0;
}

/* Add the UIDs of this view in [first, last] that fit to an ascending list, once. */
static bool merge(struct view *v, uint32_t **list, size_t *n, size_t *cap, uint32_t first,
		  uint32_t last, bool (*fits)(const struct view *v, uint32_t uid), struct err *e)
{
	size_t from = place_of(v->uids, v->n, first), to, add = 0, at;

	for (to = from; to < v->n && v->uids[to] <= last; to++)
		add += fits(v, v->uids[to]);
	if (!add)
		return true;
	if (!room(list, cap, *n + add, e))
		return false;
	/* from behind: both are ascending */
	at = *n + add;
	for (size_t old = *n; to > from || old;) {
		uint32_t a = to > from ? v->uids[to - 1] : 0, b = old ? (*list)[old - 1] : 0;

		if (to > from && (!fits(v, a) || (old && a == b))) {
			to--;
		} else if (to > from && a > b) {
			(*list)[--at] = a;
			to--;
		} else {
			(*list)[--at] = b;
			old--;
		}
	}
	/* those that stood there already leave a gap in front */
	*n = *n + add - at;
	if (at)
		memmove(*list, *list + at, *n * sizeof(**list));
	return true;
}

static bool is_any(const struct view *v, uint32_t uid)
{
	(void)v;
	(void)uid;
	return true;
}

static bool is_not_there(const struct view *v, uint32_t uid)
{
	return !box_find(v->box, uid);
}

static bool touch(struct view *v, uint32_t first, uint32_t last, struct err *e)
{
	/* half of them told: what is left begins anew */
	if (v->at_touched) {
		v->n_touched -= v->at_touched;
		memmove(v->touched, v->touched + v->at_touched, v->n_touched * sizeof(*v->touched));
		v->at_touched = 0;
	}
	return merge(v, &v->touched, &v->n_touched, &v->cap_touched, first, last, is_any, e);
}

static bool drop(struct view *v, uint32_t first, uint32_t last, struct err *e)
{
	return merge(v, &v->gone, &v->n_gone, &v->cap_gone, first, last, is_not_there, e);
}

static bool follow_one(struct view *v, const struct change *c, const struct by *silent,
		       struct err *e)
{
	switch (c->kind) {
	case CHANGE_FLAGS:
		return (silent && c->by == silent) || touch(v, c->first, c->last, e);
	case CHANGE_EXPUNGED:
		return drop(v, c->first, c->last, e);
	case CHANGE_LOST:
		v->keywords_changed = true;
		return drop(v, 1, UINT32_MAX, e) && touch(v, 1, UINT32_MAX, e);
	case CHANGE_KEYWORDS:
		v->keywords_changed = true;
		return true;
	case CHANGE_GONE:
		v->is_gone = true;
		return true;
	case CHANGE_NEW:
		return true;             /* view_take_new() compares with the box */
	}
	return true;
}

bool view_follow(struct view *v, const struct by *silent, struct err *e)
{
	struct change c;

	while (box_change_next(v->box, &v->at, &c))
		if (!follow_one(v, &c, silent, e))
			return false;
	return true;
}

uint32_t view_next_expunged(struct view *v, uint32_t *ret_uid)
{
	while (v->n_gone) {
		/* the last first: then no other sequence number changes, and little is moved */
		uint32_t uid = v->gone[--v->n_gone], seq = view_seq(v, uid);

		if (!seq)
			continue;
		memmove(v->uids + seq - 1, v->uids + seq, (v->n - seq) * sizeof(*v->uids));
		v->n--;
		*ret_uid = uid;
		return seq;
	}
	return 0;
}

bool view_take_new(struct view *v, struct err *e)
{
	const struct letter *l = box_letters(v->box);
	size_t from = box_find_from(v->box, v->told_uid + 1), n = box_count(v->box);

	if (v->told_uid == UINT32_MAX || from >= n || !room(&v->uids, &v->cap, v->n + n - from, e))
		return false;
	for (; from < n; from++)
		v->uids[v->n++] = l[from].uid;
	v->told_uid = v->uids[v->n - 1];
	return true;
}

uint32_t view_next_touched(struct view *v, uint32_t *ret_uid)
{
	while (v->at_touched < v->n_touched) {
		uint32_t uid = v->touched[v->at_touched++], seq = view_seq(v, uid);

		if (seq && box_find(v->box, uid)) {
			*ret_uid = uid;
			return seq;
		}
	}
	v->n_touched = v->at_touched = 0;
	return 0;
}
