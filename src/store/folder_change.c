/* folder_change.c — folders are made, renamed, deleted, subscribed.
 *
 * States of a making:  C0 nothing   C1 its directory, or some of tmp/, new/, cur/: a folder, what it lacks is made
 *   when it is opened   C2 all, synced   C3 its uidlist too (uidfile.h): true is returned
 * States of a deletion:  L0 nothing   L1 some letters are in gone/, the history says so
 *   L2 its directory is renamed to waxwing/deleted.…, synced: the folder is gone, true is returned
 *   L3 removed.  A crash after L2 leaves a directory without letters there, which the next deletion removes.
 * States of a renaming:  N0 nothing   N1 some of the directories have their new names: each is whole under one
 *   of the two, and a failure is undone   N2 all, their parent is synced: true is returned
 * Subscriptions and a folder's use are files that are replaced (uidfile.h, R0 to R2). */
#include "store/folder.h"

#include "base/arena.h"
#include "base/hooks.h"
#include "base/rnd.h"
#include "store/box_file.h"
#include "store/cache.h"
#include "store/metadata.h"
#include "store/rename.h"
#include "store/subscription.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DIR_ROOM = STORE_FOLDER_MAX + 2 };

#define DELETED "deleted."

struct change_job {
	struct shelf *s;
	struct box *b;                   /* that is deleted */
	struct str name, to;
	enum folder_use use;
	bool on;
	bool is_begun;                   /* something of a new folder may be there */
	struct err e;
	bool ok;
};

static bool check_name(struct str name, struct err *e)
{
	if (!store_folder_is_name(name) || str_starts_nocase(name, S("INBOX..")))
		return fail_sys(e, FAULT_PERM, EINVAL, "not a name for a folder");
	return true;
}

SUSPENDS static bool run_held(struct change_job *j, void (*run)(void *), struct err *e)
{
	off_loop(run, j);
	if (!j->ok)
		*e = j->e;
	return j->ok;
}

static void dir_name(struct str name, char to[static DIR_ROOM])
{
	to[0] = '.';
	memcpy(to + 1, name.p, name.n);
	to[name.n + 1] = '\0';
}

/* ---- the directory of a folder goes ---- */

struct clean {
	struct dir_visit v;
	int dir;
};

static bool clean_each(struct dir_visit *v, struct str name)
{
	if (v->type != DT_DIR)
		(void)unlinkat(((struct clean *)v)->dir, name.p, 0);
	return true;
}

/* Our own and Dovecot's files; a directory with letters in it stays. */
static void remove_dir(int above, const char *name)
{
	struct clean c = { .v = { .each = clean_each } };
	AUTO(fd_end) int top = -1, tmp = -1;
	struct err ignored;

	if (!dir_open_at(above, name, &top, &ignored))
		return;
	if (dir_open_at(top, "tmp", &tmp, &ignored)) {
		c.dir = tmp;
		(void)dir_visit(tmp, false, &c.v, &ignored);
	}
	(void)unlinkat(top, "tmp", AT_REMOVEDIR);
	if (unlinkat(top, "new", AT_REMOVEDIR) && errno == ENOTEMPTY)
		return;
	if (unlinkat(top, "cur", AT_REMOVEDIR) && errno == ENOTEMPTY)
		return;
	c.dir = top;
	(void)dir_visit(top, false, &c.v, &ignored);
	(void)dir_visit(top, true, &c.v, &ignored);
	(void)unlinkat(above, name, AT_REMOVEDIR);
}

/* ---- create ---- */

