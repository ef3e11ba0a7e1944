/* notices.c — a log of what happens in all folders; see notices.h. */
#include "store/notice_rows.h"

#include "base/arena.h"

#include <stdlib.h>
#include <sys/inotify.h>

static struct notices *notices_of(struct store *s)
{
	struct maildir *m = maildir_of(s);

	return m && m->shelf ? m->shelf->notices : NULL;
}

/* ---- the log ---- */

void kept_end(struct kept *k)
{
	free(k->folder);
	free(k->other);
	*k = (struct kept){ 0 };
}

void notice_log(struct notices *n, const struct notice *x)
{
	struct kept *k = &n->ring[n->end % NOTICES_MAX];

	kept_end(k);             /* one that nobody came for, or an old one */
	*k = (struct kept){ x->kind, x->by, strndup(x->folder.n ? x->folder.p : "", x->folder.n),
			    strndup(x->other.n ? x->other.p : "", x->other.n) };
	must(k->folder && k->other, "out of memory for a notice");
	n->end++;
	if (n->end - n->first > NOTICES_MAX)
		n->first = n->end - NOTICES_MAX;
	wait_wake_all(&n->changed);
}

bool notice_next(struct store *s, uint64_t *at, struct arena *a, struct notice *ret, bool *ret_lost)
{
	struct notices *n = notices_of(s);
	const struct kept *k;

	*ret_lost = n && *at < n->first;
	if (!n || *at >= n->end || *ret_lost)
		return false;
	k = &n->ring[(*at)++ % NOTICES_MAX];
	*ret = (struct notice){ k->kind, k->by, arena_str(a, str_from_z(k->folder)), arena_str(a, str_from_z(k->other)) };
	if (n->read < *at)
		n->read = *at;
	return true;
}

bool notices_pending(struct store *s, uint64_t at)
{
	const struct notices *n = notices_of(s);

	return n && at < n->end;
}

struct wait *notices_changed(struct store *s)
{
	struct notices *n = notices_of(s);

	must(n, "who waits for notices reads them");
	return &n->changed;
}

/* ---- rows ---- */

struct notice_row *notice_row_add(struct notices *n, struct str name)
{
	struct notice_row *r = map_get(&n->rows, name);

	if (r || name.n > STORE_FOLDER_MAX)
		return r;
	r = calloc(1, sizeof(*r));
	must(r, "out of memory for a folder");
	if (name.n)
		memcpy(r->name, name.p, name.n);
	r->watch_new = r->watch_cur = WATCH_MISSING;
	map_put(&n->rows, name, r);
	return r;
}

/* A box that is open has the same watch. */
static void watch_end(struct shelf *s, const struct notice_row *r, int *watch)
{
	const struct box *b = map_get(&s->boxes, str_from_z(r->name));

	if (*watch >= 0) {
		map_remove(&s->notices->watches, watch_key(watch));
		if (!b || (b->watch_new != *watch && b->watch_cur != *watch))
			(void)inotify_rm_watch(s->inotify, *watch);
	}
	*watch = WATCH_MISSING;
}

void notice_row_unwatch(struct shelf *s, struct notice_row *r)
{
	watch_end(s, r, &r->watch_new);
	watch_end(s, r, &r->watch_cur);
}

void notice_row_remove(struct shelf *s, struct notice_row *r)
{
	notice_row_unwatch(s, r);
	map_remove(&s->notices->rows, str_from_z(r->name));
	free(r);
}

static void rename_row(struct notices *n, struct notice_row *r, struct str to)
{
	struct notice_row *old = map_get(&n->rows, to);

	map_remove(&n->rows, str_from_z(r->name));
	if (old && old != r) {           /* a name that was only subscribed, or above others */
		r->is_subscribed = old->is_subscribed;
		map_remove(&n->rows, to);
		free(old);
	} else {
		r->is_subscribed = false;
	}
	memcpy(r->name, to.p, to.n);
	r->name[to.n] = '\0';
	map_put(&n->rows, str_from_z(r->name), r);
}

/* Those below go along. */
static void rename_rows(struct notices *n, struct str from, struct str to)
{
	struct notice_row **all = calloc(n->rows.n + 1, sizeof(*all));
	size_t n_all = 0;
	struct str name;
	void *row;

	must(all, "out of memory for folders");
	for (size_t i = 0; map_next(&n->rows, &i, &name, &row);)
		if (str_eq(name, from) || (str_starts(name, from) && str_at(name, from.n) == '.'))
			all[n_all++] = row;
	for (size_t i = 0; i < n_all; i++) {
		char room[STORE_FOLDER_MAX];
		struct buf b = buf_over(room, sizeof(room));

		buf_add(&b, to);
		buf_add(&b, str_from(str_from_z(all[i]->name), from.n));
		if (!b.full)
			rename_row(n, all[i], buf_str(&b));
	}
	free(all);
}

