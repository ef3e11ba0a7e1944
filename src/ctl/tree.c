/* tree.c — which folders a Maildir or a tree of mbox files has.
 *
 * Maildir++ has its folders beside cur/ as ".A.B"; other programs have trees of directories, "A/B".  Both
 * are read, mixed too.  An mbox tree has a file for each folder; Thunderbird's directories end in ".sbd". */
#include "ctl/transfer.h"

#include "wire/imap_utf7.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 20, ROWS_MAX = 100000, TREE_BYTES = 64 << 20 };

struct walk {
	struct tree *t;
	bool is_maildir;
	struct err *e;
};

int dir_below(int root, struct str path, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	char *z = path.n ? str_z(&a, path) : NULL;
	int fd = path.n && !z ? -1 : openat(root, z ? z : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		fail_sys(e, FAULT_PERM, errno, STR_FMT, STR_ARG(path));
	return fd;
}

static bool row_add(struct walk *w, struct str path, struct str name, bool is_raw)
{
	struct tree *t = w->t;

	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		struct tree_row *more = cap > ROWS_MAX ? NULL : reallocarray(t->rows, cap, sizeof(*more));

		if (!more)
			return fail(w->e, FAULT_TEMP, "too many folders");
		t->rows = more;
		t->cap = cap;
	}
	t->rows[t->n++] = (struct tree_row){ arena_str(&t->a, path), arena_str(&t->a, name), is_raw };
	return !t->a.full || fail(w->e, FAULT_TEMP, "too many folders");
}

/* Bytes above ASCII are UTF-8; else what reads as modified UTF-7 is. */
static bool name_is_raw(struct str name)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct str decoded;

	for (size_t i = 0; i < name.n; i++)
		if (str_at(name, i) > 127)
			return false;
	return imap_utf7_decode(name, &a, &decoded);
}

static struct str joined(struct walk *w, struct str above, char sep, struct str name)
{
	return above.n ? arena_printf(&w->t->a, STR_FMT "%c" STR_FMT, STR_ARG(above), sep, STR_ARG(name)) :
			 arena_str(&w->t->a, name);
}

static bool is_dir(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode);
}

static bool is_file(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode);
}

/* Without what programs add: "archive.mbox", "Archive.sbd". */
static struct str base_of(struct str name)
{
	struct str ends[] = { S(".mbox"), S(".sbd") };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (name.n > ends[i].n && str_ends_nocase(name, ends[i]))
			name.n -= ends[i].n;
	return name;
}

/* Is this entry of a directory one to go down into?  *ret_name: what it adds to the folder's name. */
static bool is_branch(const struct walk *w, int dir, struct str name, bool is_top, struct str *ret_name)
{
	if (!is_dir(dir, name.p))
		return false;
	*ret_name = w->is_maildir ? name : base_of(name);
	if (str_at(name, 0) == '.') {
		*ret_name = str_from(name, 1);
		return w->is_maildir && is_top && ret_name->n && str_at(*ret_name, 0) != '.';
	}
	return !w->is_maildir || (!str_eq(name, S("cur")) && !str_eq(name, S("new")) && !str_eq(name, S("tmp")) &&
				  !str_eq(name, S("waxwing")));
}

static bool has_begun_as_mbox(int dir, const char *name)
{
	AUTO(fd_end) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char first[5];
	ssize_t n = fd < 0 ? -1 : read(fd, first, sizeof(first));

	return n == 0 || (n == 5 && memcmp(first, "From ", 5) == 0);
}

static bool walk_dir(struct walk *w, int root, struct str path, struct str above, unsigned depth);

static bool walk_entry(struct walk *w, int root, int dir, struct str path, struct str above, struct str name, unsigned depth)
{
	struct str part, folder;

	if (is_branch(w, dir, name, !path.n, &part))
		return walk_dir(w, root, joined(w, path, '/', name), joined(w, above, '.', part), depth + 1);
	if (w->is_maildir || str_at(name, 0) == '.' || !is_file(dir, name.p) || !has_begun_as_mbox(dir, name.p))
		return true;
	folder = joined(w, above, '.', base_of(name));
	return row_add(w, joined(w, path, '/', name), folder, name_is_raw(folder));
}

static bool walk_dir(struct walk *w, int root, struct str path, struct str above, unsigned depth)
{
	int fd = dir_below(root, path, w->e);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	bool ok = d && (depth <= DEPTH_MAX || fail(w->e, FAULT_PERM, "directories are nested too deeply"));

	if (ok && w->is_maildir && is_dir(fd, "cur"))
		ok = row_add(w, path, above, name_is_raw(above));
	while (ok && (ent = readdir(d))) {
		struct str name = str_from_z(ent->d_name);

		if (!str_eq(name, S(".")) && !str_eq(name, S("..")))
			ok = walk_entry(w, root, fd, path, above, name, depth);
	}
	if (d)
		closedir(d);
	return ok;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct tree_row *)a)->name, ((const struct tree_row *)b)->name);
}

bool tree_read(struct tree *t, int root, bool is_maildir, struct err *e)
{
	struct walk w = { .t = t, .is_maildir = is_maildir, .e = e };

	*t = (struct tree){ .a = { .limit = TREE_BYTES } };
	if (!walk_dir(&w, root, S(""), S(""), 0))
		return false;
	for (size_t i = 0; i < t->n; i++)        /* "INBOX" is the one that has no name */
		if (str_eq_nocase(t->rows[i].name, S("INBOX")))
			t->rows[i].name = S("");
	if (t->n)
		qsort(t->rows, t->n, sizeof(*t->rows), by_name);
	return true;
}

void tree_end(struct tree *t)
{
	free(t->rows);
	arena_end(&t->a);
}
