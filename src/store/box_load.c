/* box_load.c — a box comes into memory, and keeps up with what others do to its files. */
#include "store/box_file.h"
#include "store/cache.h"
#include "store/flag_log.h"
#include "store/notices.h"
#include "store/search_build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { WATCHED = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF };

struct load_job {
	struct box *b;
	struct err e;
	bool ok;
};

/* By way of /proc, for the path to the directory may be another's by now.  Without a watch the
 * directory's times are looked at. */
static int watch(const struct box *b, int dir)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	return b->shelf->inotify < 0 ? -1 : inotify_add_watch(b->shelf->inotify, path, WATCHED | IN_ONLYDIR);
}

static bool open_dirs(struct box *b, struct err *e)
{
	struct str name = str_from_z(b->folder);
	struct maildir *m = b->shelf->m;

	/* a crash while it was made leaves a folder without all of tmp/, new/, cur/ */
	if (!folder_open(m->home, m->root, name, !name.n, &b->dir, e) &&
	    (e->sys != ENOENT || !folder_is_begun(m->home, m->root, name) ||
	     !folder_open(m->home, m->root, name, true, &b->dir, e)))
		return false;
	b->top = openat(b->dir.cur, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->top < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open the folder");
	b->watch_new = watch(b, b->dir.new);
	b->watch_cur = watch(b, b->dir.cur);
	return true;
}

/* Lines of the uidlist whose files are gone. */
static void drop_absent(struct box *b)
{
	size_t to = 0;

	for (size_t i = 0; i < b->n; i++)
		if (!(b->letters[i].state & STATE_ABSENT))
			b->letters[to++] = b->letters[i];
	b->n_dead_lines += b->n - to;
	b->n = to;
}

static bool add_sights(struct box *b, const struct scan *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct sight *s = &c->sights[i];
		struct str name = sight_name(c, s);
		struct letter *l;

		if (box_find(b, s->uid))
			continue;
		l = box_add(b, s->uid, str_head(name, str_find(name, ':')), e);
		if (!l || !letter_set_file(b, l, name, s->in_new, e))
			return false;
		l->flags = l->disk_flags;
		l->keywords = l->disk_keywords;
		l->saved = time_now() / SECOND;
		l->known |= KNOWN_SAVED;
		box_index_add(b, l);
	}
	return true;
}

/* A file with damaged lines, or mostly lines of letters that are gone, is written anew. */
static bool tidy_uidlist(struct box *b, struct err *e)
{
	AUTO(uidlist_unlock) struct uidlist_lock lock = UIDLIST_UNLOCKED;
	struct stamp now;

	if (!b->n_bad_lines && b->n_dead_lines < b->n / 2 + 100)
		return true;
	if (!uidlist_lock(b->top, &lock, e))
		return false;
	now = stamp_at(b->top, "dovecot-uidlist");
	return !stamp_eq(&now, &b->at_uidlist) || uids_rewrite(b, S(""), e);
}

static bool read_all(struct box *b, struct err *e)
{
	AUTO(scan_end) struct scan c = { 0 };

	if (!uids_load(b, e) || !scan_run(&c, b, true, true, e))
		return false;
	drop_absent(b);
	for (size_t i = 0; i < b->n; i++) {
		b->letters[i].flags = b->letters[i].disk_flags;
		b->letters[i].keywords = b->letters[i].disk_keywords;
	}
	b->at_new = c.at_new;
	b->at_cur = c.at_cur;
	b->looked = c.began;
	b->look_cost = c.cost;
	return scan_give_uids(&c, b, e) && add_sights(b, &c, e) && tidy_uidlist(b, e);
}

/* What we find a process has left that was killed before it could sync it; told to a session it must not be
 * taken back. */
