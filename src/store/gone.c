/* gone.c — what was expunged or deleted; see gone.h.
 *
 * The history is only appended to; a line counts while its file lies in gone/.  A file without a line (its
 * crash came first) is nobody's: it is listed without a folder and comes back into INBOX. */
#include "store/gone.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/rnd.h"
#include "store/box_file.h"
#include "store/folder.h"
#include "store/history.h"
#include "store/quota.h"
#include "store/rename.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HISTORY_BYTES_MAX = 256 << 20, ROWS_MAX = 1 << 20 };

struct gone_job {
	struct dir_visit v;
	struct shelf *s;
	struct arena *a;
	struct gone_row *rows;
	size_t n, cap;
	int dir;
	struct str name;                 /* to be restored: only this one is listed */
	struct box *to;
	char new_name[STORE_NAME_MAX + 1];
	struct str history;
	int64_t before;                  /* seconds: older ones are removed */
	size_t removed;
	struct err e;
	bool ok;
};

/* False without an error: nothing was ever expunged. */
static bool gone_open(struct gone_job *j, int *ret)
{
	int ours;

	if (!shelf_ours(j->s, &ours, &j->e))
		return false;
	if (dir_open_at(ours, "gone", ret, &j->e))
		return true;
	j->ok = j->e.sys == ENOENT;
	return false;
}

static bool row_add(struct gone_job *j, struct str name, const struct stat *st)
{
	if (j->n == j->cap) {
		size_t cap = j->cap ? j->cap * 2 : 64;
		struct gone_row *more = cap > ROWS_MAX ? NULL : reallocarray(j->rows, cap, sizeof(*more));

		if (!more)
			return fail(&j->e, FAULT_TEMP, "no memory for the list");
		j->rows = more;
		j->cap = cap;
	}
	j->rows[j->n] = (struct gone_row){ .when = st->st_ctim.tv_sec * SECOND, .who = S("-"),
					   .name = arena_str(j->a, name), .size = (uint64_t)st->st_size };
	j->n++;
	return !j->a->full || fail(&j->e, FAULT_TEMP, "no memory for the list");
}

