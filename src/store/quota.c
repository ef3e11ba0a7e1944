/* quota.c — how much an account holds; see quota.h.
 *
 *   1000000S,1000C          the limits (0 and missing: none)
 *   4096 1                  what came and went: octets and letters
 * The sum is kept in memory once it is known, so the file is for other programs and the next start. */
#include "store/quota.h"

#include "store/box_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 5120 };          /* of the Maildir++ rules: then it is made anew */

#define FILE_NAME "maildirsize"

struct quota_state {
	struct quota q;
	bool is_known, is_bad;           /* bad: the file must be made anew */
};

static struct quota_state *state_of(struct shelf *s)
{
	if (!s->quota)
		s->quota = calloc(1, sizeof(*s->quota));
	return s->quota;
}

void quota_free(struct quota_state *q)
{
	free(q);
}

void quota_limits(struct store *s, uint64_t bytes_max, uint64_t letters_max)
{
	struct err ignored;
	struct shelf *shelf = shelf_of(s, &ignored);
	struct quota_state *q = shelf ? state_of(shelf) : NULL;

	if (!q)
		return;
	q->q.bytes_max = bytes_max;
	q->q.letters_max = letters_max;
}

/* ---- counting, in a thread ---- */

struct count {
	struct dir_visit v;
	struct shelf *s;
	int dir;
	uint64_t bytes, letters;
	struct err e;
	bool ok;
};

static bool count_each(struct dir_visit *v, struct str name)
{
	struct count *c = (struct count *)v;
	struct file_name f = file_name_parse(name);
	struct stat st;

	if (f.has_size)
		c->bytes += f.size;
	else if (!fstatat(c->dir, name.p, &st, AT_SYMLINK_NOFOLLOW))
		c->bytes += (uint64_t)st.st_size;
	c->letters++;
	return true;
}

static void count_folder(struct count *c, struct str folder)
{
	AUTO(folder_end) struct folder f = FOLDER_NONE;
	struct err ignored;

	if (!folder_open(c->s->m->home, c->s->m->root, folder, false, &f, &ignored))
		return;
	c->v.each = count_each;
	c->dir = f.new;
	(void)dir_visit(f.new, false, &c->v, &ignored);
	c->dir = f.cur;
	(void)dir_visit(f.cur, false, &c->v, &ignored);
}

static bool count_each_folder(struct dir_visit *v, struct str name)
{
	struct count *c = (struct count *)v, inner = *c;

	if (name.n - 1 <= STORE_FOLDER_MAX)
		count_folder(&inner, str_from(name, 1));
	c->bytes = inner.bytes;
	c->letters = inner.letters;
	return true;
}

static bool file_make(struct count *c, int root)
{
	struct quota *q = &c->s->quota->q;
	struct buf text = buf_over((char[128]){ 0 }, 128);

	if (q->bytes_max)
		buf_addf(&text, "%lluS", (unsigned long long)q->bytes_max);
	if (q->letters_max)
		buf_addf(&text, "%s%lluC", text.n ? "," : "", (unsigned long long)q->letters_max);
	buf_addf(&text, "\n%llu %llu\n", (unsigned long long)c->bytes, (unsigned long long)c->letters);
	return file_replace(root, FILE_NAME, buf_str(&text), &c->e);
}

static void count_run(void *arg)
{
	struct count *c = arg;
	AUTO(fd_end) int root = -1;

	if (!dir_open_at(c->s->m->home, c->s->m->root, &root, &c->e)) {
		c->ok = c->e.sys == ENOENT;
		return;
	}
	count_folder(c, S(""));
	c->v.each = count_each_folder;
	/* a file for other programs: without it the count still holds */
	c->ok = dir_visit(root, true, &c->v, &c->e) && (file_make(c, root), true);
}

/* ---- asked ---- */

SUSPENDS bool quota_read(struct store *s, struct quota *ret, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct shelf *shelf = shelf_of(s, e);
	struct quota_state *q = shelf ? state_of(shelf) : NULL;
	struct count c = { .s = shelf };

	if (!q)
		return shelf ? fail(e, FAULT_TEMP, "out of memory") : false;
	if (!q->is_known || q->is_bad) {
		if (!shelf_hold(&held, shelf, e))
			return false;
		off_loop(count_run, &c);
		if (!c.ok) {
			*e = c.e;
			return false;
		}
		q->q.bytes = c.bytes;
		q->q.letters = c.letters;
		q->is_known = true;
		q->is_bad = false;
	}
	*ret = q->q;
	return true;
}

SUSPENDS bool quota_check(struct store *s, uint64_t bytes, uint64_t letters, struct err *e)
{
	struct quota q;

	if (!quota_read(s, &q, e))
		return false;
	if ((q.bytes_max && (bytes > q.bytes_max || q.bytes > q.bytes_max - bytes)) ||
	    (q.letters_max && (letters > q.letters_max || q.letters > q.letters_max - letters)))
		return fail_sys(e, FAULT_TEMP, EDQUOT, "the mailbox is full");
	return true;
}

static uint64_t add_clamped(uint64_t v, int64_t d)
{
	return d < 0 && (uint64_t)-d > v ? 0 : v + (uint64_t)d;
}

/* One short line; if it cannot be added, the file is made anew the next time. */
void quota_changed(struct shelf *s, int64_t bytes, int64_t letters)
{
	struct quota_state *q = s->quota;
	char path[STORE_NAME_MAX + 16];
	struct buf line = buf_over((char[64]){ 0 }, 64);
	AUTO(fd_end) int fd = -1;
	struct err ignored;
	struct stat st;

	if (!q || !q->is_known)
		return;
	q->q.bytes = add_clamped(q->q.bytes, bytes);
	q->q.letters = add_clamped(q->q.letters, letters);
	snprintf(path, sizeof(path), "%s/" FILE_NAME, s->m->root);
	fd = openat(s->m->home, path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	buf_addf(&line, "%lld %lld\n", (long long)bytes, (long long)letters);
	q->is_bad = fd < 0 || fstat(fd, &st) || st.st_size > FILE_BYTES_MAX ||
		    !fd_write_all(fd, buf_str(&line), &ignored);
}
