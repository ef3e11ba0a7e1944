/* box_move.c — letters go to another folder, or to gone/.
 *
 * A copy is a hard link (bytes where the file system has none) under the stem with "-cUID" of its new
 * UID, which no letter of that folder ever had; a move is a rename.
 *
 * States of a copy or move:  M0 nothing   M1 UIDs in the target's uidlist, written (durable.h)
 *   M2 some linked or renamed             M3 all; the directories are synced: OK is said
 * A crash before M3 leaves letters moved or not, each in one place with a UID of its own; a failure
 * is undone.
 *
 * States of an expunge:  E0 nothing   E1 the history says so, synced   E2 some are in gone/
 *   E3 all are, both directories synced: OK is said
 * A line of the history whose file is not in gone/ says nothing. */
#include "store/box_file.h"

#include "base/arena.h"
#include "base/hooks.h"
#include "base/rnd.h"
#include "store/durable.h"
#include "store/history.h"
#include "store/quota.h"
#include "store/rename.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINES_MAX = 64 << 20, HISTORY_MAX = 1 << 30, COPY_BLOCK = 1 << 20 };

struct move_item {
	uint32_t uid, to_uid;
	uint32_t keywords;               /* as the target has them */
	uint8_t flags;
	uint16_t stem_n;                 /* of its new name */
	bool is_done;
	char name[STORE_NAME_MAX + 1];   /* the new one */
};

struct move_job {
	struct box *from, *to;
	struct move_item *items;
	size_t n;
	bool move;
	struct str history;

	bool is_muddled;                 /* it failed and could not be undone */
	struct err e;
	bool ok;
};

/* ---- in a thread ---- */

static bool copy_bytes(int from, const char *name, int to, const char *new_name, struct err *e)
{
	enum { HOW = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };
	AUTO(fd_end) int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO(fd_end) int out = in < 0 ? -1 : openat(to, new_name, HOW, 0600);
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;
	ssize_t n = 1;

	if (in < 0 || out < 0 || fstat(in, &st))
		return fail_sys(e, FAULT_TEMP, errno, "copy %s", name);
	while (n > 0)
		n = copy_file_range(in, NULL, out, NULL, COPY_BLOCK, 0);
	times[1] = st.st_mtim;
	if (n < 0 || futimens(out, times))
		return fail_sys(e, FAULT_TEMP, errno, "copy %s", name);
	return durable_written(out, e);
}

static bool link_one(const struct move_job *j, struct move_item *i, int dir, const char *name,
		     struct err *e)
{
	if (!FAULT_POINT(box_move) && !link_fresh(dir, name, j->to->dir.cur, i->name))
		return true;
	if (errno != EMLINK && errno != EPERM && errno != EXDEV && errno != EOPNOTSUPP)
		return fail_sys(e, FAULT_TEMP, errno, "link %s", name);
	return copy_bytes(dir, name, j->to->dir.cur, i->name, e);
}

static bool move_one(struct move_job *j, struct move_item *i, int target)
{
	const struct letter *l = box_find(j->from, i->uid);
	char name[STORE_NAME_MAX + 1];
	int dir = letter_file(j->from, l, name);

	if (!j->move)
		i->is_done = link_one(j, i, dir, name, &j->e);
	else if (FAULT_POINT(box_move) || rename_fresh(dir, name, target, i->name))
		return fail_sys(&j->e, FAULT_TEMP, errno, "move %s", name);
	else
		i->is_done = true;
	return i->is_done;
}

/* Back to what it was; where that fails the folders are looked at. */
static void undo(struct move_job *j, int target)
{
	for (size_t k = 0; k < j->n; k++) {
		struct move_item *i = &j->items[k];
		char name[STORE_NAME_MAX + 1];
		int dir = letter_file(j->from, box_find(j->from, i->uid), name);

		if (!i->is_done)
			continue;
		if (j->move ? rename_fresh(target, i->name, dir, name) :
			      unlinkat(target, i->name, 0))
			j->is_muddled = true;
	}
}