/* What is known follows what is told, so that the next look finds nothing new.  False: nothing happened. */
static bool rows_follow(struct shelf *s, const struct notice *x)
{
	struct notices *n = s->notices;
	struct notice_row *r = map_get(&n->rows, x->folder);

	switch (x->kind) {
	case NOTICE_CREATED:
		notice_row_add(n, x->folder)->exists = true;
		return true;
	case NOTICE_DELETED:
		if (r) {
			r->exists = false;
			notice_row_unwatch(s, r);
		}
		return true;
	case NOTICE_RENAMED:
		if (x->other.n)
			rename_rows(n, x->other, x->folder);
		else                     /* INBOX gave its letters to a new one */
			notice_row_add(n, x->folder)->exists = true;
		return true;
	case NOTICE_SUBSCRIPTION:
		if ((r && r->is_subscribed) == (x->other.n > 0))
			return false;
		notice_row_add(n, x->folder)->is_subscribed = x->other.n > 0;
		return true;
	case NOTICE_LETTERS:
	case NOTICE_METADATA:
	case NOTICE_ACCOUNT_METADATA:
		break;
	}
	return true;
}

void notice_add(struct store *s, const struct notice *x)
{
	struct notices *n = notices_of(s);

	if (!n || !n->readers || !rows_follow(maildir_of(s)->shelf, x))
		return;
	notice_log(n, x);
	n->needs_look = true;
	shelf_wake(maildir_of(s)->shelf);
}

bool notices_is_subscribed(struct store *s, struct str folder)
{
	struct notices *n = notices_of(s);
	const struct notice_row *r = n ? map_get(&n->rows, folder) : NULL;

	return r && r->is_subscribed;
}

/* ---- what comes from the shelf ---- */

/* One that nobody has read yet does for all that happens since. */
void notices_letters(struct shelf *s, struct str folder, const struct by *by)
{
	struct notices *n = s->notices;
	struct notice_row *r = n && n->readers ? map_get(&n->rows, folder) : NULL;

	if (!r)
		return;
	if (r->last > n->read && r->last > n->first) {
		struct kept *k = &n->ring[(r->last - 1) % NOTICES_MAX];

		k->by = k->by == by ? by : NULL;
		wait_wake_all(&n->changed);
		return;
	}
	notice_log(n, &(struct notice){ .kind = NOTICE_LETTERS, .by = by, .folder = folder });
	r->last = n->end;
}

static void all_letters(struct shelf *s)
{
	struct str name;
	void *row;

	for (size_t i = 0; map_next(&s->notices->rows, &i, &name, &row);)
		notices_letters(s, str_from_z(((struct notice_row *)row)->name), NULL);
}

static void look_soon(struct shelf *s)
{
	s->notices->needs_look = true;
	shelf_wake(s);
}

void notices_event(struct shelf *s, const struct inotify_event *ev)
{
	struct notices *n = s->notices;
	struct notice_row *r;
	struct str name = str_from_z(ev->len ? ev->name : "");

	if (!n || !n->readers)
		return;
	if (ev->mask & IN_Q_OVERFLOW) {
		all_letters(s);
		look_soon(s);
		return;
	}
	if (ev->wd == n->watch_root) {
		if ((ev->mask & IN_ISDIR && str_at(name, 0) == '.') || str_eq(name, S("subscriptions")))
			look_soon(s);
		return;
	}
	r = map_get(&n->watches, watch_key(&ev->wd));
	if (!r)
		return;
	if (ev->mask & IN_IGNORED) {
		map_remove(&n->watches, watch_key(&ev->wd));
		*(ev->wd == r->watch_new ? &r->watch_new : &r->watch_cur) = WATCH_MISSING;
	}
	if (ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
		look_soon(s);
	else if (str_at(name, 0) != '.')
		notices_letters(s, str_from_z(r->name), NULL);
}

bool notices_watch(const struct shelf *s, int watch)
{
	return s->notices && map_get(&s->notices->watches, watch_key(&watch));
}

/* ---- readers ---- */

static bool make(struct shelf *s)
{
	struct notices *n = s->notices ? s->notices : calloc(1, sizeof(*n));

	s->notices = n;
	if (n && !n->ring) {
		n->watch_root = WATCH_MISSING;
		n->ring = calloc(NOTICES_MAX, sizeof(*n->ring));
	}
	return n && n->ring;
}

SUSPENDS bool notices_open(struct store *store, uint64_t *ret_at, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct shelf *s = shelf_of(store, e);

	if (!s || !shelf_hold(&held, s, e))
		return false;
	if (s->notices && !s->notices->readers)
		notices_forget(s);               /* events passed by unread */
	if (!make(s))
		return fail(e, FAULT_TEMP, "out of memory");
	s->notices->readers++;
	if (s->notices->readers == 1 && !notices_look(s, false, e)) {
		s->notices->readers--;
		return false;
	}
	*ret_at = s->notices->end;
	return true;
}

void notices_close(struct store *store)
{
	struct notices *n = notices_of(store);

	must(n && n->readers, "notices are closed as often as opened");
	if (--n->readers == 0)
		look_soon(maildir_of(store)->shelf);     /* a thread may be at work: forgotten there */
}

void notices_free(struct shelf *s)
{
	struct notices *n = s->notices;
	struct str name;
	void *row;

	if (!n)
		return;
	for (size_t i = 0; map_next(&n->rows, &i, &name, &row);)
		free(row);
	for (size_t i = 0; n->ring && i < NOTICES_MAX; i++)
		kept_end(&n->ring[i]);
	map_end(&n->rows);
	map_end(&n->watches);
	free(n->ring);
	free(n);
	s->notices = NULL;
}
