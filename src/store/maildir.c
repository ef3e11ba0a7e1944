/* maildir.c — letters as files.
 *
 * A letter is written to tmp/BASE, converted to LF on the way, and renamed to
 * new/BASE,S=…,W=… (or cur/…:2,FLAGS) by one renameat2(RENAME_NOREPLACE): four
 * system calls, and nobody ever sees half a letter.  O_TMPFILE and link+unlink
 * cost the same CPU; the rename needs neither /proc nor a moment with two names.
 *
 * States of one delivery, and what redoing it does:
 *   D0                 nothing             written
 *   D1  +tmp           being written       tmp/BASE removed, written
 *   D2  +new or +cur   there, perhaps empty after a power cut (names reach the disk before
 *                      bytes do)           same bytes: done; else replaced under its name
 *   D3  D2 and synced  safe                nobody asks any more
 * Guarantee: from D2 on the letter is never there twice; before D2 nobody sees it. */
#include "store/maildir.h"

#include "base/fd.h"
#include "base/hooks.h"
#include "store/quota.h"
#include "store/rename.h"
#include "store/shelf.h"
#include "wire/lf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A letter on its way into a file, or to be compared with one. */
struct pump {
	struct maildir *m;
	int fd;
	bool compare, differs;
	struct lf lf;
	size_t n;                        /* bytes in m->out */
	int64_t at;
};

