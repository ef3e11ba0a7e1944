/* notices.c — a log of what happens in all folders; see notices.h. */
#include "store/notices.h"

#include "base/arena.h"
#include "store/box_file.h"
#include "store/folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>

enum {
	WATCHED = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF,
	WATCH_AT_ONCE = 64,              /* folders in one visit to a thread */
	WATCH_MISSING = -1,
	WATCH_NONE = -2,                 /* cannot be had */
};

struct notice_row {
	char name[STORE_FOLDER_MAX + 1];
	int watch_new, watch_cur;        /* of inotify, or WATCH_… */
	bool exists, is_subscribed;
	bool is_listed;                  /* in the present look */
	uint64_t last;                   /* index of its latest NOTICE_LETTERS, plus one */
};

struct kept {
	enum notice_kind kind;
	const struct by *by;
	char *folder, *other;
};

struct notices {
	unsigned readers;
	struct map rows;                 /* folder → struct notice_row */
	struct map watches;              /* of inotify → struct notice_row */
	int watch_root;
	bool needs_look;
	struct wait changed;
	struct kept *ring;
	uint64_t first, end;
	uint64_t read;                   /* what stands before was read by somebody */
};

static struct notices *notices_of(struct store *s)
{
	struct maildir *m = maildir_of(s);

	return m && m->shelf ? m->shelf->notices : NULL;
}

/* ---- the log ---- */

static void kept_end(struct kept *k)
{
	free(k->folder);
	free(k->other);
	*k = (struct kept){ 0 };
}

static void log_add(struct notices *n, const struct notice *x)
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

static struct str watch_key(const int *watch)
{
	return str_of(watch, sizeof(*watch));
}

static struct notice_row *row_add(struct notices *n, struct str name)
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

static void row_unwatch(struct shelf *s, struct notice_row *r)
{
	watch_end(s, r, &r->watch_new);
	watch_end(s, r, &r->watch_cur);
}

