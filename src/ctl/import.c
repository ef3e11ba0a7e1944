/* import.c — waxwing import: files are opened with the caller's rights and handed to the mailbox, which reads them. */
#include "ctl/transfer.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LETTERS_MAX = 50 << 20 };

static int open_file(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* The folder that follows, in the account. */
SUSPENDS static bool folder_say(struct transfer *t, const struct tree_row *row, int keywords, struct err *e)
{
	struct import_folder q = { .folder = row->name, .is_raw = row->is_raw, .keywords = keywords };
	struct import_folder_answer r;

	if (t->has_folder)
		q = (struct import_folder){ .folder = t->folder, .keywords = keywords };
	else if (!row->name.n)
		q = (struct import_folder){ .folder = S("INBOX"), .keywords = keywords };
	arena_end(t->a);
	t->folders++;
	return import_folder(t->mailbox, &q, &r, t->a, e);
}

/* ---- the letters of a Maildir ---- */

struct names {
	struct name {
		char *text;
		uint64_t seconds;
		bool is_new;
	} *p;
	size_t n, cap;
};

static void names_end(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->p[i].text);
	free(l->p);
}

/* A name begins with the second of its arrival. */
static uint64_t seconds_of(struct str name)
{
	uint64_t ret;

	return str_u64(str_head(name, str_find(name, '.')), &ret) ? ret : UINT64_MAX;
}

static bool name_add(struct names *l, const char *text, bool is_new, struct err *e)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 1024;
		struct name *more = cap > LETTERS_MAX ? NULL : reallocarray(l->p, cap, sizeof(*more));

		if (!more)
			return fail(e, FAULT_TEMP, "too many letters in one folder");
		l->p = more;
		l->cap = cap;
	}
	l->p[l->n] = (struct name){ strdup(text), seconds_of(str_from_z(text)), is_new };
	return l->p[l->n++].text || fail(e, FAULT_TEMP, "out of memory");
}