static bool pump_compare(struct pump *p, struct err *e)
{
	for (size_t done = 0; done < p->n && !p->differs;) {
		size_t want = p->n - done < BACK_ROOM ? p->n - done : BACK_ROOM;
		ssize_t got = pread(p->fd, p->m->back, want, p->at + (int64_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_sys(e, FAULT_TEMP, errno, "read a letter");
		p->differs = got == 0 || memcmp(p->m->back, p->m->out + done, (size_t)got) != 0;
		done += (size_t)got;
	}
	return true;
}

static bool pump_flush(struct pump *p, struct err *e)
{
	bool ok = p->compare ? pump_compare(p, e) : fd_write_all(p->fd, str_of(p->m->out, p->n), e);

	p->at += (int64_t)p->n;
	p->n = 0;
	return ok;
}

static bool pump_run(struct pump *p, struct letter_source *in, struct err *e)
{
	struct str piece;

	in->rewind(in);
	for (;;) {
		if (!in->next(in, &piece, e))
			return false;
		if (!piece.n)
			break;
		while (piece.n) {
			size_t room = OUT_ROOM - p->n;

			if (room < piece.n + 2 && p->n) {
				if (!pump_flush(p, e))
					return false;
				continue;
			}
			if (room - 2 > piece.n)
				room = piece.n + 2;
			p->n += lf_feed(&p->lf, str_head(piece, room - 2), p->m->out + p->n);
			piece = str_from(piece, room - 2);
		}
	}
	p->n += lf_finish(&p->lf, p->m->out + p->n);
	return pump_flush(p, e);
}

static int dir_of(const struct folder *f, const struct store_letter *l)
{
	return l->at == LETTER_IN_CUR ? f->cur : f->new;
}

/* Is what lies there, under l->name, this letter? */
static bool is_same(struct maildir *m, const struct folder *f, struct store_letter *l, bool *ret,
		    struct err *e)
{
	AUTO(fd_end) int fd = openat(dir_of(f, l), l->name,
				     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct pump p = { .m = m, .fd = fd, .compare = true };
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return fail(e, FAULT_TEMP, "%s is not a file", l->name);
	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open %s", l->name);
	if (fstat(fd, &st))
		return fail_sys(e, FAULT_TEMP, errno, "look at %s", l->name);
	if (!S_ISREG(st.st_mode))
		return fail(e, FAULT_TEMP, "%s is not a file", l->name);
	if (!pump_run(&p, l->source, e))
		return false;
	l->size = p.lf.size;
	l->vsize = p.lf.vsize;
	*ret = !p.differs && st.st_size == p.at;
	return true;
}

struct look {
	struct dir_visit v;
	struct store_letter *letters;
	size_t n;
	struct str folder;
	enum letter_at where;
};

static bool look_each(struct dir_visit *v, struct str name)
{
	struct look *k = (struct look *)v;

	for (size_t i = 0; i < k->n; i++) {
		struct store_letter *l = &k->letters[i];

		if (l->at <= LETTER_NOWHERE && str_eq(l->folder, k->folder) &&
		    name.n <= STORE_NAME_MAX && store_name_is(name, l->base)) {
			l->at = k->where;
			memcpy(l->name, name.p, name.n);
			l->name[name.n] = '\0';
		}
	}
	return true;
}

/* One reading of new/ and cur/ tells for all letters of this folder where they are.  cur/ comes
 * last and once more new/ is not needed: readers move from new/ to cur/ only. */
static bool look(const struct folder *f, struct store_letter *letters, size_t n, struct str folder,
		 struct err *e)
{
	struct look k = { { .each = look_each }, letters, n, folder, LETTER_IN_NEW };

	for (size_t i = 0; i < n; i++)
		if (str_eq(letters[i].folder, folder))
			letters[i].at = LETTER_NOWHERE;
	if (!dir_visit(f->new, false, &k.v, e))
		return false;
	k.where = LETTER_IN_CUR;
	return dir_visit(f->cur, false, &k.v, e);
}

/* tmp/BASE, complete and closed; on failure it is gone. */
static bool write_tmp(struct maildir *m, const struct folder *f, struct store_letter *l,
		      const char *base, struct err *e)
{
	enum { HOW = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };
	struct pump p = { .m = m, .fd = openat(f->tmp, base, HOW, 0600) };
	bool ok;

	if (p.fd < 0 && errno == EEXIST && !unlinkat(f->tmp, base, 0))
		p.fd = openat(f->tmp, base, HOW, 0600);
	if (p.fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "make tmp/%s", base);
	ok = !FAULT_IN(store_write, e) && pump_run(&p, l->source, e);
	/* a network file system says here that the disk is full */
	if (close(p.fd) && ok)
		ok = fail_sys(e, FAULT_TEMP, errno, "close");
	if (!ok) {
		unlinkat(f->tmp, base, 0);
		return fail_in(e, "tmp/%s", base);
	}
	l->size = p.lf.size;
	l->vsize = p.lf.vsize;
	return true;
}

/* The name could not be given.  NFS may say so of a rename that worked, and an attempt before may
 * have come this far: what counts is whether the letter lies there. */
static bool settle(struct maildir *m, const struct folder *f, struct store_letter *l, int sys,
		   struct err *e)
{
	struct err ignored;
	bool same = false;

	if (look(f, l, 1, l->folder, &ignored) && l->at != LETTER_NOWHERE &&
	    is_same(m, f, l, &same, &ignored) && same)
		return true;
	return fail_sys(e, FAULT_TEMP, sys, "give " STR_FMT " its name", STR_ARG(l->base));
}

static bool name_it(struct store_letter *l, struct err *e)
{
	return store_name_print(l, l->name, sizeof(l->name)) ? true
							    : fail(e, FAULT_PERM, "the name is too long");
}

/* tmp/ and a rename, as every Maildir has it. */
static bool put_by_rename(struct maildir *m, const struct folder *f, struct store_letter *l,
			  bool is_there, struct err *e)
{
	char base[STORE_BASE_MAX + 1];
	bool ok;

	memcpy(base, l->base.p, l->base.n);
	base[l->base.n] = '\0';
	if (!write_tmp(m, f, l, base, e))
		return false;
	ok = is_there || name_it(l, e);
	if (ok && (FAULT_POINT(store_link) || (is_there ? renameat(f->tmp, base, dir_of(f, l), l->name) :
							   rename_fresh(f->tmp, base, dir_of(f, l), l->name))))
		ok = settle(m, f, l, errno, e) && (unlinkat(f->tmp, base, 0), true);
	if (!ok)
		unlinkat(f->tmp, base, 0);
	return ok;
}

/* The kernel or the file system has no files without a name, or does not let us name them (before
 * Linux 6.10 that takes a right which we do not have). */
static bool is_unable(int sys)
{
	return sys == EOPNOTSUPP || sys == EISDIR || sys == ENOENT || sys == EINVAL || sys == EPERM;
}

/* A file that has no name before it is whole: one change of one directory instead of three of two,
 * and nothing to sweep after a crash.  *unable: nothing was done, rename instead. */
static bool put_unnamed(struct maildir *m, const struct folder *f, struct store_letter *l,
			bool *unable, struct err *e)
{
	AUTO(fd_end) int fd = openat(dir_of(f, l), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	struct pump p = { .m = m, .fd = fd };

	*unable = fd < 0 && is_unable(errno);
	if (fd < 0)
		return *unable ? false : fail_sys(e, FAULT_TEMP, errno, "make a file");
	if (FAULT_IN(store_write, e) || !pump_run(&p, l->source, e))
		return fail_in(e, STR_FMT, STR_ARG(l->base));
	l->size = p.lf.size;
	l->vsize = p.lf.vsize;
	if (!name_it(l, e))
		return false;
	if (FAULT_POINT(store_link) || linkat(fd, "", dir_of(f, l), l->name, AT_EMPTY_PATH)) {
		*unable = is_unable(errno);
		return *unable ? false : settle(m, f, l, errno, e);
	}
	if (close(fd_take(&fd))) {
		int sys = errno;

		unlinkat(dir_of(f, l), l->name, 0);
		return fail_sys(e, FAULT_TEMP, sys, "close " STR_FMT, STR_ARG(l->base));
	}
	return true;
}

static bool put(struct maildir *m, const struct folder *f, struct store_letter *l, struct err *e)
{
	bool is_there = l->at == LETTER_IN_NEW || l->at == LETTER_IN_CUR, unable, ok;

	if (is_there)
		return put_by_rename(m, f, l, true, e);
	l->at = l->flags.n ? LETTER_IN_CUR : LETTER_IN_NEW;
	if (!m->needs_tmp) {
		ok = put_unnamed(m, f, l, &unable, e);
		if (ok || !unable)
			return ok;
	}
	if (!put_by_rename(m, f, l, false, e))
		return false;
	m->needs_tmp = true;
	return true;
}

static bool deliver_into(struct maildir *m, const struct folder *f, struct store_letter *l,
			 size_t n_after, struct err *e)
{
	bool same = false;

	if (l->mode == STORE_FRESH)
		return put(m, f, l, e);
	if (l->at == LETTER_UNKNOWN && !look(f, l, n_after, l->folder, e))
		return false;
	if (l->at != LETTER_NOWHERE && l->mode == STORE_REDO && !is_same(m, f, l, &same, e)) {
		/* it moved between the looking and the opening, or is no file */
		if (e->sys != ENOENT || !look(f, l, 1, l->folder, e))
			return false;
		if (l->at != LETTER_NOWHERE && !is_same(m, f, l, &same, e))
			return false;
	}
	return same || put(m, f, l, e);
}

/* The folder's descriptors, kept from batch to batch while the path still leads there. */
static struct folder *folder_get(struct maildir *m, struct str name, struct err *e)
{
	struct folder *f;

	for (size_t i = 0; i < m->n_folders; i++)
		if (str_eq(str_from_z(m->folders[i].name), name) && m->folders[i].tmp >= 0)
			return &m->folders[i];
	f = &m->folders[m->next_folder];
	if (m->n_folders < FOLDERS_OPEN)
		m->n_folders++;
	m->next_folder = (m->next_folder + 1) % FOLDERS_OPEN;
	folder_end(f);
	if (folder_open(m->home, m->root, name, true, f, e))
		return f;
	/* perhaps it was made and not synced */
	m->chain_safe = false;
	return NULL;
}

/* Their owner may move or remove folders at any time; letters that come together look once. */
static void folders_look(struct maildir *m)
{
	int64_t now = time_mono();

	if (m->looked && now - m->looked < LOOK_AGAIN)
		return;
	m->looked = now;
	for (size_t i = 0; i < m->n_folders; i++)
		if (m->folders[i].tmp >= 0 && !folder_is_there(m->home, m->root, &m->folders[i]))
			folder_end(&m->folders[i]);
}

static void maildir_deliver(struct store *s, struct store_letter *letters, size_t n)
{
	struct maildir *m = (struct maildir *)s;

	pthread_mutex_lock(&m->lock);
	folders_look(m);
	for (size_t i = 0; i < n; i++)
		letters[i].at = LETTER_UNKNOWN;
	for (size_t i = 0; i < n; i++) {
		struct folder *f = folder_get(m, letters[i].folder, &letters[i].err);

		letters[i].done = f && deliver_into(m, f, &letters[i], n - i, &letters[i].err);
		if (letters[i].done)
			letters[i].err = (struct err){ 0 };
	}
	pthread_mutex_unlock(&m->lock);
}

static void maildir_close(struct store *s)
{
	struct maildir *m = (struct maildir *)s;

	shelf_close(m->shelf);
	for (size_t i = 0; i < m->n_folders; i++)
		folder_end(&m->folders[i]);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static void maildir_delivered(struct store *s, const struct store_letter *l)
{
	struct maildir *m = (struct maildir *)s;

	if (!m->shelf)
		return;
	shelf_delivered(m->shelf, l->folder);
	if (l->mode == STORE_FRESH)
		quota_changed(m->shelf, (int64_t)l->size, 1);
	else
		quota_unsure(m->shelf);  /* it may have lain there before */
}

static const struct store_engine maildir_engine = {
	maildir_deliver, maildir_sync, maildir_read, maildir_sweep, maildir_close, maildir_delivered,
};

struct maildir *maildir_of(struct store *s)
{
	return s->engine == &maildir_engine ? (struct maildir *)s : NULL;
}

bool maildir_open(int home, struct str name, struct store **ret, struct err *e)
{
	struct maildir *m;

	if (!name.n || name.n > STORE_NAME_MAX || str_has(name, '/') || str_has(name, '\0') ||
	    str_eq(name, S(".")) || str_eq(name, S("..")))
		return fail(e, FAULT_PERM, "not a name for a Maildir");
	m = calloc(1, sizeof(*m));
	if (!m)
		return fail(e, FAULT_TEMP, "out of memory");
	m->store.engine = &maildir_engine;
	m->home = home;
	memcpy(m->root, name.p, name.n);
	for (size_t i = 0; i < FOLDERS_OPEN; i++)
		m->folders[i] = FOLDER_NONE;
	pthread_mutex_init(&m->lock, NULL);
	*ret = &m->store;
	return true;
}
