/* ring.c — files of refused letters; see ring.h. */
#include "queue/ring.h"

#include "base/crc32c.h"
#include "base/fd.h"
#include "base/hooks.h"
#include "queue/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES = 11, BLOCK = 128 * 1024, BY_MAX = 200 };

struct ring_file {
	uint32_t number;
	int64_t size, begun;
};

struct ring {
	int dir;
	int64_t most, sum;
	struct ring_file *files;         /* by number */
	size_t n;
	int fd;                          /* the last of them, being written; -1: none yet */
};

static const char file_head[RING_FILE_HEAD] = "WXRING\r\n\1";

static void name_of(uint32_t number, char ret[NAME_BYTES])
{
	snprintf(ret, NAME_BYTES, "%010u", number);
}

/* -- which files there are ------------------------------------------------- */

static void remove_oldest(struct ring *r)
{
	char name[NAME_BYTES];

	name_of(r->files[0].number, name);
	unlinkat(r->dir, name, 0);
	r->sum -= r->files[0].size;
	memmove(&r->files[0], &r->files[1], (r->n - 1) * sizeof(r->files[0]));
	r->n--;
}

static void tend(struct ring *r, int64_t more, int64_t now)
{
	while (r->n && (r->sum + more > r->most || r->files[0].begun < now - RING_DAYS * DAY || r->n >= RING_FILES_MAX))
		remove_oldest(r);
	if (!r->n)
		fd_end(&r->fd);
}

static int by_number(const void *a, const void *b)
{
	const struct ring_file *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static bool note_file(struct ring *r, const char *name)
{
	uint64_t number;
	struct stat st;

	if (strlen(name) != NAME_BYTES - 1 || !str_u64(str_from_z(name), &number) || number == 0 || number >= UINT32_MAX ||
	    fstatat(r->dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) || r->n == 2 * RING_FILES_MAX)
		return false;
	r->files[r->n++] = (struct ring_file){ (uint32_t)number, st.st_size, (int64_t)st.st_mtime * SECOND };
	r->sum += st.st_size;
	return true;
}

static bool read_dir(struct ring *r, struct err *e)
{
	int fd = openat(r->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d) {
		fd_end(&fd);
		return fail_sys(e, FAULT_TEMP, errno, "refused/");
	}
	while ((de = readdir(d)))
		note_file(r, de->d_name);
	closedir(d);
	qsort(r->files, r->n, sizeof(r->files[0]), by_number);
	return true;
}

bool ring_open(int dir, int64_t most, int64_t now, struct ring **ret, struct err *e)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (r)
		*r = (struct ring){ .dir = dir, .most = most, .fd = -1,
				    .files = calloc(2 * RING_FILES_MAX, sizeof(struct ring_file)) };
	if (!r || !r->files) {
		free(r);
		return fail(e, FAULT_TEMP, "no memory for the refused letters");
	}
	if (!read_dir(r, e)) {
		ring_close(r);
		return false;
	}
	tend(r, 0, now);
	*ret = r;
	return true;
}

void ring_close(struct ring *r)
{
	if (!r)
		return;
	fd_end(&r->fd);
	free(r->files);
	free(r);
}

/* -- writing --------------------------------------------------------------- */