static bool sync_left(struct box *b, struct err *e)
{
	AUTO(fd_end) int uids = -1;

	if (!flag_log_is_after_crash(b->shelf->flag_log) || b->epoch == flag_log_epoch(b->shelf->flag_log))
		return true;
	uids = openat(b->top, "dovecot-uidlist", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return (uids < 0 || fd_sync(uids, e)) && fd_sync(b->dir.new, e) && fd_sync(b->dir.cur, e) &&
	       fd_sync(b->top, e);
}

static void load_run(void *arg)
{
	struct load_job *j = arg;
	struct box *b = j->b;

	j->ok = open_dirs(b, &j->e) && keywords_load(b, &j->e) &&
		(cache_load(b) || (read_all(b, &j->e) && (cache_merge(b), true))) && sync_left(b, &j->e);
}

/* Letters that nobody has claimed are recent.  Flags of the log come last: of the names' own changes
 * they are the newer ones. */
static void load_finish(struct box *b)
{
	b->recent_from = b->next;
	for (size_t i = 0; i < b->n && b->n_new; i++)
		if (b->letters[i].state & STATE_IN_NEW) {
			b->recent_from = b->letters[i].uid;
			break;
		}
	flag_log_apply(b->shelf->flag_log, b);
	b->left = time_mono();
	/* more may have been told than was written down */
	if (b->shelf->is_ahead || b->epoch != flag_log_epoch(b->shelf->flag_log))
		(void)box_modseq_next(b);
}

static struct box *box_new(struct shelf *s, struct str folder)
{
	struct box *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->shelf = s;
	b->dir = FOLDER_NONE;
	b->top = b->watch_new = b->watch_cur = -1;
	memcpy(b->folder, folder.p ? folder.p : "", folder.n);
	return b;
}

void box_free(struct box *b)
{
	if (!b)
		return;
	if (b->watch_new >= 0 && !notices_watch(b->shelf, b->watch_new))
		(void)inotify_rm_watch(b->shelf->inotify, b->watch_new);
	if (b->watch_cur >= 0 && !notices_watch(b->shelf, b->watch_cur))
		(void)inotify_rm_watch(b->shelf->inotify, b->watch_cur);
	puts_end(&b->puts);
	puts_end(&b->writing);
	folder_end(&b->dir);
	fd_end(&b->top);
	keywords_free(b);
	free(b->letters);
	free(b->names);
	free(b->index);
	free(b->header_rest);
	free(b->log);
	free(b->expunged);
	free(b);
}

/* Sessions that have it open are told; the next that opens the folder gets another box.  (One that is
 * still being loaded is nobody's.) */
void box_set_gone(struct box *b)
{
	if (b->is_gone)
		return;
	if (map_get(&b->shelf->boxes, str_from_z(b->folder)) != b)
		return;
	b->is_gone = true;
	map_remove(&b->shelf->boxes, str_from_z(b->folder));
	b->next_gone = b->shelf->gone;
	b->shelf->gone = b;
	box_log(b, &(struct change){ .kind = CHANGE_GONE });
}

SUSPENDS bool box_get(struct shelf *s, struct str folder, struct box **ret, struct err *e)
{
	struct load_job j;
	struct box *b;

	if (!shelf_start(s, e))
		return false;
	b = map_get(&s->boxes, folder);
	if (b && !folder_is_there(s->m->home, s->m->root, &b->dir)) {
		box_set_gone(b);
		b = NULL;
	}
	if (b) {
		b->left = time_mono();
		*ret = b;
		return true;
	}
	if (!store_folder_is_name(folder))
		return fail_sys(e, FAULT_PERM, EINVAL, "not a name for a folder");
	boxes_make_room(s);
	b = box_new(s, folder);
	if (!b)
		return fail(e, FAULT_TEMP, "out of memory");
	j = (struct load_job){ .b = b };
	off_loop(load_run, &j);
	if (!j.ok)
		*e = j.e;
	b->is_loaded = j.ok;
	if (!j.ok || !box_look(b, false, e)) {
		box_free(b);
		return false;
	}
	load_finish(b);
	map_put(&s->boxes, folder, b);
	if (b->n_dirty || b->is_stale || search_build_wanted(b))
		shelf_wake(s);
	*ret = b;
	return true;
}

/* ---- keeping up ---- */

struct look_job {
	struct box *b;
	struct scan c;
	bool new, cur, ok;
	struct err e;
};

static void look_run(void *arg)
{
	struct look_job *j = arg;

	j->ok = scan_run(&j->c, j->b, j->new, j->cur, &j->e) && scan_give_uids(&j->c, j->b, &j->e);
}

/* Bits that the other program changed in the name change in force; those that wait to be written
 * stay. */
static void take_flags(struct box *b, struct letter *l, uint8_t was, uint32_t kw_was, uint64_t *modseq)
{
	uint8_t other = l->disk_flags ^ was;
	uint32_t kw_other = l->disk_keywords ^ kw_was;
	uint8_t flags = (uint8_t)((l->flags & ~other) | (l->disk_flags & other));
	uint32_t keywords = (l->keywords & ~kw_other) | (l->disk_keywords & kw_other);
	bool differs = flags != l->flags || keywords != l->keywords;

	box_set_flags(b, l, flags, keywords);
	if (!differs)
		return;
	*modseq = *modseq ? *modseq : box_modseq_next(b);
	l->modseq = *modseq;
	box_log(b, &(struct change){ CHANGE_FLAGS, l->uid, l->uid, *modseq, NULL });
}

static bool look_take_changed(struct look_job *j, uint64_t *modseq, struct err *e)
{
	for (size_t i = 0; i < j->c.n; i++) {
		const struct sight *s = &j->c.sights[i];
		size_t place = box_place(j->b, s->uid);
		struct letter *l = &j->b->letters[place];
		uint32_t keywords;
		uint8_t flags;

		if (place == j->b->n)
			continue;
		flags = l->disk_flags;
		keywords = l->disk_keywords;
		if (!letter_set_file(j->b, l, sight_name(&j->c, s), s->in_new, e))
			return false;
		take_flags(j->b, l, flags, keywords, modseq);
	}
	return true;
}

static bool look_take_missing(struct look_job *j, size_t n_before, uint64_t *modseq, struct err *e)
{
	struct box *b = j->b;
	uint32_t *uids = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < n_before; i++) {
		if (j->c.seen[i] || !(b->letters[i].state & STATE_IN_NEW ? j->new : j->cur))
			continue;
		if (n == cap) {
			uint32_t *more = reallocarray(uids, cap = cap ? cap * 2 : 64, sizeof(*uids));

			if (!more) {
				free(uids);
				return fail(e, FAULT_TEMP, "out of memory");
			}
			uids = more;
		}
		uids[n++] = b->letters[i].uid;
	}
	if (n) {
		*modseq = *modseq ? *modseq : box_modseq_next(b);
		box_remove(b, uids, n, *modseq, NULL);
	}
	free(uids);
	return true;
}