static void row_remove(struct shelf *s, struct notice_row *r)
{
	row_unwatch(s, r);
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
		row_add(n, x->folder)->exists = true;
		return true;
	case NOTICE_DELETED:
		if (r) {
			r->exists = false;
			row_unwatch(s, r);
		}
		return true;
	case NOTICE_RENAMED:
		if (x->other.n)
			rename_rows(n, x->other, x->folder);
		else                     /* INBOX gave its letters to a new one */
			row_add(n, x->folder)->exists = true;
		return true;
	case NOTICE_SUBSCRIPTION:
		if ((r && r->is_subscribed) == (x->other.n > 0))
			return false;
		row_add(n, x->folder)->is_subscribed = x->other.n > 0;
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
	log_add(n, x);
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
	log_add(n, &(struct notice){ .kind = NOTICE_LETTERS, .by = by, .folder = folder });
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

/* ---- a look at all folders ---- */

struct watch_job {
	struct shelf *s;
	struct {
		char name[STORE_FOLDER_MAX + 1];
		int new, cur;
	} folders[WATCH_AT_ONCE];
	size_t n;
	int root;                        /* of inotify */
};

static int watch_dir(struct shelf *s, int dir)
{
	char path[40];
	int watch;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	watch = dir < 0 ? -1 : inotify_add_watch(s->inotify, path, WATCHED | IN_ONLYDIR);
	return watch < 0 ? WATCH_NONE : watch;
}

static void watch_run(void *arg)
{
	struct watch_job *j = arg;
	struct maildir *m = j->s->m;
	AUTO(fd_end) int root = -1;
	struct err ignored;

	if (dir_open_at(m->home, m->root, &root, &ignored))
		j->root = watch_dir(j->s, root);
	for (size_t i = 0; i < j->n; i++) {
		AUTO(folder_end) struct folder f = FOLDER_NONE;
		bool is = folder_open(m->home, m->root, str_from_z(j->folders[i].name), false, &f, &ignored);

		j->folders[i].new = is ? watch_dir(j->s, f.new) : WATCH_NONE;
		j->folders[i].cur = is ? watch_dir(j->s, f.cur) : WATCH_NONE;
	}
}

static void watch_take(struct notices *n, struct notice_row *r, int *watch, int got)
{
	*watch = got;
	if (got >= 0)
		map_put(&n->watches, watch_key(&got), r);
}

/* Folders without a watch get one, some at a time; true: there are more.  A session may rename rows
 * while the thread is at work. */
SUSPENDS static bool watch_rows(struct shelf *s)
{
	struct notices *n = s->notices;
	struct watch_job *j = calloc(1, sizeof(*j));
	struct str name;
	void *row;
	bool more;

	must(j, "out of memory for watches");
	j->s = s;
	j->root = -1;
	for (size_t i = 0; j->n < WATCH_AT_ONCE && map_next(&n->rows, &i, &name, &row);) {
		struct notice_row *r = row;

		if (r->exists && (r->watch_new == WATCH_MISSING || r->watch_cur == WATCH_MISSING))
			memcpy(j->folders[j->n++].name, r->name, sizeof(r->name));
	}
	off_loop(watch_run, j);
	n->watch_root = j->root;
	for (size_t i = 0; i < j->n; i++) {
		struct notice_row *r = map_get(&n->rows, str_from_z(j->folders[i].name));

		if (r) {
			watch_take(n, r, &r->watch_new, j->folders[i].new);
			watch_take(n, r, &r->watch_cur, j->folders[i].cur);
		}
	}
	more = j->n == WATCH_AT_ONCE;
	free(j);
	return more;
}

static void row_take(struct shelf *s, const struct folder_row *f, bool tells)
{
	struct notices *n = s->notices;
	struct notice_row *r = map_get(&n->rows, f->name);
	bool existed = r && r->exists, was_subscribed = r && r->is_subscribed;

	if (!r)
		r = row_add(n, f->name);
	r->is_listed = true;
	r->exists = f->exists;
	r->is_subscribed = f->is_subscribed;
	if (tells && existed != f->exists)
		log_add(n, &(struct notice){ .kind = f->exists ? NOTICE_CREATED : NOTICE_DELETED, .folder = f->name });
	if (tells && was_subscribed != f->is_subscribed)
		log_add(n, &(struct notice){ .kind = NOTICE_SUBSCRIPTION, .folder = f->name });
}

static void row_lose(struct shelf *s, struct notice_row *r)
{
	struct notice x = { .kind = NOTICE_DELETED, .folder = str_from_z(r->name) };

	if (r->exists)
		log_add(s->notices, &x);
	x.kind = NOTICE_SUBSCRIPTION;
	if (r->is_subscribed)
		log_add(s->notices, &x);
	row_remove(s, r);
}

/* Those that are no more go first: a watch on a directory that has another name now ends with them. */
static void lose_rows(struct shelf *s, const struct folder_row *rows, size_t n_rows)
{
	struct notices *n = s->notices;
	struct notice_row **all = calloc(n->rows.n + 1, sizeof(*all));
	size_t n_all = 0;
	struct str name;
	void *row;

	must(all, "out of memory for folders");
	for (size_t i = 0; map_next(&n->rows, &i, &name, &row);) {
		((struct notice_row *)row)->is_listed = false;
		all[n_all++] = row;
	}
	for (size_t i = 0; i < n_rows; i++) {
		struct notice_row *r = map_get(&n->rows, rows[i].name);

		if (r)
			r->is_listed = true;
	}
	for (size_t i = 0; i < n_all; i++)
		if (!all[i]->is_listed)
			row_lose(s, all[i]);
	free(all);
}

/* The shelf is held. */
SUSPENDS static bool look(struct shelf *s, bool tells, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 16 << 20 };
	struct folder_row *rows;
	size_t n;

	s->notices->needs_look = false;
	if (!folder_list(&s->m->store, &a, &rows, &n, e))
		return false;
	lose_rows(s, rows, n);
	for (size_t i = 0; i < n; i++)
		row_take(s, &rows[i], tells);
	while (s->inotify >= 0 && watch_rows(s))
		;
	return true;
}

/* Nobody reads any more. */
static void forget(struct shelf *s)
{
	struct notices *n = s->notices;
	struct str name;
	void *row;

	for (size_t i = 0; map_next(&n->rows, &i, &name, &row);)
		row_remove(s, row);
	if (n->watch_root >= 0)
		(void)inotify_rm_watch(s->inotify, n->watch_root);
	n->watch_root = WATCH_MISSING;
	for (size_t i = 0; n->ring && i < NOTICES_MAX; i++)
		kept_end(&n->ring[i]);
	free(n->ring);
	n->ring = NULL;
	n->first = n->end;
	n->needs_look = false;
}

SUSPENDS bool notices_tend(struct shelf *s, struct err *e)
{
	if (!s->notices || !s->notices->needs_look)
		return true;
	if (s->notices->readers)
		return look(s, true, e);
	forget(s);
	return true;
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
		forget(s);               /* events passed by unread */
	if (!make(s))
		return fail(e, FAULT_TEMP, "out of memory");
	s->notices->readers++;
	if (s->notices->readers == 1 && !look(s, false, e)) {
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
