/* maildir_sweep.c — what crashes left in tmp/ goes. */
#include "store/maildir.h"

#include "base/fd.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct sweep {
	struct dir_visit v;
	struct maildir *m;
	int64_t before;          /* seconds */
	size_t removed;
	int tmp;
};

static bool sweep_each_file(struct dir_visit *v, struct str name)
{
	struct sweep *w = (struct sweep *)v;
	struct stat st;

	if (!fstatat(w->tmp, name.p, &st, AT_SYMLINK_NOFOLLOW) && !S_ISDIR(st.st_mode) &&
	    st.st_mtime < w->before && st.st_ctime < w->before && !unlinkat(w->tmp, name.p, 0))
		w->removed++;
	return true;
}

/* A folder that cannot be opened is somebody's own doing and stops nothing. */
static void sweep_folder(struct sweep *w, struct str folder)
{
	AUTO(folder_end) struct folder f = FOLDER_NONE;
	struct err ignored;

	if (!folder_open(w->m->home, w->m->root, folder, false, &f, &ignored))
		return;
	w->tmp = f.tmp;
	w->v.each = sweep_each_file;
	(void)dir_visit(f.tmp, false, &w->v, &ignored);
}

static bool sweep_each_folder(struct dir_visit *v, struct str name)
{
	struct sweep inner = *(struct sweep *)v;

	if (name.n - 1 <= STORE_FOLDER_MAX)
		sweep_folder(&inner, str_from(name, 1));
	((struct sweep *)v)->removed = inner.removed;
	return true;
}

bool maildir_sweep(struct store *s, int64_t now, size_t *ret_removed, struct err *e)
{
	struct maildir *m = (struct maildir *)s;
	struct sweep w = { { .each = sweep_each_folder }, m, now / SECOND - STORE_ORPHAN_HOURS * 3600, 0, -1 };
	AUTO(fd_end) int root = -1;

	*ret_removed = 0;
	if (!dir_open_at(m->home, m->root, &root, e))
		return e->sys == ENOENT;
	sweep_folder(&w, (struct str){ 0 });
	w.v.each = sweep_each_folder;
	if (!dir_visit(root, true, &w.v, e))
		return false;
	*ret_removed = w.removed;
	return true;
}
