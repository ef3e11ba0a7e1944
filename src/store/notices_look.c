/* notices_look.c — which folders there are, compared with what was known, and a watch for each; see notices.h. */
#include "store/notice_rows.h"

#include "base/arena.h"
#include "store/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>

enum {
	WATCHED = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF,
	WATCH_AT_ONCE = 64,              /* folders in one visit to a thread */
};

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
		r = notice_row_add(n, f->name);
	r->is_listed = true;
	r->exists = f->exists;
	r->is_subscribed = f->is_subscribed;
	if (tells && existed != f->exists)
		notice_log(n, &(struct notice){ .kind = f->exists ? NOTICE_CREATED : NOTICE_DELETED, .folder = f->name });
	if (tells && was_subscribed != f->is_subscribed)
		notice_log(n, &(struct notice){ .kind = NOTICE_SUBSCRIPTION, .folder = f->name });
}

static void row_lose(struct shelf *s, struct notice_row *r)
{
	struct notice x = { .kind = NOTICE_DELETED, .folder = str_from_z(r->name) };

	if (r->exists)
		notice_log(s->notices, &x);
	x.kind = NOTICE_SUBSCRIPTION;
	if (r->is_subscribed)
		notice_log(s->notices, &x);
	notice_row_remove(s, r);
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

SUSPENDS bool notices_look(struct shelf *s, bool tells, struct err *e)
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

void notices_forget(struct shelf *s)
{
	struct notices *n = s->notices;
	struct str name;
	void *row;

	for (size_t i = 0; map_next(&n->rows, &i, &name, &row);)
		notice_row_remove(s, row);
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
		return notices_look(s, true, e);
	notices_forget(s);
	return true;
}
