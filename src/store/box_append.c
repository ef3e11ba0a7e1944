/* box_append.c — letters from outside come into a folder.
 *
 * Their bytes go to tmp/ as they arrive.  A commit has the files written, gives them UIDs in the
 * uidlist, renames them to cur/ and syncs the directory; what other sessions have ready by then
 * goes along and shares the syncs.
 *
 * States:  A0  tmp/ only: after a crash the sweep removes it   A1  files written (durable.h)
 *          A2  their UIDs are in the uidlist, written          A3  some are in cur/
 *          A4  all, and cur/ is synced, which makes the rest durable: OK is said
 * Guarantee: a letter is in cur/ whole and with its UID, or not at all; before A4 nobody was told. */
#include "base/hooks.h"
#include "store/box_file.h"
#include "store/durable.h"
#include "store/quota.h"
#include "store/rename.h"
#include "wire/lf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUT_BYTES = 64 * 1024, APPEND_LETTERS_MAX = 10000, LINES_MAX = 16 << 20 };

struct append_item {
	char stem[STORE_NAME_MAX + 1];   /* without ",S=" until its bytes have all come */
	char tmp[STORE_BASE_MAX + 1];
	uint8_t flags;
	uint32_t keywords, size, vsize, uid;
	int64_t date;
	struct str names[KEYWORDS_MAX];  /* of keywords, malloc()ed together at names[0].p */
	size_t n_names;
	bool is_in_cur;
};

struct append {
	struct shelf *shelf;
	struct box *box;                 /* used by us */
	const struct by *by;
	struct append_item **items;
	size_t n, cap;
	struct lf lf;
	int fd;                          /* of the last item while its bytes come */
	char *out;
	struct append *next;             /* in the shelf's line of commits */
	bool is_waiting;                 /* in the shelf's line */
	bool is_taken;                   /* another session's commit works on it */
	bool is_left;                    /* its session went meanwhile: freed when that commit ends */
	bool is_done, ok;
	uint32_t first;
	struct err e;
};

SUSPENDS bool append_open(struct store *s, struct str folder, const struct by *by,
			  struct append **ret, struct err *e)
{
	struct append *a;
	struct box *b;

	if (!box_open(s, folder, &b, e))
		return false;
	a = calloc(1, sizeof(*a));
	if (a)
		a->out = malloc(OUT_BYTES + 2);
	if (!a || !a->out) {
		free(a);
		box_close(b);
		return fail(e, FAULT_TEMP, "out of memory");
	}
	a->fd = -1;
	a->shelf = b->shelf;
	a->box = b;
	a->by = by;
	*ret = a;
	return true;
}

static struct append_item *item_add(struct append *a, struct err *e)
{
	struct append_item *item;

	if (a->n == APPEND_LETTERS_MAX) {
		fail_sys(e, FAULT_PERM, E2BIG, "more than %d letters at once", APPEND_LETTERS_MAX);
		return NULL;
	}
	if (a->n == a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 4;
		struct append_item **more = reallocarray(a->items, cap, sizeof(struct append_item *));

		if (!more) {
			fail(e, FAULT_TEMP, "out of memory");
			return NULL;
		}
		a->items = more;
		a->cap = cap;
	}
	item = calloc(1, sizeof(*item));
	if (!item) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	return a->items[a->n++] = item;
}

/* SECONDS.MmicrosecondsPpidQnumber.host: pid and number are ours alone on this host. */
static void name_make(struct append *a, struct str base, struct append_item *item)
{
	struct buf b = buf_over(item->tmp, sizeof(item->tmp) - 1);
	int64_t now = time_now();

	if (base.n)
		buf_add(&b, str_head(base, STORE_BASE_MAX));
	else
		buf_addf(&b, "%lld.M%lldP%dQ%llu.%s", (long long)(now / SECOND),
			 (long long)(now % SECOND), (int)getpid(),
			 (unsigned long long)++a->shelf->names_made, a->shelf->host);
	item->tmp[b.n] = '\0';
}

static bool keywords_keep(struct append_item *item, const struct append_facts *f, struct err *e)
{
	size_t total = 0, at = 0;
	char *all;

	for (size_t i = 0; i < f->n_keywords && i < KEYWORDS_MAX; i++) {
		if (!keyword_is_valid(f->keywords[i]))
			return fail_sys(e, FAULT_PERM, EINVAL, "not a keyword");
		total += f->keywords[i].n;
	}
	all = total ? malloc(total) : NULL;
	if (total && !all)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; all && i < f->n_keywords && i < KEYWORDS_MAX; i++) {
		memcpy(all + at, f->keywords[i].p, f->keywords[i].n);
		item->names[item->n_names++] = str_of(all + at, f->keywords[i].n);
		at += f->keywords[i].n;
	}
	return true;
}

static bool out_flush(struct append *a, size_t n, struct err *e)
{
	return fd_write_all(a->fd, str_of(a->out, n), e) || fail_in(e, "append");
}

