/* maildir_dir.c — the directories of a Maildir++; see maildir_dir.h. */
#include "store/maildir_dir.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = STORE_FOLDER_MAX + 16 };

bool dir_open_at(int parent, const char *name, int *ret, struct err *e)
{
	AUTO(fd_end) int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return fail(e, FAULT_TEMP, "%s is not a directory", name);
	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open %s", name);
	if (fstat(fd, &st))
		return fail_sys(e, FAULT_TEMP, errno, "look at %s", name);
	if (st.st_uid != geteuid())
		return fail(e, FAULT_TEMP, "%s belongs to uid %u", name, (unsigned)st.st_uid);
	*ret = fd_take(&fd);
	return true;
}

/* A missing directory is made; *made tells whether the parent must be synced. */
static bool dir_make_at(int parent, const char *name, bool make, bool *made, int *ret,
			struct err *e)
{
	if (dir_open_at(parent, name, ret, e))
		return true;
	if (!make || e->sys != ENOENT)
		return false;
	if (FAULT_POINT(folder_make) || (mkdirat(parent, name, 0700) && errno != EEXIST))
		return fail_sys(e, FAULT_TEMP, errno, "make %s", name);
	*made = true;
	return dir_open_at(parent, name, ret, e);
}

/* What tells Maildir++ readers that this is a folder, not a Maildir of its own. */
static bool marker_make(int dir, struct err *e)
{
	AUTO(fd_end) int fd = openat(dir, "maildirfolder",
				     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && errno != EEXIST)
		return fail_sys(e, FAULT_TEMP, errno, "make maildirfolder");
	return fd < 0 || fd_sync(fd, e);
}

static void folder_dir_name(struct str name, char to[static PATH_ROOM])
{
	struct buf b = buf_over(to, PATH_ROOM - 1);

	buf_addf(&b, "." STR_FMT, STR_ARG(name));
	to[b.n] = '\0';
}

static bool folder_fill(int dir, bool make, bool *made, struct folder *f, struct err *e)
{
	struct stat st;

	if (!dir_make_at(dir, "tmp", make, made, &f->tmp, e) ||
	    !dir_make_at(dir, "new", make, made, &f->new, e) ||
	    !dir_make_at(dir, "cur", make, made, &f->cur, e))
		return false;
	if (fstat(f->tmp, &st))
		return fail_sys(e, FAULT_TEMP, errno, "look at tmp");
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return true;
}

bool folder_open(int home, const char *root, struct str name, bool make, struct folder *ret,
		 struct err *e)
{
	bool made_root = false, made_folder = false, made = false;
	AUTO(folder_end) struct folder f = FOLDER_NONE;
	AUTO(fd_end) int top = -1, sub = -1;
	char dot[PATH_ROOM];

	if (!dir_make_at(home, root, make, &made_root, &top, e))
		return false;
	if (name.n) {
		folder_dir_name(name, dot);
		memcpy(f.name, name.p, name.n);
		if (!dir_make_at(top, dot, make, &made_folder, &sub, e))
			return false;
		if (made_folder && !marker_make(sub, e))
			return false;
	}
	if (!folder_fill(sub >= 0 ? sub : top, make, &made, &f, e))
		return name.n ? fail_in(e, "folder .%s", f.name) : false;
	if (((made || made_folder) && !fd_sync(sub >= 0 ? sub : top, e)) ||
	    (made_folder && !fd_sync(top, e)) ||
	    (made_root && !fd_sync_dir_at(home, ".", e)))
		return false;
	*ret = f;
	f = FOLDER_NONE;
	return true;
}

bool folder_is_begun(int home, const char *root, struct str name)
{
	char path[STORE_NAME_MAX + PATH_ROOM];
	struct buf b = buf_over(path, sizeof(path) - 1);
	struct stat st;

	buf_addf(&b, "%s/." STR_FMT, root, STR_ARG(name));
	path[b.n] = '\0';
	return !b.full && !fstatat(home, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode);
}

void folder_end(struct folder *f)
{
	fd_end(&f->tmp);
	fd_end(&f->new);
	fd_end(&f->cur);
}

bool folder_is_there(int home, const char *root, const struct folder *f)
{
	char path[STORE_NAME_MAX + PATH_ROOM];
	struct buf b = buf_over(path, sizeof(path) - 1);
	struct stat st;

	if (f->name[0])
		buf_addf(&b, "%s/.%s/tmp", root, f->name);
	else
		buf_addf(&b, "%s/tmp", root);
	path[b.n] = '\0';
	return !fstatat(home, path, &st, AT_SYMLINK_NOFOLLOW) && st.st_dev == f->dev &&
	       st.st_ino == f->ino;
}

/* dup() would share the position, so the directory is opened anew. */
bool dir_visit(int dir, bool dots, struct dir_visit *v, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	int sys;

	if (!d) {
		sys = errno;
		fd_end(&fd);
		return fail_sys(e, FAULT_TEMP, sys, "read a directory");
	}
	while (errno = 0, (ent = readdir(d))) {
		struct str name = str_from_z(ent->d_name);

		if (str_eq(name, S(".")) || str_eq(name, S("..")) || (name.p[0] == '.') != dots)
			continue;
		v->type = ent->d_type;
		if (!v->each(v, name))
			break;
	}
	sys = ent ? 0 : errno;
	closedir(d);
	return sys ? fail_sys(e, FAULT_TEMP, sys, "read a directory") : true;
}

struct each_folder {
	struct dir_visit v;
	struct folder_visit *to;
	int home;
	const char *root;
};

static void visit_folder(const struct each_folder *v, struct str name)
{
	AUTO(folder_end) struct folder f = FOLDER_NONE;
	struct err ignored;

	if (folder_open(v->home, v->root, name, false, &f, &ignored))
		v->to->each(v->to, &f);
}

static bool visit_each(struct dir_visit *v, struct str name)
{
	if (name.n - 1 <= STORE_FOLDER_MAX)
		visit_folder((const struct each_folder *)v, str_from(name, 1));
	return true;
}

bool folders_visit(int home, const char *root, struct folder_visit *v, struct err *e)
{
	struct each_folder each = { .v.each = visit_each, .to = v, .home = home, .root = root };
	AUTO(fd_end) int dir = -1;

	if (!dir_open_at(home, root, &dir, e))
		return e->sys == ENOENT;
	visit_folder(&each, S(""));
	return dir_visit(dir, true, &each.v, e);
}
