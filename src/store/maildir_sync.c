/* maildir_sync.c — letters that lie there: making them durable, reading them.
 *
 * Readers of the Maildir move letters from new/ to cur/ and rename them there at
 * any time; what is gone from both was removed by its owner. */
#include "store/maildir.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/hooks.h"
#include "wire/lf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SYNC_AT_ONCE = 64,       /* files open while syncing */
	READ_MAX = 1 << 30,
};

struct seek {
	struct dir_visit v;
	struct str base;
	char *name;
	bool found;
};

static bool seek_each(struct dir_visit *v, struct str name)
{
	struct seek *k = (struct seek *)v;

	if (name.n > STORE_NAME_MAX || !store_name_is(name, k->base))
		return true;
	memcpy(k->name, name.p, name.n);
	k->name[name.n] = '\0';
	k->found = true;
	return false;
}

static int letter_open_in(int dir, const char *name, bool *gone, struct err *e)
{
	AUTO(fd_end) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	*gone = fd < 0 && errno == ENOENT;
	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open %s", name), -1;
	if (fstat(fd, &st))
		return fail_sys(e, FAULT_TEMP, errno, "look at %s", name), -1;
	if (!S_ISREG(st.st_mode))
		return fail(e, FAULT_TEMP, "%s is not a file", name), -1;
	return fd_take(&fd);
}

/* The letter wherever a reader has put it; -1 and *gone if it is in neither directory. */
static int letter_open(const struct folder *f, struct str base, struct str hint, bool *gone,
		       struct err *e)
{
	char name[STORE_NAME_MAX + 1];
	struct seek k = { { seek_each }, base, name, false };
	int fd;

	if (hint.n && hint.n <= STORE_NAME_MAX && !str_has(hint, '/')) {
		memcpy(name, hint.p, hint.n);
		name[hint.n] = '\0';
		fd = letter_open_in(str_has(hint, ':') ? f->cur : f->new, name, gone, e);
		if (fd >= 0 || !*gone)
			return fd;
	}
	/* twice: a rename while we read may hide it from one reading */
	for (int i = 0; i < 4; i++) {
		int dir = i % 2 ? f->cur : f->new;

		*gone = false;
		if (!dir_visit(dir, false, &k.v, e))
			return -1;
		if (k.found) {
			fd = letter_open_in(dir, name, gone, e);
			if (fd >= 0 || !*gone)
				return fd;
		}
		k.found = false;
	}
	*gone = true;
	return fail_sys(e, FAULT_TEMP, ENOENT, STR_FMT, STR_ARG(base)), -1;
}

/* All files start to be written before the first is waited for: then one commit of the file
 * system's own journal carries most of them. */
static bool sync_files(const struct folder *f, struct store_safe **names, size_t n)
{
	int fds[SYNC_AT_ONCE];
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		bool gone;

		fds[i] = letter_open(f, names[i]->base, names[i]->name, &gone, &names[i]->err);
		names[i]->done = fds[i] >= 0 || gone;
		if (fds[i] >= 0)
			(void)sync_file_range(fds[i], 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0 && (FAULT_IN(store_sync, &names[i]->err) || !fd_sync(fds[i], &names[i]->err))) {
			names[i]->done = false;
			names[i]->lost = true;
		}
		any = any || names[i]->done;
		fd_end(&fds[i]);
	}
	return any;
}

/* The names above the folder: whoever made them may have died before he synced them. */
static bool sync_chain(struct maildir *m, struct folder *f, struct err *e)
{
	char path[STORE_NAME_MAX + STORE_FOLDER_MAX + 3];

	if (!m->chain_safe) {
		m->chain_safe = true;
		if (!fd_sync_dir_at(m->home, ".", e) || !fd_sync_dir_at(m->home, m->root, e)) {
			m->chain_safe = false;
			return false;
		}
	}
	if (!f->name[0])
		return true;
	snprintf(path, sizeof(path), "%s/.%s", m->root, f->name);
	return fd_sync_dir_at(m->home, path, e);
}

static void sync_folder(struct maildir *m, struct store_safe **names, size_t n)
{
	AUTO(folder_end) struct folder f = FOLDER_NONE;
	struct err e = { 0 };

	if (!folder_open(m->home, m->root, names[0]->folder, false, &f, &e)) {
		/* a folder that was removed took its letters along */
		for (size_t i = 0; i < n; i++) {
			names[i]->done = e.sys == ENOENT;
			names[i]->err = e;
		}
		return;
	}
	if (!sync_files(&f, names, n))
		return;
	if (!FAULT_IN(store_sync_dir, &e) && fd_sync(f.new, &e) && fd_sync(f.cur, &e) && sync_chain(m, &f, &e)) {
		for (size_t i = 0; i < n; i++)
			if (names[i]->done)
				names[i]->err = (struct err){ 0 };
		return;
	}
	for (size_t i = 0; i < n; i++) {
		names[i]->lost = names[i]->lost || names[i]->done;
		names[i]->done = false;
		names[i]->err = e;
	}
}

void maildir_sync(struct store *s, struct store_safe *names, size_t n)
{
	struct maildir *m = (struct maildir *)s;
	struct store_safe *group[SYNC_AT_ONCE];

	for (size_t i = 0; i < n; i++)
		names[i].tried = false;
	for (size_t i = 0; i < n; i++) {
		size_t count = 0;

		for (size_t j = i; j < n && count < SYNC_AT_ONCE; j++) {
			if (names[j].tried || !str_eq(names[j].folder, names[i].folder))
				continue;
			names[j].tried = true;
			group[count++] = &names[j];
		}
		if (count)
			sync_folder(m, group, count);
		/* more of this folder than fit into one group: look at it again */
		if (count == SYNC_AT_ONCE)
			i--;
	}
}

bool maildir_read(struct store *s, struct str folder, struct str base, struct buf *ret,
		  struct err *e)
{
	struct maildir *m = (struct maildir *)s;
	AUTO(folder_end) struct folder f = FOLDER_NONE;
	AUTO(fd_end) int fd = -1;
	char *bytes;
	size_t n;
	bool gone;

	if (!folder_open(m->home, m->root, folder, false, &f, e))
		return false;
	fd = letter_open(&f, base, (struct str){ 0 }, &gone, e);
	if (fd < 0 || !fd_slurp(fd, READ_MAX, &bytes, &n, e))
		return false;
	lf_restore(str_of(bytes, n), ret);
	free(bytes);
	return !ret->full || fail(e, FAULT_TEMP, "the letter is too big to be read whole");
}