static void create_run(void *arg)
{
	struct change_job *j = arg;
	AUTO(folder_end) struct folder f = FOLDER_NONE;
	AUTO(fd_end) int top = -1;
	struct buf word = buf_over((char[32]){ 0 }, 32);

	if (folder_open(j->s->m->home, j->s->m->root, j->name, false, &f, &j->e)) {
		fail_sys(&j->e, FAULT_PERM, EEXIST, "the folder exists");
		return;
	}
	if (j->e.sys != ENOENT)
		return;
	j->is_begun = true;
	j->ok = folder_open(j->s->m->home, j->s->m->root, j->name, true, &f, &j->e);
	if (!j->ok)
		return;
	if (j->use == FOLDER_PLAIN)
		return;
	top = openat(f.cur, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_add(&word, folder_use_name(j->use));
	buf_add_char(&word, '\n');
	j->ok = top >= 0 && file_replace(top, "waxwing-use", buf_str(&word), &j->e);
}

static void uncreate_run(void *arg)
{
	struct change_job *j = arg;
	AUTO(fd_end) int root = -1;
	char name[DIR_ROOM];

	dir_name(j->name, name);
	if (dir_open_at(j->s->m->home, j->s->m->root, &root, &j->e))
		remove_dir(root, name);
}

SUSPENDS bool folder_create(struct store *s, struct str name, enum folder_use use, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct change_job j = { .s = shelf_of(s, e), .name = name, .use = use };
	struct box *b;

	if (!j.s || !check_name(name, e))
		return false;
	if (!name.n || str_eq_nocase(name, S("INBOX")))
		return fail_sys(e, FAULT_PERM, EEXIST, "INBOX exists");
	/* its UIDVALIDITY is fixed now */
	if (!shelf_hold(&held, j.s, e))
		return false;
	if (run_held(&j, create_run, e) && box_get(j.s, name, &b, e))
		return true;
	if (j.is_begun)
		off_loop(uncreate_run, &j);
	return false;
}

/* ---- delete ---- */

static bool left_each(struct dir_visit *v, struct str name)
{
	if (str_starts(name, S(DELETED)))
		remove_dir(((struct clean *)v)->dir, name.p);
	return true;
}

/* This one, and what crashes left. */
static void remove_left(int ours)
{
	struct clean c = { .v = { .each = left_each }, .dir = ours };
	struct err ignored;

	(void)dir_visit(ours, false, &c.v, &ignored);
}

static void delete_run(void *arg)
{
	struct change_job *j = arg;
	char from[DIR_ROOM], to[48];
	AUTO(fd_end) int root = -1;
	int ours;

	dir_name(j->name, from);
	snprintf(to, sizeof(to), DELETED "%016llx", (unsigned long long)rnd_u64());
	if (!dir_open_at(j->s->m->home, j->s->m->root, &root, &j->e) || !shelf_ours(j->s, &ours, &j->e))
		return;
	if (FAULT_POINT(folder_rename) || rename_fresh(root, from, ours, to)) {
		fail_sys(&j->e, FAULT_TEMP, errno, "delete the folder");
		return;
	}
	j->ok = !FAULT_IN(box_sync, &j->e) && fd_sync(root, &j->e) && fd_sync_dir_at(ours, ".", &j->e);
	if (j->ok) {
		remove_left(ours);
		cache_forget(j->b);
	} else {
		(void)rename_fresh(ours, to, root, from);
	}
}

SUSPENDS bool folder_delete(struct store *s, struct str name, struct str who, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct change_job j = { .s = shelf_of(s, e), .name = name };
	struct by by = { who };

	if (!j.s || !check_name(name, e))
		return false;
	if (!name.n)
		return fail_sys(e, FAULT_PERM, EPERM, "INBOX cannot be deleted");
	if (!shelf_hold(&held, j.s, e) || !box_get(j.s, name, &j.b, e) || !box_look(j.b, true, e) ||
	    !box_remove_all(j.b, &by, e) || !run_held(&j, delete_run, e))
		return false;
	box_set_gone(j.b);
	return true;
}

/* ---- rename ---- */

struct rename_job {
	struct change_job c;
	struct dir_visit v;
	int root;
	char (*names)[DIR_ROOM];         /* directories to be renamed */
	size_t n, cap;
};

static bool rename_each(struct dir_visit *v, struct str name)
{
	struct rename_job *j = (struct rename_job *)((char *)v - offsetof(struct rename_job, v));
	struct str own = str_from(name, 1), from = j->c.name;

	if (!str_eq(own, from) && !(str_starts(own, from) && str_at(own, from.n) == '.'))
		return true;
	if (own.n > STORE_FOLDER_MAX || own.n - from.n + j->c.to.n > STORE_FOLDER_MAX)
		return !fail_sys(&j->c.e, FAULT_PERM, EINVAL, "the name would be too long");
	if (j->n == j->cap) {
		void *more = reallocarray(j->names, j->cap = j->cap ? j->cap * 2 : 16, DIR_ROOM);

		if (!more)
			return fail(&j->c.e, FAULT_TEMP, "out of memory");
		j->names = more;
	}
	dir_name(own, j->names[j->n++]);
	return true;
}

static bool rename_one(struct rename_job *j, size_t i, bool back)
{
	struct str rest = str_from(str_from_z(j->names[i]), 1 + j->c.name.n);
	char to[DIR_ROOM];
	struct buf b = buf_over(to, DIR_ROOM - 1);

	buf_addf(&b, "." STR_FMT STR_FMT, STR_ARG(j->c.to), STR_ARG(rest));
	to[b.n] = '\0';
	return (!FAULT_POINT(folder_rename) &&
		!rename_fresh(j->root, back ? to : j->names[i], j->root, back ? j->names[i] : to)) ||
	       fail_sys(&j->c.e, FAULT_PERM, errno, "rename to " STR_FMT, STR_ARG(j->c.to));
}

static void rename_find(void *arg)
{
	struct rename_job *j = arg;
	AUTO(fd_end) int root = -1;

	j->c.ok = dir_open_at(j->c.s->m->home, j->c.s->m->root, &root, &j->c.e) &&
		  dir_visit(root, true, &j->v, &j->c.e) && !j->c.e.fault &&
		  (j->n || fail_sys(&j->c.e, FAULT_PERM, ENOENT, "there is no such folder"));
}

static void rename_run(void *arg)
{
	struct rename_job *j = arg;
	AUTO(fd_end) int root = -1;
	size_t done = 0;

	j->c.ok = false;
	if (!dir_open_at(j->c.s->m->home, j->c.s->m->root, &root, &j->c.e))
		return;
	j->root = root;
	while (done < j->n && rename_one(j, done, false))
		done++;
	j->c.ok = done == j->n && !FAULT_IN(box_sync, &j->c.e) && fd_sync(root, &j->c.e);
	if (j->c.ok)
		return;
	while (done--) {
		struct err why = j->c.e;

		(void)rename_one(j, done, true);
		j->c.e = why;
	}
}

/* Boxes that are open go on under their new names. */
static void rename_boxes(struct rename_job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		struct str was = str_from(str_from_z(j->names[i]), 1), rest = str_from(was, j->c.name.n);
		struct box *b = map_remove(&j->c.s->boxes, was);
		struct buf to;

		if (!b)
			continue;
		to = buf_over(b->folder, STORE_FOLDER_MAX);
		buf_addf(&to, STR_FMT STR_FMT, STR_ARG(j->c.to), STR_ARG(rest));
		b->folder[to.n] = '\0';
		memcpy(b->dir.name, b->folder, sizeof(b->folder));
		map_put(&j->c.s->boxes, str_from_z(b->folder), b);
	}
}

