/* export.c — waxwing export: the mailbox hands over its letters, the files are made with the caller's rights. */
#include "ctl/transfer.h"

#include "base/buf.h"
#include "wire/imap_utf7.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_ROOM = 300, COPY_BLOCK = 1 << 20 };

/* ---- which folders ---- */

struct rows {
	struct arena a;
	struct ipc_folder *p;
	size_t n;
	uint64_t octets, letters;
};

static void rows_end(struct rows *r)
{
	arena_end(&r->a);
}

static bool rows_add(struct rows *all, const struct mailbox_folders_answer *r, struct err *e)
{
	struct ipc_folder *p = ARENA_ARRAY(&all->a, struct ipc_folder, all->n + r->folders.n + 1);

	if (!p)
		return fail(e, FAULT_TEMP, "too many folders");
	if (all->n)
		memcpy(p, all->p, all->n * sizeof(*p));
	all->p = p;
	for (size_t i = 0; i < r->folders.n; i++) {
		const struct ipc_folder *f = &r->folders.p[i];

		p[all->n] = *f;
		p[all->n].name = arena_str(&all->a, f->name);
		all->n++;
		all->octets += f->octets;
		all->letters += f->letters;
	}
	return !all->a.full || fail(e, FAULT_TEMP, "too many folders");
}

SUSPENDS static bool rows_read(struct transfer *t, struct rows *all, struct err *e)
{
	struct mailbox_folders_answer r = { .more = 1 };

	all->a.limit = 64 << 20;
	while (r.more) {
		arena_end(t->a);
		if (!mailbox_folders(t->mailbox, &(struct mailbox_folders){ .from = (uint32_t)all->n }, &r, t->a, e))
			return false;
		if (!r.folders.n)
			break;
		if (!rows_add(all, &r, e))
			return false;
	}
	return true;
}

/* ---- files ---- */

static bool is_name(struct str s)
{
	return s.n && s.n < NAME_ROOM - 8 && str_at(s, 0) != '.' && !str_has(s, '/') && !str_has(s, '\0');
}

static int dir_make(int parent, const char *name, struct err *e)
{
	int fd = -1;

	if (mkdirat(parent, name, 0700) && errno != EEXIST)
		fail_sys(e, FAULT_PERM, errno, "make %s", name);
	else if ((fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		fail_sys(e, FAULT_PERM, errno, "open %s", name);
	return fd;
}

/* What is there already is never touched. */
static int new_dir(const char *path, struct err *e)
{
	int fd = dir_make(AT_FDCWD, path, e);
	DIR *d = fd < 0 ? NULL : fdopendir(dup(fd));
	struct dirent *ent;
	bool is_empty = true;

	while (d && (ent = readdir(d)))
		is_empty &= strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0;
	if (d)
		closedir(d);
	if (fd >= 0 && (!d || !is_empty)) {
		fail(e, FAULT_PERM, "%s is not empty; export makes a new one", path);
		fd_end(&fd);
	}
	return fd;
}

static int new_file(int dir, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		fail_sys(e, FAULT_PERM, errno, "make %s", name);
	return fd;
}

static bool text_write(int dir, const char *name, struct str text, struct err *e)
{
	AUTO(fd_end) int fd = new_file(dir, name, e);

	return fd >= 0 && fd_write_all(fd, text, e);
}

static bool sync_all(int dir, const char *path, struct err *e)
{
	return !syncfs(dir) || fail_sys(e, FAULT_TEMP, errno, "sync %s", path);
}

SUSPENDS static bool folder_say(struct transfer *t, struct str folder, struct export_folder_answer *r, struct err *e)
{
	arena_end(t->a);
	t->folders++;
	return export_folder(t->mailbox, &(struct export_folder){ .folder = folder }, r, t->a, e);
}

/* ---- Maildir ---- */

/* Blocks are read and written: the letter may lie on another file system. */
static bool copy(int from, int to, uint64_t *octets, struct err *e)
{
	char *block = malloc(COPY_BLOCK);
	bool ok = block || fail(e, FAULT_TEMP, "out of memory");
	ssize_t n = 1;

	while (ok && n > 0) {
		n = read(from, block, COPY_BLOCK);
		if (n < 0)
			ok = fail_sys(e, FAULT_TEMP, errno, "read a letter");
		else
			ok = fd_write_all(to, str_of(block, (size_t)n), e);
		*octets += ok ? (uint64_t)n : 0;
	}
	free(block);
	return ok;
}

static bool letter_write(struct transfer *t, const struct export_letter_answer *r, int cur, int new, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	char *name = is_name(r->name) ? str_z(&a, r->name) : NULL;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = r->date } };
	AUTO(fd_end) int fd = -1;

	if (!name)
		return fail(e, FAULT_PERM, "not a name for a letter");
	fd = new_file(r->is_new ? new : cur, name, e);
	if (fd < 0 || !copy(r->letter, fd, &t->octets, e))
		return false;
	return !futimens(fd, times) || fail_sys(e, FAULT_TEMP, errno, "set the date of a letter");
}