static bool move_sync(struct move_job *j, int target)
{
	return !FAULT_IN(box_sync, &j->e) && fd_sync(target, &j->e) &&
	       (!j->move || (fd_sync(j->from->dir.cur, &j->e) &&
			     (!j->from->n_new || fd_sync(j->from->dir.new, &j->e))));
}

static bool move_all(struct move_job *j, int target)
{
	size_t k = 0;

	while (k < j->n && move_one(j, &j->items[k], target))
		k++;
	if (k == j->n && move_sync(j, target))
		return true;
	undo(j, target);
	return false;
}

/* A stem too long for "-cUID" keeps nothing but the letter's own name. */
static bool item_name(struct move_job *j, struct move_item *i, uint32_t number)
{
	struct str stem = letter_stem(j->from, box_find(j->from, i->uid));
	struct buf b = buf_over(i->name, STORE_NAME_MAX + 1 - INFO_MAX);

	if (!stem_copy(stem, number, &b)) {
		buf_clear(&b);
		if (!stem_copy(str_head(stem, STORE_BASE_MAX), number, &b))
			return fail(&j->e, FAULT_PERM, "the name is too long");
	}
	i->stem_n = (uint16_t)b.n;
	b.n += file_info_print(i->flags, i->keywords, i->name + b.n);
	i->name[b.n] = '\0';
	return true;
}

static bool give_uids(struct move_job *j)
{
	AUTO(uidlist_unlock) struct uidlist_lock lock = UIDLIST_UNLOCKED;
	AUTO(buf_end) struct buf lines = buf_on_heap(LINES_MAX);
	uint32_t next;

	if (!uids_begin(j->to, &lock, NULL, &j->e))
		return false;
	next = j->to->next;
	for (size_t k = 0; k < j->n; k++) {
		struct move_item *i = &j->items[k];

		if (next == UINT32_MAX)
			return fail(&j->e, FAULT_TEMP, "the folder has no UIDs left");
		i->to_uid = next++;
		if (!item_name(j, i, i->to_uid))
			return false;
		uidlist_line_print(&(struct uidlist_line){ i->to_uid, { 0 }, str_of(i->name, i->stem_n) },
				   &lines);
	}
	if (lines.full)
		return fail(&j->e, FAULT_TEMP, "too many letters at once");
	if (!uids_append(j->to, buf_str(&lines), true, &j->e))
		return false;
	j->to->next = next;
	return true;
}

static void copy_run(void *arg)
{
	struct move_job *j = arg;

	j->ok = give_uids(j) && move_all(j, j->to->dir.cur);
}

static bool gone_dir(struct shelf *s, int *ret, struct err *e)
{
	int ours;

	if (!shelf_ours(s, &ours, e))
		return false;
	if (mkdirat(ours, "gone", 0700) && errno != EEXIST)
		return fail_sys(e, FAULT_TEMP, errno, "make gone");
	return dir_open_at(ours, "gone", ret, e) && fd_sync_dir_at(ours, ".", e);
}

static void expunge_run(void *arg)
{
	struct move_job *j = arg;
	AUTO(fd_end) int gone = -1;

	j->ok = gone_dir(j->from->shelf, &gone, &j->e) &&
		history_append(j->from->shelf, j->history, &j->e) && move_all(j, gone);
}

/* ---- on the loop ---- */

/* Those of the UIDs that exist, with their flags in force. */
static size_t items_take(struct box *b, const uint32_t *uids, size_t n, struct move_item *to)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		const struct letter *l = box_find(b, uids[i]);

		if (l)
			to[count++] = (struct move_item){ .uid = l->uid, .flags = l->flags,
							  .keywords = l->keywords };
	}
	return count;
}

/* The target's bits for the keywords in use; one for which there is no room is left out. */
SUSPENDS static bool map_keywords(struct box *from, struct box *to, struct move_item *items, size_t n,
				  struct err *e)
{
	uint32_t used = 0, bit[KEYWORDS_MAX] = { 0 };