/* The journal and the flag log know letters by the folder's old name: nothing may be left to be done there.
 * A directory that is no folder has none. */
SUSPENDS static bool rename_prepare(struct rename_job *j, struct err *e)
{
	for (size_t i = 0; i < j->n; i++) {
		struct err why = { 0 };
		struct box *b;

		if (!box_get(j->c.s, str_from(str_from_z(j->names[i]), 1), &b, &why)) {
			if (why.sys == ENOENT || why.sys == EINVAL)
				continue;
			*e = why;
			return false;
		}
		if (!box_look(b, false, e) || !box_guard(b, NULL, 0, e))
			return false;
	}
	return names_follow_all(j->c.s, e);
}

SUSPENDS static bool rename_held(struct rename_job *j, struct err *e)
{
	return shelf_start(j->c.s, e) && run_held(&j->c, rename_find, e) && rename_prepare(j, e) &&
	       run_held(&j->c, rename_run, e);
}

/* Flags that are set meanwhile wait: see box_store(). */
SUSPENDS static bool rename_dirs(struct shelf *s, struct str from, struct str to, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct rename_job j = { .c = { .s = s, .name = from, .to = to }, .v = { .each = rename_each } };
	bool ok;

	if (!shelf_hold(&held, s, e))
		return false;
	s->flags_wait = true;
	ok = rename_held(&j, e);
	if (ok)
		rename_boxes(&j);
	s->flags_wait = false;
	free(j.names);
	return ok;
}

