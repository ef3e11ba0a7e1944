/* box_flags.c — flags and keywords change at once in memory and in the flag log; the names of the
 * files follow in the background, some hundred at a time. */
#include "base/hooks.h"
#include "store/box_file.h"
#include "store/flag_log.h"
#include "store/rename.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* inotify keeps 16,384 events, and each renaming makes two. */
enum { RENAMES_AT_ONCE = 2048 };

static void changed_flags(const struct letter *l, const struct flags_change *c, uint8_t *flags,
			  uint32_t *keywords)
{
	*flags = l->flags;
	*keywords = l->keywords;
	if (c->how == FLAGS_ADD) {
		*flags |= c->flags;
		*keywords |= c->keywords;
	} else if (c->how == FLAGS_REMOVE) {
		*flags &= (uint8_t)~c->flags;
		*keywords &= ~c->keywords;
	} else {
		/* what we do not show is not the client's to set */
		*flags = (uint8_t)((l->flags & LETTER_PASSED) | c->flags);
		*keywords = c->keywords;
	}
}

bool letter_change(struct box *b, struct letter *l, const struct flags_change *c)
{
	uint32_t keywords;
	uint8_t flags;

	changed_flags(l, c, &flags, &keywords);
	if (flags == l->flags && keywords == l->keywords)
		return false;
	box_set_flags(b, l, flags, keywords);
	return true;
}

/* UIDs that will change; those modified since go to `failed`. */
static size_t choose(const struct box *b, const uint32_t *uids, size_t n, const struct flags_change *c,
		     uint32_t *to, uint32_t *failed, size_t *n_failed)
{
	size_t place = n ? box_find_from(b, uids[0]) : 0, chosen = 0;

	for (size_t i = 0; i < n; i++) {
		const struct letter *l;
		uint32_t keywords;
		uint8_t flags;

		if (place < b->n && b->letters[place].uid < uids[i])
			place = box_find_from(b, uids[i]);
		if (place == b->n || b->letters[place].uid != uids[i])
			continue;
		l = &b->letters[place++];
		changed_flags(l, c, &flags, &keywords);
		if (c->has_unchanged_since && l->modseq > c->unchanged_since) {
			if (failed)
				failed[(*n_failed)++] = l->uid;
		} else if (flags != l->flags || keywords != l->keywords) {
			to[chosen++] = l->uid;
		}
	}
	return chosen;
}

/* Neighbours become one entry of the log. */
static void change_all(struct box *b, const uint32_t *uids, size_t n, const struct flags_change *c,
		       const struct by *by)
{
	uint64_t modseq = box_modseq_next(b);

	for (size_t i = 0; i < n;) {
		size_t place = box_find_from(b, uids[i]), k = i;

		for (; k < n && place + (k - i) < b->n && b->letters[place + (k - i)].uid == uids[k]; k++) {
			letter_change(b, &b->letters[place + (k - i)], c);
			b->letters[place + (k - i)].modseq = modseq;
		}
		box_log(b, &(struct change){ CHANGE_FLAGS, uids[i], uids[k - 1], modseq, by });
		i = k;
	}
}

SUSPENDS static bool wait_for_log(struct shelf *s, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };

	return !s->flags_wait || shelf_hold(&held, s, e);
}

SUSPENDS bool box_store(struct box *b, const uint32_t *uids, size_t n,
			const struct flags_change *change, const struct by *by, uint32_t *failed,
			size_t *ret_n_failed, struct err *e)
{
	size_t n_failed = 0, chosen;
	uint32_t *to;
	bool ok;

	if (!wait_for_log(b->shelf, e))
		return false;
	if (b->is_gone)
		return fail_sys(e, FAULT_TEMP, ENOENT, "the folder is gone");
	to = reallocarray(NULL, n ? n : 1, sizeof(*to));
	if (!to)
		return fail(e, FAULT_TEMP, "out of memory");
	chosen = choose(b, uids, n, change, to, failed, &n_failed);
	ok = !chosen || flag_log_add(b->shelf->flag_log, b, change, to, chosen, e);
	if (ok && chosen) {
		change_all(b, to, chosen, change, by);
		shelf_wake(b->shelf);
	}
	if (ok && ret_n_failed)
		*ret_n_failed = n_failed;
	free(to);
	return ok;
}

/* ---- names follow ---- */

struct follow {
	uint32_t uid, keywords;
	uint8_t flags;
	int sys;
};

struct follow_job {
	struct box *b;
	struct follow *f;
	size_t n;
	bool sync;
	int sys;
};

static bool name_with(const struct box *b, const struct letter *l, uint8_t flags, uint32_t keywords,
		      char to[static STORE_NAME_MAX + 1])
{
	struct str stem = letter_stem(b, l);
	char info[INFO_MAX];
	size_t n = file_info_print(flags, keywords, info);

	if (stem.n + n > STORE_NAME_MAX)
		return false;
	memcpy(to, stem.p, stem.n);
	memcpy(to + stem.n, info, n);
	to[stem.n + n] = '\0';
	return true;
}

