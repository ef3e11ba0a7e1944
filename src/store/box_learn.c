/* box_learn.c — what only the file tells: its size with CRLF, its dates, its bytes. */
#include "store/box_file.h"

#include "wire/lf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LEARN_AT_ONCE = 1024,
	BLOCK = 64 * 1024,
	READ_MAX = 1 << 30,
};

struct lesson {
	uint32_t uid, size, vsize;
	unsigned need, known;
	int64_t date, saved;
};

struct learn_job {
	struct box *b;
	struct lesson *l;
	size_t n;
	char *block;
};

static uint32_t u32_of(uint64_t v)
{
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* Each LF without a CR before it will be two octets. */
static bool count_vsize(struct learn_job *j, int fd, uint32_t *ret)
{
	uint64_t n = 0;
	char prev = 0;

	for (;;) {
		ssize_t got = read(fd, j->block, BLOCK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			*ret = u32_of(n);
			return got == 0;
		}
		n += (uint64_t)got;
		for (const char *p = j->block, *end = p + got; (p = memchr(p, '\n', (size_t)(end - p))); p++)
			n += (p > j->block ? p[-1] : prev) != '\r';
		prev = j->block[got - 1];
	}
}

static void learn_one(struct learn_job *j, struct lesson *l)
{
	char name[STORE_NAME_MAX + 1];
	const struct letter *k = box_find(j->b, l->uid);
	int dir = letter_file(j->b, k, name);
	AUTO(fd_end) int fd = -1;
	struct stat st;

	if (l->need & KNOWN_VSIZE)
		fd = letter_open_at(dir, name);
	if ((fd >= 0 ? fstat(fd, &st) : fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) ||
	    !S_ISREG(st.st_mode))
		return;
	l->date = st.st_mtim.tv_sec;
	l->saved = st.st_ctim.tv_sec;
	l->size = u32_of((uint64_t)st.st_size);
	l->known = KNOWN_DATE | KNOWN_SAVED | KNOWN_SIZE;
	if (fd >= 0 && count_vsize(j, fd, &l->vsize))
		l->known |= KNOWN_VSIZE;
}

static void learn_run(void *arg)
{
	struct learn_job *j = arg;

	j->block = malloc(BLOCK);
	for (size_t i = 0; j->block && i < j->n; i++)
		learn_one(j, &j->l[i]);
	free(j->block);
}

static void learn_take(struct box *b, const struct lesson *from)
{
	size_t place = box_place(b, from->uid);
	struct letter *l = &b->letters[place];
	unsigned new;

	if (place == b->n)
		return;
	if (!from->known)
		b->look_new = b->look_cur = true;
	new = from->known & ~(unsigned)l->known;
	l->date = new & KNOWN_DATE ? from->date : l->date;
	l->saved = new & KNOWN_SAVED ? from->saved : l->saved;
	l->size = new & KNOWN_SIZE ? from->size : l->size;
	l->vsize = new & KNOWN_VSIZE ? from->vsize : l->vsize;
	l->known |= (uint8_t)new;
	b->is_stale = true;
}

/* Some of the UIDs from *at on that lack something. */
static size_t learn_collect(const struct box *b, const uint32_t *uids, size_t n, size_t *at,
			    unsigned known, struct lesson *to)
{
	size_t found = 0;

	for (; *at < n && found < LEARN_AT_ONCE; (*at)++) {
		const struct letter *l = box_find(b, uids[*at]);

		if (l && (l->known & known) != known)
			to[found++] = (struct lesson){ .uid = l->uid, .need = known & ~(unsigned)l->known };
	}
	return found;
}

SUSPENDS static bool learn_some(struct box *b, const uint32_t *uids, size_t n, size_t *at,
				unsigned known, struct lesson *l, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct learn_job j = { .b = b, .l = l };

	if (!shelf_hold(&held, b->shelf, e))
		return false;
	if (b->is_gone)
		return fail_sys(e, FAULT_TEMP, ENOENT, "the folder is gone");
	j.n = learn_collect(b, uids, n, at, known, l);
	if (j.n)
		off_loop(learn_run, &j);
	for (size_t i = 0; i < j.n; i++)
		learn_take(b, &l[i]);
	return true;
}

SUSPENDS bool box_learn(struct box *b, const uint32_t *uids, size_t n, unsigned known,
			struct err *e)
{
	struct lesson *l;
	size_t at = 0;
	bool ok = true;

	/* mostly nothing is missing */
	while (at < n) {
		const struct letter *k = box_find(b, uids[at]);

		if (k && (k->known & known) != known)
			break;
		at++;
	}
	if (at == n)
		return true;
	l = reallocarray(NULL, LEARN_AT_ONCE, sizeof(*l));
	if (!l)
		return fail(e, FAULT_TEMP, "out of memory");
	while (ok && at < n)
		ok = learn_some(b, uids, n, &at, known, l, e);
	free(l);
	return ok;
}

/* ---- its bytes ---- */

/* The owner alone may leave the time of access as it is. */
int letter_open_at(int dir, const char *name)
{
	enum { HOW = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC };
	int fd = openat(dir, name, HOW | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(dir, name, HOW) : fd;
}

int box_letter_open_now(struct box *b, uint32_t uid, struct err *e)
{
	const struct letter *l = box_find(b, uid);
	char name[STORE_NAME_MAX + 1];
	AUTO(fd_end) int fd = -1;
	struct stat st;

	if (!l || b->is_gone)
		return fail_sys(e, FAULT_TEMP, ENOENT, "the letter is gone"), -1;
	fd = letter_open_at(letter_file(b, l, name), name);
	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open %s", name), -1;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return fail(e, FAULT_TEMP, "%s is not a file", name), -1;
	return fd_take(&fd);
}

/* It may have got another name since, from us or from another program. */
SUSPENDS int box_letter_open(struct box *b, uint32_t uid, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	int fd = box_letter_open_now(b, uid, e);

	b->shelf->used = time_mono();
	if (fd >= 0 || e->sys != ENOENT || !box_find(b, uid) || !shelf_hold(&held, b->shelf, e))
		return fd;
	fd = box_letter_open_now(b, uid, e);
	if (fd >= 0 || e->sys != ENOENT || !box_look(b, true, e))
		return fd;
	return box_letter_open_now(b, uid, e);
}

bool box_letter_dirs(const struct box *b, struct letter_dirs *ret, struct err *e)
{
	struct letter_dirs d = LETTER_DIRS_NONE;

	b->shelf->used = time_mono();
	d.new = b->is_gone ? -1 : fcntl(b->dir.new, F_DUPFD_CLOEXEC, 0);
	d.cur = d.new < 0 ? -1 : fcntl(b->dir.cur, F_DUPFD_CLOEXEC, 0);
	if (d.cur < 0) {
		int sys = b->is_gone ? ENOENT : errno;

		letter_dirs_end(&d);
		return fail_sys(e, FAULT_TEMP, sys, "the folder's directories");
	}
	*ret = d;
	return true;
}

void letter_dirs_end(struct letter_dirs *d)
{
	fd_end(&d->new);
	fd_end(&d->cur);
}

bool box_letter_place(const struct box *b, uint32_t uid, struct letter_place *ret)
{
	const struct letter *l = box_find(b, uid);

	if (!l)
		return false;
	ret->in_new = letter_file(b, l, ret->name) == b->dir.new;
	return true;
}

SUSPENDS bool box_letter_read(struct box *b, uint32_t uid, struct buf *ret, struct err *e)
{
	AUTO(fd_end) int fd = box_letter_open(b, uid, e);
	char *bytes;
	size_t n;

	if (fd < 0 || !fd_slurp(fd, READ_MAX, &bytes, &n, e))
		return false;
	lf_restore(str_of(bytes, n), ret);
	free(bytes);
	return !ret->full || fail(e, FAULT_TEMP, "the letter is too big to be read whole");
}