static void annotations_run(void *arg)
{
	struct change_job *j = arg;

	j->ok = metadata_copy_inbox(j->s, j->to, &j->e);
}

SUSPENDS static bool copy_annotations(struct store *s, struct str to, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct change_job j = { .s = shelf_of(s, e), .to = to };

	return j.s && shelf_hold(&held, j.s, e) && run_held(&j, annotations_run, e);
}

SUSPENDS static bool rename_inbox(struct store *s, struct str to, struct str who, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 64 << 20 };
	struct by by = { who };
	struct copied ignored;
	struct box *inbox;
	uint32_t *uids;
	bool ok;

	if (!folder_create(s, to, FOLDER_PLAIN, e) || !copy_annotations(s, to, e) || !box_open(s, S(""), &inbox, e))
		return false;
	uids = ARENA_ARRAY(&a, uint32_t, box_count(inbox) + 1);
	for (size_t i = 0; uids && i < box_count(inbox); i++)
		uids[i] = box_letters(inbox)[i].uid;
	ok = uids ? box_copy(inbox, uids, box_count(inbox), to, true, &by, &a, &ignored, e) :
		    fail(e, FAULT_TEMP, "out of memory");
	box_close(inbox);
	return ok;
}

SUSPENDS bool folder_rename(struct store *s, struct str from, struct str to, struct str who,
			    struct err *e)
{
	struct shelf *shelf = shelf_of(s, e);
	bool there;

	if (!shelf || !check_name(from, e) || !check_name(to, e) || !folder_exists(s, to, &there, e))
		return false;
	if (there || str_eq_nocase(to, S("INBOX")))
		return fail_sys(e, FAULT_PERM, EEXIST, "there is a folder of that name");
	if (!from.n)
		return rename_inbox(s, to, who, e);
	if (str_starts(to, from) && str_at(to, from.n) == '.')
		return fail_sys(e, FAULT_PERM, EINVAL, "a folder cannot be moved below itself");
	return rename_dirs(shelf, from, to, e);
}

/* ---- subscribe ---- */

static void subscribe_run(void *arg)
{
	struct change_job *j = arg;
	AUTO(folder_end) struct folder inbox = FOLDER_NONE;
	AUTO(fd_end) int root = -1;

	j->ok = folder_open(j->s->m->home, j->s->m->root, S(""), true, &inbox, &j->e) &&
		dir_open_at(j->s->m->home, j->s->m->root, &root, &j->e) &&
		subscriptions_change(root, j->name, j->on, &j->e);
}

SUSPENDS bool folder_subscribe(struct store *s, struct str name, bool on, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct change_job j = { .s = shelf_of(s, e), .name = name, .on = on };

	return j.s && check_name(name, e) && shelf_hold(&held, j.s, e) && run_held(&j, subscribe_run, e);
}