static bool look_take(struct look_job *j, struct err *e)
{
	struct box *b = j->b;
	size_t before = b->n;
	uint64_t modseq = 0;

	/* changed first: a letter in the second directory is not missing in the first */
	if (!look_take_changed(j, &modseq, e) || !add_sights(b, &j->c, e))
		return false;
	if (b->n > before) {
		modseq = modseq ? modseq : box_modseq_next(b);
		for (size_t i = before; i < b->n; i++)
			b->letters[i].modseq = modseq;
		box_log(b, &(struct change){ CHANGE_NEW, b->letters[before].uid,
					     b->letters[b->n - 1].uid, modseq, NULL });
	}
	if (!look_take_missing(j, before, &modseq, e))
		return false;
	if (j->new)
		b->at_new = j->c.at_new;
	if (j->cur)
		b->at_cur = j->c.at_cur;
	b->looked = j->c.began;
	b->look_cost = j->c.cost;
	/* also if all was as we had it: the directories' times are other ones */
	b->is_stale = true;
	return true;
}

SUSPENDS bool box_look(struct box *b, bool all, struct err *e)
{
	struct look_job j = { .b = b, .new = all || b->look_new, .cur = all || b->look_cur };
	bool ok;

	if (!j.new && !j.cur)
		return true;
	if (!folder_is_there(b->shelf->m->home, b->shelf->m->root, &b->dir)) {
		box_set_gone(b);
		return fail_sys(e, FAULT_TEMP, ENOENT, "the folder is gone");
	}
	b->look_new = b->look_cur = false;
	/* what left new/ is in cur/ */
	j.cur |= j.new && b->n_new > 0;
	off_loop(look_run, &j);
	ok = j.ok ? look_take(&j, e) : (*e = j.e, false);
	scan_end(&j.c);
	if (!ok && e->sys == ESTALE)
		box_set_gone(b);
	if (!ok && !b->is_gone)
		b->look_new = b->look_cur = true;
	return ok;
}