SUSPENDS static bool letters_write(struct transfer *t, int cur, int new, struct err *e)
{
	for (;;) {
		struct export_letter_answer r;
		bool ok;

		arena_end(t->a);
		if (!export_letter(t->mailbox, &(struct export_letter){ 0 }, &r, t->a, e))
			return false;
		if (r.is_end)
			return true;
		ok = letter_write(t, &r, cur, new, e);
		close(r.letter);
		if (!ok)
			return false;
		t->progress.letters = ++t->letters;
		progress_set(&t->progress, t->letters);
	}
}

SUSPENDS static bool maildir_write(struct transfer *t, int dir, struct str folder, struct err *e)
{
	AUTO(fd_end) int cur = dir_make(dir, "cur", e);
	AUTO(fd_end) int new = cur < 0 ? -1 : dir_make(dir, "new", e);
	AUTO(fd_end) int tmp = new < 0 ? -1 : dir_make(dir, "tmp", e);
	struct export_folder_answer r;

	return tmp >= 0 && folder_say(t, folder, &r, e) &&
	       (!r.keywords.n || text_write(dir, "dovecot-keywords", r.keywords, e)) && letters_write(t, cur, new, e);
}

/* ".A.B" beside INBOX's cur/, as Maildir++ has it. */
SUSPENDS static bool subfolder_write(struct transfer *t, int root, struct str folder, struct err *e)
{
	char name[NAME_ROOM];
	struct buf b = buf_over(name, sizeof(name) - 1);
	AUTO(fd_end) int dir = -1;

	buf_add_char(&b, '.');
	if (!is_name(folder) || !imap_utf7_add(&b, folder) || b.full) {
		transfer_refuse(t, STR_FMT ": no name for a folder", STR_ARG(folder));
		return true;
	}
	name[b.n] = '\0';
	dir = dir_make(root, name, e);
	return dir >= 0 && text_write(dir, "maildirfolder", S(""), e) && maildir_write(t, dir, folder, e);
}

static bool subscriptions_write(int root, const struct rows *all, struct err *e)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4 << 20);

	for (size_t i = 0; i < all->n; i++) {
		if (!all->p[i].is_subscribed)
			continue;
		if (!imap_utf7_add(&b, all->p[i].name))
			buf_add(&b, all->p[i].name);
		buf_add_char(&b, '\n');
	}
	return !b.n || text_write(root, "subscriptions", buf_str(&b), e);
}

SUSPENDS static bool maildirs_write(struct transfer *t, int root, const struct rows *all, struct err *e)
{
	progress_begin(&t->progress, all->letters);
	for (size_t i = 0; i < all->n; i++) {
		const struct ipc_folder *f = &all->p[i];
		bool is_inbox = str_eq_nocase(f->name, S("INBOX"));

		if (f->exists && !(is_inbox ? maildir_write(t, root, f->name, e) : subfolder_write(t, root, f->name, e)))
			return false;
	}
	return subscriptions_write(root, all, e);
}

SUSPENDS bool export_maildir_run(struct transfer *t, struct err *e)
{
	AUTO(rows_end) struct rows all = { 0 };
	AUTO(fd_end) int root = -1;

	if (!rows_read(t, &all, e))
		return false;
	root = new_dir(t->path, e);
	if (root < 0 || !(t->has_folder ? maildir_write(t, root, t->folder, e) : maildirs_write(t, root, &all, e)))
		return false;
	return sync_all(root, t->path, e);
}

/* ---- mbox ---- */

SUSPENDS static bool mbox_write(struct transfer *t, int dir, const char *name, struct str folder, struct err *e)
{
	struct export_folder_answer f;
	struct export_mbox_answer r;
	AUTO(fd_end) int fd = -1;

	if (!folder_say(t, folder, &f, e))
		return false;
	if (t->has_folder)
		progress_begin(&t->progress, f.octets);
	fd = new_file(dir, name, e);
	if (fd < 0 || !export_mbox(t->mailbox, &(struct export_mbox){ .file = fd }, &r, t->a, e))
		return false;
	t->letters += r.letters;
	t->octets += r.octets;
	t->base += f.octets;
	progress_set(&t->progress, t->base);
	return true;
}

SUSPENDS static bool mboxes_write(struct transfer *t, int root, const struct rows *all, struct err *e)
{
	progress_begin(&t->progress, all->octets);
	for (size_t i = 0; i < all->n; i++) {
		AUTO(arena_end) struct arena a = { 0 };
		const struct ipc_folder *f = &all->p[i];
		char *name = is_name(f->name) ? str_z(&a, f->name) : NULL;

		if (!name)
			transfer_refuse(t, STR_FMT ": no name for a file", STR_ARG(f->name));
		else if (f->exists && !mbox_write(t, root, name, f->name, e))
			return false;
	}
	return true;
}

SUSPENDS bool export_mbox_run(struct transfer *t, struct err *e)
{
	AUTO(rows_end) struct rows all = { 0 };
	AUTO(fd_end) int root = -1;

	if (t->has_folder)
		return mbox_write(t, AT_FDCWD, t->path, t->folder, e);
	if (!rows_read(t, &all, e))
		return false;
	root = new_dir(t->path, e);
	return root >= 0 && mboxes_write(t, root, &all, e) && sync_all(root, t->path, e);
}