	for (size_t i = 0; i < n; i++)
		used |= items[i].keywords;
	for (unsigned k = 0; k < KEYWORDS_MAX; k++) {
		unsigned place;

		if (!(used >> k & 1) || !from->keywords[k])
			continue;
		if (box_keyword_give(to, str_from_z(from->keywords[k]), &place, e))
			bit[k] = UINT32_C(1) << place;
		else if (e->sys != ENOSPC && e->sys != EINVAL)
			return false;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t was = items[i].keywords;

		items[i].keywords = 0;
		for (unsigned k = 0; k < KEYWORDS_MAX; k++)
			items[i].keywords |= was >> k & 1 ? bit[k] : 0;
	}
	return true;
}

static bool add_copy(struct box *to, const struct move_item *i, const struct letter *of,
		     uint64_t modseq, struct err *e)
{
	struct letter *l = box_add(to, i->to_uid, str_of(i->name, i->stem_n), e);

	if (!l || !letter_set_file(to, l, str_from_z(i->name), false, e))
		return false;
	l->flags = l->disk_flags;
	l->keywords = l->disk_keywords;
	l->date = of->date;
	l->size = of->size;
	l->vsize = of->vsize;
	l->saved = time_now() / SECOND;
	l->known = of->known | KNOWN_SAVED;
	l->modseq = modseq;
	box_index_add(to, l);
	return true;
}

static void add_copies(struct move_job *j, const struct by *by)
{
	uint64_t modseq = box_modseq_next(j->to), bytes = 0;
	struct err ignored;

	for (size_t k = 0; k < j->n; k++) {
		const struct letter *l = box_find(j->from, j->items[k].uid);
		struct letter of = *l;

		bytes += of.size;
		if (!add_copy(j->to, &j->items[k], &of, modseq, &ignored))
			j->to->look_cur = true;
	}
	box_log(j->to, &(struct change){ CHANGE_NEW, j->items[0].to_uid, j->items[j->n - 1].to_uid, modseq,
					 by });
	if (!j->move)
		quota_changed(j->to->shelf, (int64_t)bytes, (int64_t)j->n);
}

/* A file that is not there under the name we know: the folder is looked at before the next verb. */
SUSPENDS static bool run_job(struct move_job *j, void (*run)(void *), struct err *e)
{
	off_loop(run, j);
	if (!j->ok) {
		if (j->e.sys == ENOENT || j->e.sys == EEXIST || j->is_muddled)
			j->from->look_new = j->from->look_cur = j->to->look_cur = true;
		*e = j->e;
	}
	watch_poll(j->from->shelf);
	return j->ok;
}

static void items_uids(const struct move_item *items, size_t n, uint32_t *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = items[i].uid;
}

SUSPENDS static bool copy_items(struct move_job *j, const struct by *by, struct copied *ret,
				struct err *e)
{
	items_uids(j->items, j->n, ret->uids);
	ret->n = j->n;
	ret->validity = j->to->validity;
	if (!j->n)
		return true;
	if (!box_guard(j->from, ret->uids, j->n, e) ||
	    !map_keywords(j->from, j->to, j->items, j->n, e) || !run_job(j, copy_run, e))
		return false;
	ret->first = j->items[0].to_uid;
	add_copies(j, by);
	if (j->move)
		box_remove(j->from, ret->uids, j->n, box_modseq_next(j->from), by);
	return true;
}

SUSPENDS bool box_copy(struct box *from, const uint32_t *uids, size_t n, struct str to, bool move,
		       const struct by *by, struct arena *a, struct copied *ret, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct move_job j = { .from = from, .move = move };
	struct copied done = { 0 };
	bool ok;

	if (!shelf_hold(&held, from->shelf, e) || !box_get(from->shelf, to, &j.to, e))
		return false;
	if (from->is_gone)
		return fail_sys(e, FAULT_TEMP, ENOENT, "the folder is gone");
	watch_poll(from->shelf);
	if (!box_look(from, false, e))
		return false;
	done.uids = ARENA_ARRAY(a, uint32_t, n ? n : 1);
	j.items = reallocarray(NULL, n ? n : 1, sizeof(*j.items));
	if (!done.uids || !j.items) {
		free(j.items);
		return fail(e, FAULT_TEMP, "out of memory");
	}
	j.n = items_take(from, uids, n, j.items);
	ok = copy_items(&j, by, &done, e);
	free(j.items);
	if (ok)
		*ret = done;
	return ok;
}