/* The last letter's bytes have all come. */
static bool item_finish(struct append *a, struct err *e)
{
	struct append_item *item = a->n ? a->items[a->n - 1] : NULL;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

	if (a->fd < 0)
		return true;
	if (!out_flush(a, lf_finish(&a->lf, a->out), e))
		return false;
	if (a->lf.vsize > UINT32_MAX)
		return fail_sys(e, FAULT_PERM, EFBIG, "the letter is too big");
	item->size = (uint32_t)a->lf.size;
	item->vsize = (uint32_t)a->lf.vsize;
	times[1].tv_sec = item->date;
	if (futimens(a->fd, times))
		return fail_sys(e, FAULT_TEMP, errno, "set the date of a letter");
	(void)sync_file_range(a->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	if (snprintf(item->stem, sizeof(item->stem), "%s,S=%u,W=%u", item->tmp, item->size, item->vsize) >
	    STORE_NAME_MAX - INFO_MAX)
		return fail(e, FAULT_PERM, "the name is too long");
	fd_end(&a->fd);
	return true;
}

SUSPENDS bool append_letter(struct append *a, const struct append_facts *f, struct err *e)
{
	enum { HOW = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };
	struct append_item *item;

	if (!item_finish(a, e))
		return false;
	item = item_add(a, e);
	if (!item || !keywords_keep(item, f, e))
		return false;
	name_make(a, f->base, item);
	item->flags = f->flags & LETTER_SYSTEM;
	item->date = f->date ? f->date : time_now() / SECOND;
	a->lf = (struct lf){ .prev = -1 };
	a->fd = openat(a->box->dir.tmp, item->tmp, HOW, 0600);
	return a->fd >= 0 || fail_sys(e, FAULT_TEMP, errno, "make tmp/%s", item->tmp);
}

SUSPENDS bool append_bytes(struct append *a, struct str bytes, struct err *e)
{
	must(a->fd >= 0, "bytes follow append_letter()");
	while (bytes.n) {
		struct str piece = str_head(bytes, OUT_BYTES - 1);

		if (!out_flush(a, lf_feed(&a->lf, piece, a->out), e))
			return false;
		bytes = str_from(bytes, piece.n);
	}
	return true;
}

static void append_free(struct append *a)
{
	fd_end(&a->fd);
	for (size_t i = 0; i < a->n; i++) {
		if (!a->ok)
			(void)unlinkat(a->box->dir.tmp, a->items[i]->tmp, 0);
		free((char *)(uintptr_t)a->items[i]->names[0].p);
		free(a->items[i]);
	}
	free(a->items);
	free(a->out);
	box_close(a->box);
	free(a);
}

void append_close(struct append *a)
{
	if (!a)
		return;
	a->is_left = a->is_taken;
	a->by = NULL;
	if (!a->is_left)
		append_free(a);
}

/* ---- commit, in a thread ---- */

struct commit_job {
	struct append *first;            /* all of one box */
	struct box *b;
	uint32_t next;                   /* UID after the last */
	struct err e;
	bool ok;
};

static bool item_sync(struct box *b, struct append_item *item, struct err *e)
{
	AUTO(fd_end) int fd = openat(b->dir.tmp, item->tmp, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open tmp/%s", item->tmp);
	return durable_written(fd, e);
}

static bool items_sync(struct commit_job *j)
{
	for (struct append *a = j->first; a; a = a->next)
		for (size_t i = 0; i < a->n; i++)
			if (!item_sync(j->b, a->items[i], &j->e))
				return false;
	return true;
}

static bool items_give_uids(struct commit_job *j)
{
	AUTO(uidlist_unlock) struct uidlist_lock lock = UIDLIST_UNLOCKED;
	AUTO(buf_end) struct buf lines = buf_on_heap(LINES_MAX);
	uint32_t next;

	if (!uids_begin(j->b, &lock, NULL, &j->e))
		return false;
	next = j->b->next;
	for (struct append *a = j->first; a; a = a->next) {
		a->first = next;
		for (size_t i = 0; i < a->n; i++) {
			if (next == UINT32_MAX)
				return fail(&j->e, FAULT_TEMP, "the folder has no UIDs left");
			a->items[i]->uid = next++;
			uidlist_line_print(&(struct uidlist_line){ a->items[i]->uid, { 0 },
								   str_from_z(a->items[i]->stem) }, &lines);
		}
	}
	if (lines.full)
		return fail(&j->e, FAULT_TEMP, "too many letters at once");
	if (!uids_append(j->b, buf_str(&lines), true, &j->e))
		return false;
	j->b->next = next;
	return true;
}

static void item_name(const struct append_item *item, char to[static STORE_NAME_MAX + 1])
{
	size_t n = strlen(item->stem);

	memcpy(to, item->stem, n);
	n += file_info_print(item->flags, item->keywords, to + n);
	to[n] = '\0';
}

static bool items_rename(struct commit_job *j)
{
	char name[STORE_NAME_MAX + 1];

	for (struct append *a = j->first; a; a = a->next)
		for (size_t i = 0; i < a->n; i++) {
			struct append_item *item = a->items[i];

			item_name(item, name);
			if (FAULT_POINT(box_append) ||
			    rename_fresh(j->b->dir.tmp, item->tmp, j->b->dir.cur, name))
				return fail_sys(&j->e, FAULT_TEMP, errno, "rename to cur/%s", name);
			item->is_in_cur = true;
		}
	return true;
}

static void items_undo(struct commit_job *j)
{
	char name[STORE_NAME_MAX + 1];

	for (struct append *a = j->first; a; a = a->next)
		for (size_t i = 0; i < a->n; i++) {
			item_name(a->items[i], name);
			if (a->items[i]->is_in_cur)
				(void)unlinkat(j->b->dir.cur, name, 0);
		}
}

static void commit_run(void *arg)
{
	struct commit_job *j = arg;

	j->ok = items_sync(j) && items_give_uids(j) && items_rename(j) &&
		!FAULT_IN(box_sync, &j->e) && fd_sync(j->b->dir.cur, &j->e);
	if (!j->ok)
		items_undo(j);
}

/* ---- commit, on the loop ---- */

static bool add_item(struct box *b, const struct append_item *item, uint64_t modseq, struct err *e)
{
	char name[STORE_NAME_MAX + 1];
	struct letter *l = box_add(b, item->uid, str_from_z(item->stem), e);

	item_name(item, name);
	if (!l || !letter_set_file(b, l, str_from_z(name), false, e))
		return false;
	l->flags = l->disk_flags;
	l->keywords = l->disk_keywords;
	l->date = item->date;
	l->saved = time_now() / SECOND;
	l->known = KNOWN_ALL;
	l->modseq = modseq;
	box_index_add(b, l);
	return true;
}

/* Without memory the folder is looked at again: the letters are there. */
static void add_items(struct append *a)
{
	struct box *b = a->box;
	uint64_t modseq = box_modseq_next(b);
	uint64_t bytes = 0;
	struct err ignored;

	for (size_t i = 0; i < a->n; i++) {
		if (!add_item(b, a->items[i], modseq, &ignored))
			b->look_cur = true;
		bytes += a->items[i]->size;
	}
	if (a->n)
		box_log(b, &(struct change){ CHANGE_NEW, a->first, a->first + (uint32_t)a->n - 1, modseq,
					     a->by });
	quota_changed(a->shelf, (int64_t)bytes, (int64_t)a->n);
}

SUSPENDS static bool give_keywords(struct append *a)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < a->items[i]->n_names; k++) {
			unsigned bit;

			if (!box_keyword_give(a->box, a->items[i]->names[k], &bit, &a->e))
				return false;
			a->items[i]->keywords |= UINT32_C(1) << bit;
		}
	return true;
}