static bool names_read(struct names *l, int dir, bool is_new, struct err *e)
{
	int fd = openat(dir, is_new ? "new" : "cur", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	bool ok = true;

	if (!d)
		return errno == ENOENT || fail_sys(e, FAULT_PERM, errno, "%s", is_new ? "new" : "cur");
	while (ok && (ent = readdir(d)))
		ok = ent->d_name[0] == '.' || name_add(l, ent->d_name, is_new, e);
	closedir(d);
	return ok;
}

/* In the order of arrival, which becomes that of the UIDs. */
static int by_arrival(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return x->seconds != y->seconds ? (x->seconds < y->seconds ? -1 : 1) : strcmp(x->text, y->text);
}

SUSPENDS static bool letter_take(struct transfer *t, int dir, const struct name *n, struct str folder, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	char *path = str_z(&a, arena_printf(&a, "%s/%s", n->is_new ? "new" : "cur", n->text));
	AUTO(fd_end) int fd = path ? open_file(dir, path) : -1;
	struct import_letter_answer r;
	struct err why;

	if (fd < 0) {
		transfer_refuse(t, STR_FMT "/%s: %s", STR_ARG(folder), path, strerrordesc_np(errno));
		return true;
	}
	arena_end(t->a);
	if (import_letter(t->mailbox, &(struct import_letter){ .name = str_from_z(n->text), .is_new = n->is_new, .letter = fd },
			  &r, t->a, &why))
		return true;
	if (why.fault != FAULT_PERM) {
		*e = why;
		return false;
	}
	transfer_refuse(t, STR_FMT "/%s: %s", STR_ARG(folder), path, why.text);
	return true;
}

SUSPENDS static bool maildir_take(struct transfer *t, int root, const struct tree_row *row, struct err *e)
{
	AUTO(fd_end) int dir = dir_below(root, row->path, e);
	AUTO(names_end) struct names l = { 0 };
	AUTO(fd_end) int keywords = dir < 0 ? -1 : open_file(dir, "dovecot-keywords");

	if (dir < 0 || !names_read(&l, dir, true, e) || !names_read(&l, dir, false, e) || !folder_say(t, row, keywords, e))
		return false;
	if (l.n)
		qsort(l.p, l.n, sizeof(*l.p), by_arrival);
	for (size_t i = 0; i < l.n; i++) {
		if (!letter_take(t, dir, &l.p[i], row->path, e))
			return false;
		t->progress.letters = ++t->letters;
		progress_set(&t->progress, t->letters);
	}
	return true;
}

static uint64_t count_letters(int root, const struct tree *tree)
{
	uint64_t n = 0;

	for (size_t i = 0; i < tree->n; i++) {
		struct err ignored;
		AUTO(fd_end) int dir = dir_below(root, tree->rows[i].path, &ignored);
		AUTO(names_end) struct names l = { 0 };

		if (dir >= 0 && names_read(&l, dir, true, &ignored) && names_read(&l, dir, false, &ignored))
			n += l.n;
	}
	return n;
}

SUSPENDS bool import_maildir_run(struct transfer *t, struct err *e)
{
	AUTO(fd_end) int root = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(tree_end) struct tree tree = { 0 };

	if (root < 0)
		return fail_sys(e, FAULT_PERM, errno, "%s", t->path);
	if (!tree_read(&tree, root, true, e))
		return false;
	if (t->has_folder)               /* this one Maildir, without those below it */
		tree.n = tree.n && !tree.rows[0].path.n;
	if (!tree.n)
		return fail(e, FAULT_PERM, "%s: no Maildir (there is no cur/)", t->path);
	progress_begin(&t->progress, count_letters(root, &tree));
	for (size_t i = 0; i < tree.n; i++)
		if (!maildir_take(t, root, &tree.rows[i], e))
			return false;
	return true;
}

/* ---- mbox ---- */

SUSPENDS static bool mbox_take(struct transfer *t, int fd, const struct tree_row *row, struct err *e)
{
	struct import_mbox_answer r;
	struct stat st;

	if (!folder_say(t, row, -1, e))
		return false;
	arena_end(t->a);
	if (!import_mbox(t->mailbox, &(struct import_mbox){ .file = fd }, &r, t->a, e))
		return false;
	if (r.refused) {
		transfer_refuse(t, STR_FMT ": %llu letters: " STR_FMT, STR_ARG(row->path), (unsigned long long)r.refused,
				STR_ARG(r.why));
		t->refused += r.refused - 1;
	}
	t->base += fstat(fd, &st) ? 0 : (uint64_t)st.st_size;
	progress_set(&t->progress, t->base);
	return true;
}

static int open_below(int root, struct str path, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	char *z = str_z(&a, path);
	int fd = z ? open_file(root, z) : -1;

	if (fd < 0)
		fail_sys(e, FAULT_PERM, errno, STR_FMT, STR_ARG(path));
	return fd;
}

SUSPENDS static bool mbox_tree(struct transfer *t, int root, struct err *e)
{
	AUTO(tree_end) struct tree tree = { 0 };
	uint64_t total = 0;

	if (t->has_folder)
		return fail(e, FAULT_PERM, "%s is a directory; --folder names the folder of one file", t->path);
	if (!tree_read(&tree, root, false, e))
		return false;
	if (!tree.n)
		return fail(e, FAULT_PERM, "%s: no mbox files", t->path);
	for (size_t i = 0; i < tree.n; i++) {
		AUTO(fd_end) int fd = open_below(root, tree.rows[i].path, e);
		struct stat st;

		total += fd < 0 || fstat(fd, &st) ? 0 : (uint64_t)st.st_size;
	}
	progress_begin(&t->progress, total);
	for (size_t i = 0; i < tree.n; i++) {
		AUTO(fd_end) int fd = open_below(root, tree.rows[i].path, e);

		if (fd < 0 || !mbox_take(t, fd, &tree.rows[i], e))
			return false;
	}
	return true;
}

SUSPENDS bool import_mbox_run(struct transfer *t, struct err *e)
{
	AUTO(fd_end) int fd = open(t->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct tree_row row = { .path = str_from_z(t->path) };
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return fail_sys(e, FAULT_PERM, errno, "%s", t->path);
	if (S_ISDIR(st.st_mode))
		return mbox_tree(t, fd, e);
	progress_begin(&t->progress, (uint64_t)st.st_size);
	return mbox_take(t, fd, &row, e);
}