static bool list_each(struct dir_visit *v, struct str name)
{
	struct gone_job *j = (struct gone_job *)v;
	struct stat st;

	if ((j->name.n && !str_eq(name, j->name)) || fstatat(j->dir, name.p, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISREG(st.st_mode))
		return true;
	return row_add(j, name, &st);
}

/* TIME TAB WHAT TAB WHO TAB FOLDER TAB UID TAB NAME */
static void line_take(struct gone_job *j, const struct map *by_name, struct str line)
{
	struct str rest = line, when = str_cut(rest, '\t', &rest), what = str_cut(rest, '\t', &rest),
		   who = str_cut(rest, '\t', &rest), folder = str_cut(rest, '\t', &rest),
		   uid = str_cut(rest, '\t', &rest);
	struct gone_row *row = map_get(by_name, rest);
	uint64_t n;

	if (!row || !str_eq(what, S("expunge")) || !when.n || !str_u64(uid, &n) || n > UINT32_MAX ||
	    !store_folder_is_name(folder))
		return;
	row->who = arena_str(j->a, who);
	row->folder = arena_str(j->a, folder);
	row->uid = (uint32_t)n;
}

static void history_read(struct gone_job *j)
{
	AUTO(map_end) struct map by_name = { 0 };
	AUTO(text_end) char *text = NULL;
	AUTO(fd_end) int fd = -1;
	struct err ignored;
	struct str in;
	int ours;

	if (!shelf_ours(j->s, &ours, &ignored))
		return;
	fd = openat(ours, "history", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || !fd_slurp(fd, HISTORY_BYTES_MAX, &text, &in.n, &ignored))
		return;
	in.p = text;
	for (size_t i = 0; i < j->n; i++)
		map_put(&by_name, j->rows[i].name, &j->rows[i]);
	while (in.n)
		line_take(j, &by_name, str_cut(in, '\n', &in));
}

static void list_run(void *arg)
{
	struct gone_job *j = arg;
	AUTO(fd_end) int dir = -1;

	if (!gone_open(j, &dir))
		return;
	j->dir = dir;
	j->v.each = list_each;
	if (!dir_visit(dir, false, &j->v, &j->e) || j->e.fault)
		return;
	history_read(j);
	j->ok = true;
}

SUSPENDS bool gone_list(struct store *s, struct arena *a, struct gone_row **ret, size_t *ret_n,
			struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct gone_job j = { .s = shelf_of(s, e), .a = a };

	if (!j.s || !shelf_hold(&held, j.s, e))
		return false;
	off_loop(list_run, &j);
	*ret = j.ok ? ARENA_ARRAY(a, struct gone_row, j.n + 1) : NULL;
	if (*ret && j.n)
		memcpy(*ret, j.rows, j.n * sizeof(*j.rows));
	*ret_n = j.n;
	free(j.rows);
	if (!j.ok)
		*e = j.e;
	return *ret || (j.ok && fail(e, FAULT_TEMP, "no memory for the list"));
}

/* ---- restore ---- */

/* A stem the folder never had: then the letter is a new one, with a new UID. */
static bool restore_name(struct gone_job *j)
{
	struct file_name f = file_name_parse(j->name);
	struct buf b = buf_over(j->new_name, STORE_NAME_MAX + 1 - INFO_MAX);

	if (!stem_copy(f.stem, (uint32_t)rnd_u64(), &b))
		return fail(&j->e, FAULT_PERM, "the name is too long");
	b.n += file_info_print(f.flags & (uint8_t)~LETTER_DELETED, 0, j->new_name + b.n);
	j->new_name[b.n] = '\0';
	return true;
}

static void restore_run(void *arg)
{
	struct gone_job *j = arg;
	char name[STORE_NAME_MAX + 1];
	AUTO(fd_end) int dir = -1;

	memcpy(name, j->name.p, j->name.n);
	name[j->name.n] = '\0';
	j->ok = false;
	if (!gone_open(j, &dir) || !restore_name(j) || !history_append(j->s, j->history, &j->e))
		return;
	if (rename_fresh(dir, name, j->to->dir.cur, j->new_name))
		fail_sys(&j->e, FAULT_TEMP, errno, "restore %s", name);
	else
		j->ok = fd_sync(j->to->dir.cur, &j->e) && fd_sync(dir, &j->e);
}

SUSPENDS static bool restore_held(struct gone_job *j, const struct gone_row *row, struct str who,
				  struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	AUTO(buf_end) struct buf line = buf_on_heap(4096);

	if (!shelf_hold(&held, j->s, e) || !box_get(j->s, row->folder, &j->to, e))
		return false;
	history_line(&line, "restore", who, row->folder, row->uid, row->name);
	j->history = buf_str(&line);
	if (line.full)
		return fail(e, FAULT_TEMP, "no memory for the history");
	off_loop(restore_run, j);
	if (!j->ok) {
		*e = j->e;
		return false;
	}
	quota_changed(j->s, (int64_t)row->size, 1);
	j->to->look_cur = true;
	return box_look(j->to, false, e);
}

SUSPENDS bool gone_restore(struct store *s, struct str name, struct str folder, struct str who,
			   struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct gone_job j = { .s = shelf_of(s, e), .a = &a, .name = name };
	struct gone_row row;
	bool there;

	if (!j.s)
		return false;
	if (!name.n || name.n > STORE_NAME_MAX || str_has(name, '/') || str_at(name, 0) == '.')
		return fail_sys(e, FAULT_PERM, EINVAL, "not the name of a letter");
	off_loop(list_run, &j);
	if (!j.n) {
		free(j.rows);
		return j.ok ? fail_sys(e, FAULT_PERM, ENOENT, "there is no such letter") : (*e = j.e, false);
	}
	row = j.rows[0];
	free(j.rows);
	j.rows = NULL;
	if (folder.n)
		row.folder = folder;
	if (!folder_exists(s, row.folder, &there, e) ||
	    (!there && !folder_create(s, row.folder, FOLDER_PLAIN, e)))
		return false;
	return restore_held(&j, &row, who, e);
}

/* ---- empty ---- */

/* The time of its renaming is that of its inode's last change. */
static bool empty_each(struct dir_visit *v, struct str name)
{
	struct gone_job *j = (struct gone_job *)v;
	struct stat st;

	if (!fstatat(j->dir, name.p, &st, AT_SYMLINK_NOFOLLOW) && st.st_ctim.tv_sec < j->before &&
	    !unlinkat(j->dir, name.p, 0))
		j->removed++;
	return true;
}

static void empty_run(void *arg)
{
	struct gone_job *j = arg;
	AUTO(fd_end) int dir = -1;

	if (!gone_open(j, &dir))
		return;
	j->dir = dir;
	j->v.each = empty_each;
	j->ok = dir_visit(dir, false, &j->v, &j->e);
}

SUSPENDS bool gone_empty(struct store *s, int64_t now, int64_t keep, size_t *ret_removed,
			 struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct gone_job j = { .s = shelf_of(s, e), .before = (now - keep) / SECOND };

	if (!j.s || !shelf_hold(&held, j.s, e))
		return false;
	off_loop(empty_run, &j);
	if (!j.ok) {
		*e = j.e;
		return false;
	}
	*ret_removed = j.removed;
	return true;
}