/* ---- expunge ---- */

static size_t items_deleted(struct box *b, const uint32_t *uids, size_t n, bool any,
			    struct move_item *to)
{
	size_t count = 0, from = 0;

	if (uids)
		from = items_take(b, uids, n, to);
	for (size_t i = 0; uids && i < from; i++)
		if (any || to[i].flags & LETTER_DELETED)
			to[count++] = to[i];
	for (size_t i = 0; !uids && i < b->n; i++)
		if (b->letters[i].flags & LETTER_DELETED)
			to[count++] = (struct move_item){ .uid = b->letters[i].uid,
							  .flags = b->letters[i].flags,
							  .keywords = b->letters[i].keywords };
	return count;
}

/* TIME TAB expunge TAB WHO TAB FOLDER TAB UID TAB NAME */
void history_line(struct buf *to, const char *what, struct str who, struct str folder, uint32_t uid,
		  struct str name)
{
	time_add_rfc3339(to, time_now());
	buf_addf(to, "\t%s\t", what);
	buf_add_printable(to, who, 200);
	buf_addf(to, "\t" STR_FMT "\t%u\t" STR_FMT "\n", STR_ARG(folder), uid, STR_ARG(name));
}

SUSPENDS static bool expunge_items(struct move_job *j, const struct by *by, struct err *e)
{
	AUTO(buf_end) struct buf history = buf_on_heap(HISTORY_MAX);
	uint32_t *uids = reallocarray(NULL, j->n, sizeof(*uids));
	uint64_t bytes = 0;
	bool ok = uids || fail(e, FAULT_TEMP, "out of memory");

	for (size_t k = 0; ok && k < j->n; k++) {
		uids[k] = j->items[k].uid;
		bytes += box_find(j->from, uids[k])->size;
		ok = item_name(j, &j->items[k], (uint32_t)rnd_u64()) || (*e = j->e, false);
		history_line(&history, "expunge", by ? by->who : S("-"), str_from_z(j->from->folder),
			     uids[k], str_from_z(j->items[k].name));
	}
	j->history = buf_str(&history);
	if (ok && history.full)
		ok = fail(e, FAULT_TEMP, "no memory for the history");
	ok = ok && box_guard(j->from, uids, j->n, e) && run_job(j, expunge_run, e);
	if (ok) {
		box_remove(j->from, uids, j->n, box_modseq_next(j->from), by);
		quota_changed(j->from->shelf, -(int64_t)bytes, -(int64_t)j->n);
	}
	free(uids);
	return ok;
}

SUSPENDS bool box_expunge(struct box *b, const uint32_t *uids, size_t n, bool any,
			  const struct by *by, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct move_job j = { .from = b, .to = b, .move = true };
	bool ok;

	if (!shelf_hold(&held, b->shelf, e))
		return false;
	if (b->is_gone)
		return fail_sys(e, FAULT_TEMP, ENOENT, "the folder is gone");
	watch_poll(b->shelf);
	if (!box_look(b, false, e))
		return false;
	j.items = reallocarray(NULL, (uids ? n : b->n) + 1, sizeof(*j.items));
	if (!j.items)
		return fail(e, FAULT_TEMP, "out of memory");
	j.n = items_deleted(b, uids, n, any, j.items);
	ok = !j.n || expunge_items(&j, by, e);
	free(j.items);
	return ok;
}

SUSPENDS bool box_remove_all(struct box *b, const struct by *by, struct err *e)
{
	struct move_job j = { .from = b, .to = b, .move = true };
	bool ok;

	j.items = reallocarray(NULL, b->n + 1, sizeof(*j.items));
	if (!j.items)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < b->n; i++)
		j.items[j.n++] = (struct move_item){ .uid = b->letters[i].uid, .flags = b->letters[i].flags,
						     .keywords = b->letters[i].keywords };
	ok = !j.n || expunge_items(&j, by, e);
	free(j.items);
	return ok;
}