/* Those that fail by themselves are left out of the job. */
SUSPENDS static void commit_prepare(struct box *b, struct append *first, struct commit_job *j)
{
	struct append **end = &j->first;

	for (struct append *a = first, *next; a; a = next) {
		next = a->next;
		a->next = NULL;
		if (b->is_gone)
			fail_sys(&a->e, FAULT_TEMP, ENOENT, "the folder is gone");
		else if (give_keywords(a)) {
			*end = a;
			end = &a->next;
			continue;
		}
		a->is_done = true;
		a->is_taken = false;
	}
}

/* The shelf is held.  All that wait for this box. */
SUSPENDS static void commit_box(struct box *b, struct append *first)
{
	struct commit_job j = { .b = b };

	commit_prepare(b, first, &j);
	if (!j.first)
		return;
	off_loop(commit_run, &j);
	for (struct append *a = j.first, *next; a; a = next) {
		next = a->next;
		a->next = NULL;
		a->ok = j.ok;
		a->e = j.e;
		a->is_done = true;
		a->is_taken = false;
		if (j.ok)
			add_items(a);
		if (a->is_left)
			append_free(a);
	}
	watch_poll(b->shelf);
}

/* Take those of one box out of the line. */
static struct append *take_box(struct shelf *s, struct box *b)
{
	struct append *mine = NULL, **end = &mine;

	for (struct append **at = &s->commits; *at;) {
		struct append *a = *at;

		if (a->box != b) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		a->next = NULL;
		a->is_waiting = false;
		a->is_taken = true;
		*end = a;
		end = &a->next;
	}
	return mine;
}

static void leave_line(struct append *a)
{
	for (struct append **at = &a->shelf->commits; *at; at = &(*at)->next)
		if (*at == a) {
			*at = a->next;
			break;
		}
	a->next = NULL;
	a->is_waiting = false;
}

SUSPENDS bool append_commit(struct append *a, uint32_t *ret_validity, uint32_t *ret_first,
			    struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };

	if (!item_finish(a, e))
		return false;
	a->next = a->shelf->commits;
	a->shelf->commits = a;
	a->is_waiting = true;
	if (!shelf_hold(&held, a->shelf, e)) {
		/* what another session took along may be done already: then it stays */
		if (a->is_waiting)
			leave_line(a);
		if (!a->is_done)
			return false;
	} else if (!a->is_done) {
		commit_box(a->box, take_box(a->shelf, a->box));
	}
	if (!a->ok) {
		*e = a->e;
		return false;
	}
	*ret_validity = a->box->validity;
	*ret_first = a->first;
	return true;
}