static bool begin_file(struct ring *r, int64_t now, struct err *e)
{
	uint32_t number = r->n ? r->files[r->n - 1].number + 1 : 1;
	char name[NAME_BYTES];

	fd_end(&r->fd);
	name_of(number, name);
	r->fd = openat(r->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (r->fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "refused/%s", name);
	r->files[r->n++] = (struct ring_file){ number, RING_FILE_HEAD, now };
	r->sum += RING_FILE_HEAD;
	return fd_write_all(r->fd, str_of(file_head, RING_FILE_HEAD), e);
}

static bool make_room(struct ring *r, int64_t n, int64_t now, struct err *e)
{
	const struct ring_file *last = r->n ? &r->files[r->n - 1] : NULL;
	bool is_full = last && (last->size + n > RING_FILE_BYTES || last->begun < now - DAY);

	tend(r, n + RING_FILE_HEAD, now);
	return (r->fd >= 0 && r->n && !is_full) || begin_file(r, now, e);
}

static bool crc_of_file(int fd, uint64_t size, char *block, uint32_t *ret, struct err *e)
{
	*ret = 0;
	for (uint64_t at = 0; at < size; at += BLOCK) {
		size_t n = size - at < BLOCK ? (size_t)(size - at) : BLOCK;

		if (!fd_pread_all(fd, block, n, (int64_t)at, e))
			return false;
		*ret = crc32c(*ret, str_of(block, n));
	}
	return true;
}

/* to_at: where in `to`; the offset of its descriptor stays where it is, for whoever reads it next. */
static bool copy_file(int from, int64_t from_at, uint64_t size, int to, int64_t to_at, char *block, uint32_t *crc, struct err *e)
{
	*crc = 0;
	for (uint64_t at = 0; at < size; at += BLOCK) {
		size_t n = size - at < BLOCK ? (size_t)(size - at) : BLOCK;

		if (!fd_pread_all(from, block, n, from_at + (int64_t)at, e) ||
		    !fd_pwrite_all(to, str_of(block, n), to_at + (int64_t)at, e))
			return false;
		*crc = crc32c(*crc, str_of(block, n));
	}
	return true;
}

static bool write_frame(struct ring *r, enum ring_kind kind, struct str head, struct str bytes, int fd, uint64_t size,
			char *block, struct err *e)
{
	char mem[RING_FRAME_HEAD], end[4];
	struct buf b = buf_over(mem, sizeof(mem)), tail = buf_over(end, sizeof(end));
	uint32_t crc = crc32c(0, bytes), again = 0;
	int64_t at = r->files[r->n - 1].size, body_at = at + RING_FRAME_HEAD + (int64_t)head.n;

	if (fd >= 0 && !crc_of_file(fd, size, block, &crc, e))
		return false;
	buf_add(&b, S("WXRF"));
	put_u32(&b, (uint32_t)kind);
	put_u32(&b, (uint32_t)head.n);
	put_u64(&b, size);
	put_u32(&b, crc32c(crc32c(0, buf_str(&b)), head));
	put_u32(&tail, crc);
	return !FAULT_IN(ring_write, e) && fd_pwrite_all(r->fd, buf_str(&b), at, e) &&
	       fd_pwrite_all(r->fd, head, at + RING_FRAME_HEAD, e) &&
	       (fd >= 0 ? copy_file(fd, 0, size, r->fd, body_at, block, &again, e) : fd_pwrite_all(r->fd, bytes, body_at, e)) &&
	       fd_pwrite_all(r->fd, buf_str(&tail), body_at + (int64_t)size, e);
}

static bool append(struct ring *r, enum ring_kind kind, struct str head, struct str bytes, int fd, uint64_t size,
		   int64_t now, struct err *e)
{
	uint64_t whole = RING_FRAME_HEAD + head.n + size + 4;
	char *block = NULL;
	bool ok;

	if (head.n > LETTER_HEAD_MAX || size > (uint64_t)r->most / 2)
		return fail(e, FAULT_PERM, "the letter is too large for the ring");
	if (!make_room(r, (int64_t)whole, now, e))
		return false;
	block = fd >= 0 ? malloc(BLOCK) : NULL;
	ok = (fd < 0 || block || fail(e, FAULT_TEMP, "no memory")) && write_frame(r, kind, head, bytes, fd, size, block, e);
	free(block);
	/* nothing is written behind a torn frame */
	if (!ok) {
		fd_end(&r->fd);
		return fail_in(e, "refused/");
	}
	r->files[r->n - 1].size += (int64_t)whole;
	r->sum += (int64_t)whole;
	return true;
}

bool ring_add(struct ring *r, struct str head, struct str bytes, int fd, uint64_t size, int64_t now, struct err *e)
{
	return append(r, RING_LETTER, head, bytes, fd, fd >= 0 ? size : bytes.n, now, e);
}

bool ring_mark(struct ring *r, uint64_t id, struct str by, int64_t now, struct err *e)
{
	char mem[20 + BY_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	put_u64(&b, id);
	put_u64(&b, (uint64_t)now);
	put_str(&b, str_head(by, BY_MAX));
	return append(r, RING_RELEASED, buf_str(&b), S(""), -1, 0, now, e);
}

/* -- reading --------------------------------------------------------------- */

static bool read_mark(struct ring_frame *f)
{
	struct cursor c = { .in = f->head };

	f->id = take_u64(&c);
	f->when = (int64_t)take_u64(&c);
	f->by = take_str(&c, BY_MAX);
	return !c.bad && !c.in.n;
}

bool ring_frame_read(int fd, uint64_t at, uint64_t size, struct arena *a, struct ring_frame *ret)
{
	char mem[RING_FRAME_HEAD], *head;
	struct cursor c = { .in = str_of(mem, sizeof(mem)) };
	struct ring_frame f = { .place.at = at };
	struct err e;
	uint32_t kind, n, crc;

	if (at > size || size - at < RING_FRAME_HEAD + 4 || !fd_pread_all(fd, mem, sizeof(mem), (int64_t)at, &e) ||
	    !str_eq(take(&c, 4), S("WXRF")))
		return false;
	kind = take_u32(&c);
	n = take_u32(&c);
	f.body_size = take_u64(&c);
	crc = take_u32(&c);
	size -= at + RING_FRAME_HEAD + 4;
	if ((kind != RING_LETTER && kind != RING_RELEASED) || n > LETTER_HEAD_MAX || n > size || f.body_size > size - n)
		return false;
	head = arena_alloc(a, n ? n : 1, 1);
	if (!head || !fd_pread_all(fd, head, n, (int64_t)(at + RING_FRAME_HEAD), &e))
		return false;
	f.kind = (enum ring_kind)kind;
	f.head = str_of(head, n);
	f.body_at = at + RING_FRAME_HEAD + n;
	if (crc32c(crc32c(0, str_of(mem, RING_FRAME_HEAD - 4)), f.head) != crc || (kind == RING_RELEASED && !read_mark(&f)))
		return false;
	*ret = f;
	return true;
}

/* A file for reading with its size, or -1. */
static int open_file(const struct ring *r, uint32_t number, uint64_t *ret_size)
{
	char name[NAME_BYTES], head[RING_FILE_HEAD];
	struct stat st;
	struct err e;
	int fd;

	name_of(number, name);
	fd = openat(r->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && (fstat(fd, &st) || !fd_pread_all(fd, head, sizeof(head), 0, &e) ||
			memcmp(head, file_head, sizeof(head)) != 0))
		fd_end(&fd);
	if (fd >= 0)
		*ret_size = (uint64_t)st.st_size;
	return fd;
}

bool ring_next(struct ring *r, struct ring_place *place, struct arena *a, struct ring_frame *ret)
{
	for (size_t i = 0; i < r->n; i++) {
		uint32_t number = r->files[i].number;
		uint64_t size = 0, at = number == place->file && place->at ? place->at : RING_FILE_HEAD;
		AUTO(fd_end) int fd = number < place->file ? -1 : open_file(r, number, &size);

		if (fd < 0 || !ring_frame_read(fd, at, size, a, ret))
			continue;
		ret->place.file = number;
		*place = (struct ring_place){ number, ret->body_at + ret->body_size + 4 };
		return true;
	}
	return false;
}

bool ring_body(struct ring *r, const struct ring_frame *f, int to, struct err *e)
{
	uint64_t size;
	AUTO(fd_end) int fd = open_file(r, f->place.file, &size);
	char *block = malloc(BLOCK), end[4];
	struct cursor c = { .in = str_of(end, sizeof(end)) };
	uint32_t crc = 0;
	bool ok;

	ok = (fd >= 0 && block) || fail(e, FAULT_TEMP, "the letter is gone from the ring");
	ok = ok && copy_file(fd, (int64_t)f->body_at, f->body_size, to, 0, block, &crc, e) &&
	     fd_pread_all(fd, end, sizeof(end), (int64_t)(f->body_at + f->body_size), e);
	free(block);
	return ok && (take_u32(&c) == crc || fail(e, FAULT_PERM, "the letter is damaged on the disk"));
}

bool ring_body_part(struct ring *r, const struct ring_frame *f, uint64_t from, char *to, size_t n, struct err *e)
{
	uint64_t size;
	AUTO(fd_end) int fd = open_file(r, f->place.file, &size);

	if (fd < 0 || from > f->body_size || n > f->body_size - from)
		return fail(e, FAULT_TEMP, "the letter is gone from the ring");
	return fd_pread_all(fd, to, n, (int64_t)(f->body_at + from), e);
}