static void follow_run(void *arg)
{
	struct follow_job *j = arg;

	for (size_t i = 0; i < j->n; i++) {
		char was[STORE_NAME_MAX + 1], to[STORE_NAME_MAX + 1];
		struct follow *f = &j->f[i];
		const struct letter *l = box_find(j->b, f->uid);
		int dir = letter_file(j->b, l, was);

		if (!name_with(j->b, l, f->flags, f->keywords, to))
			f->sys = ENAMETOOLONG;
		else if (FAULT_POINT(box_follow) || rename_fresh(dir, was, j->b->dir.cur, to))
			f->sys = errno;
	}
	if (j->sync && fsync(j->b->dir.cur))
		j->sys = errno;
}

/* Back on the loop: what the disk has now.  A name too long for its flags stays as it is, and so does
 * one of two files of one letter. */
static bool follow_done(struct box *b, const struct follow *f, struct err *e)
{
	char name[STORE_NAME_MAX + 1];
	size_t place = box_place(b, f->uid);
	struct letter *l = &b->letters[place];

	if (place == b->n)
		return true;
	if (f->sys == ENOENT) {
		b->look_new = b->look_cur = true;
		return true;
	}
	if (f->sys == EEXIST || f->sys == ENAMETOOLONG) {
		l->disk_flags = f->flags;
		l->disk_keywords = f->keywords;
		box_set_flags(b, l, l->flags, l->keywords);
		return true;
	}
	if (f->sys)
		return fail_sys(e, FAULT_TEMP, f->sys, "rename a letter");
	(void)name_with(b, l, f->flags, f->keywords, name);
	if (!letter_set_file(b, l, str_from_z(name), false, e))
		return false;
	b->cur_needs_sync = true;
	box_set_flags(b, l, l->flags, l->keywords);
	return true;
}

static size_t collect(const struct box *b, bool claim, struct follow *to, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n && n < most; i++) {
		const struct letter *l = &b->letters[i];

		if (l->is_dirty || (claim && l->state & STATE_IN_NEW))
			to[n++] = (struct follow){ l->uid, l->keywords, l->flags, 0 };
	}
	return n;
}

SUSPENDS static bool guard_all(struct box *b, const struct follow *f, size_t n, struct err *e)
{
	uint32_t *uids = reallocarray(NULL, n ? n : 1, sizeof(*uids));
	bool ok = uids || fail(e, FAULT_TEMP, "out of memory");

	for (size_t i = 0; ok && i < n; i++)
		uids[i] = f[i].uid;
	ok = ok && box_guard(b, uids, n, e);
	free(uids);
	return ok;
}

/* One batch; *ret_n is 0 when nothing is dirty.  A name ahead of the log on the disk would get older flags mixed
 * in when its lines are done again. */
SUSPENDS static bool follow_batch(struct box *b, bool claim, size_t most, size_t *ret_n, struct err *e)
{
	struct follow *f = calloc(RENAMES_AT_ONCE, sizeof(*f));
	struct follow_job j = { .b = b, .f = f };
	bool ok = f || fail(e, FAULT_TEMP, "out of memory");

	if (ok) {
		j.n = collect(b, claim, f, most < RENAMES_AT_ONCE ? most : RENAMES_AT_ONCE);
		ok = guard_all(b, f, j.n, e) && flag_log_sync(b->shelf->flag_log, e);
	}
	if (ok && j.n) {
		off_loop(follow_run, &j);
		for (size_t i = 0; i < j.n; i++)
			ok = follow_done(b, &f[i], e) && ok;
		watch_poll(b->shelf);
	}
	*ret_n = j.n;
	free(f);
	return ok;
}

SUSPENDS bool names_follow(struct box *b, bool claim, size_t most, struct err *e)
{
	size_t n = 0;

	while (most && (b->n_dirty || (claim && b->n_new)) && !b->is_gone) {
		/* a letter that another program renamed is looked for, then renamed */
		if (!follow_batch(b, claim, most, &n, e) || !box_look(b, false, e))
			return false;
		most -= n < most ? n : most;
		if (!n)
			break;
	}
	return true;
}

SUSPENDS static bool cur_sync(struct box *b, struct err *e)
{
	struct follow_job j = { .b = b, .sync = true };

	if (!b->cur_needs_sync)
		return true;
	off_loop(follow_run, &j);
	b->cur_needs_sync = j.sys != 0;
	return !j.sys || fail_sys(e, FAULT_TEMP, j.sys, "sync cur");
}

static bool have_all_followed(struct shelf *s)
{
	struct str folder;
	void *box;

	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);)
		if (((struct box *)box)->n_dirty || ((struct box *)box)->cur_needs_sync)
			return false;
	return true;
}

SUSPENDS bool names_follow_all(struct shelf *s, struct err *e)
{
	bool ok, waited = s->flags_wait;
	struct str folder;
	void *box;

	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);)
		if (!names_follow(box, false, SIZE_MAX, e) || !cur_sync(box, e))
			return false;
	/* flags that changed and changed back left no name to follow, but lines: half of them would be a change */
	if (!flag_log_sync(s->flag_log, e))
		return false;
	if (flag_log_is_empty(s->flag_log) || flag_log_needs_sync(s->flag_log) || !have_all_followed(s))
		return true;
	s->flags_wait = true;
	ok = flag_log_clear(s->flag_log, e);
	s->flags_wait = waited;
	return ok;
}
