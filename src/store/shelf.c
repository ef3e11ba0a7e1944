/* shelf.c — what the open folders of one account share; see shelf.h. */
#include "store/shelf.h"

#include "base/hooks.h"
#include "base/rnd.h"
#include "store/box_file.h"
#include "store/cache.h"
#include "store/flag_log.h"
#include "store/notices.h"
#include "store/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define HISTORY_FIRST "waxwing history 1\n"

/* Of a host's name only what may stand in the name of a file. */
static void host_take(char to[static 65])
{
	if (gethostname(to, 64))
		to[0] = '\0';
	to[64] = '\0';
	for (char *p = to; *p; p++)
		if (!ascii_is_alnum((unsigned char)*p) && *p != '.' && *p != '-')
			*p = '-';
	if (!to[0])
		memcpy(to, "localhost", 10);
}

struct shelf *shelf_of(struct store *s, struct err *e)
{
	struct maildir *m = maildir_of(s);
	struct shelf *shelf;

	if (!m) {
		fail(e, FAULT_PERM, "this engine keeps no folders");
		return NULL;
	}
	if (m->shelf)
		return m->shelf;
	shelf = calloc(1, sizeof(*shelf));
	if (!shelf) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	shelf->m = m;
	shelf->ours = shelf->history = -1;
	shelf->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	rnd_bytes(shelf->key, sizeof(shelf->key));
	host_take(shelf->host);
	m->shelf = shelf;
	return shelf;
}

void store_warn(struct store *s, store_warn_fn *warn, void *arg)
{
	struct err ignored;
	struct shelf *shelf = shelf_of(s, &ignored);

	if (!shelf)
		return;
	shelf->warn = warn;
	shelf->warn_arg = arg;
}

void shelf_close(struct shelf *s)
{
	struct str key;
	void *box;

	if (!s)
		return;
	for (size_t i = 0; map_next(&s->boxes, &i, &key, &box);)
		box_free(box);
	while (s->gone) {
		struct box *b = s->gone;

		s->gone = b->next_gone;
		box_free(b);
	}
	map_end(&s->boxes);
	flag_log_close(s->flag_log);
	cache_close(s->cache);
	quota_free(s->quota);
	notices_free(s);
	fd_wait_forget(s->inotify);
	fd_end(&s->inotify);
	fd_end(&s->ours);
	fd_end(&s->history);
	free(s);
}

/* Nobody holds the shelf, so nobody but users points at them. */
static void free_gone(struct shelf *s)
{
	for (struct box **at = &s->gone; *at;) {
		struct box *b = *at;

		if (b->users) {
			at = &b->next_gone;
			continue;
		}
		*at = b->next_gone;
		box_free(b);
	}
}

SUSPENDS bool shelf_hold(struct shelf_held *h, struct shelf *s, struct err *e)
{
	while (s->is_held)
		if (!wait_on(&s->free, "the mailbox's files", e))
			return false;
	s->is_held = true;
	s->used = time_mono();
	h->s = s;
	free_gone(s);
	return true;
}

void shelf_let_go(struct shelf_held *h)
{
	if (!h->s)
		return;
	h->s->is_held = false;
	wait_wake(&h->s->free);
	h->s = NULL;
}

void shelf_wake(struct shelf *s)
{
	s->has_work = true;
	wait_wake_all(&s->work);
}

void shelf_delivered(struct shelf *s, struct str folder)
{
	struct box *box = map_get(&s->boxes, folder);

	s->used = time_mono();
	notices_letters(s, folder, NULL);
	if (!box)
		return;
	box->look_new = box->look_cur = true;
	if (box->users && s->inotify < 0) {
		s->has_news = true;
		shelf_wake(s);
	}
}

static bool make_dir(int parent, const char *name, int *ret, struct err *e)
{
	if (dir_open_at(parent, name, ret, e))
		return true;
	if (e->sys != ENOENT)
		return false;
	if (mkdirat(parent, name, 0700) && errno != EEXIST)
		return fail_sys(e, FAULT_TEMP, errno, "make %s", name);
	return fd_sync_dir_at(parent, ".", e) && dir_open_at(parent, name, ret, e);
}

/* Its name may have been taken away: then a new one is made. */
static bool is_there(int dir)
{
	struct stat st;

	return dir >= 0 && !fstat(dir, &st) && st.st_nlink > 0;
}

bool shelf_ours(struct shelf *s, int *ret, struct err *e)
{
	AUTO(folder_end) struct folder inbox = FOLDER_NONE;
	AUTO(fd_end) int root = -1;

	if (!is_there(s->ours)) {
		fd_end(&s->ours);
		fd_end(&s->history);
		if (!folder_open(s->m->home, s->m->root, S(""), true, &inbox, e) ||
		    !dir_open_at(s->m->home, s->m->root, &root, e) ||
		    !make_dir(root, "waxwing", &s->ours, e))
			return false;
	}
	*ret = s->ours;
	return true;
}

static bool history_open(struct shelf *s, struct err *e)
{
	AUTO(fd_end) int fd = -1;
	struct stat st;
	int ours;

	if (!shelf_ours(s, &ours, e))
		return false;
	fd = openat(ours, "history", O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		    0600);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return fail_sys(e, FAULT_TEMP, errno, "open history");
	if (!st.st_size && (!fd_write_all(fd, S(HISTORY_FIRST), e) || !fd_sync_dir_at(ours, ".", e)))
		return false;
	s->history = fd_take(&fd);
	return true;
}

/* A part of a line that a full disk left would spoil the next one. */
bool history_append(struct shelf *s, struct str lines, struct err *e)
{
	off_t end;
	int ours;

	if (!is_there(s->history))
		fd_end(&s->history);
	if (!shelf_ours(s, &ours, e) || (s->history < 0 && !history_open(s, e)))
		return false;
	end = lseek(s->history, 0, SEEK_END);
	if (FAULT_IN(history_write, e) || !fd_write_all(s->history, lines, e)) {
		if (end > 0)
			(void)!ftruncate(s->history, end);
		return fail_in(e, "history");
	}
	return !fdatasync(s->history) || fail_sys(e, FAULT_TEMP, errno, "sync history");
}

struct start_job {
	struct shelf *s;
	struct err e;
	bool ok;
};

static void start_run(void *arg)
{
	struct start_job *j = arg;

	j->ok = (j->s->flag_log || flag_log_open(j->s, &j->s->flag_log, &j->e)) &&
		(!flag_log_is_after_crash(j->s->flag_log) ||
		 fd_sync_dir_at(j->s->m->home, j->s->m->root, &j->e));
	cache_open(j->s, &j->s->cache);
}

/* Flags that a crash left in the log take effect; what cannot be read now waits. */
SUSPENDS static bool redo_flags(struct shelf *s, struct err *e)
{
	struct str folder;
	struct box *b;

	for (size_t at = 0; flag_log_left(s->flag_log, &at, &folder);) {
		bool is_gone;

		if (map_get(&s->boxes, folder) || box_get(s, folder, &b, e))
			continue;
		if (e->fault == FAULT_CANCEL)
			return false;
		is_gone = e->sys == ENOENT || e->sys == EINVAL;
		flag_log_pass(s->flag_log, folder, is_gone);
		if (!is_gone && s->warn)
			s->warn(s->warn_arg, folder, e);
	}
	return true;
}

SUSPENDS bool shelf_start(struct shelf *s, struct err *e)
{
	struct start_job j = { .s = s };

	if (s->is_started)
		return true;
	off_loop(start_run, &j);
	if (!j.ok) {
		*e = j.e;
		return false;
	}
	s->is_started = true;
	/* names that cannot follow now, for the disk is full, follow later: the log stays */
	if (!redo_flags(s, e) || (!names_follow_all(s, e) && e->fault == FAULT_CANCEL)) {
		s->is_started = false;
		return false;
	}
	return true;
}
