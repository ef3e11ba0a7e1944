/* file_window.c — see file_window.h. */
#include "role/mailbox/file_window.h"

#include "fiber/fiber.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_window_init(struct file_window *w, int fd, uint64_t *ret_size, struct err *e)
{
	struct stat st;

	*w = (struct file_window){ .fd = fd };
	if (fd < 0 || fstat(fd, &st))
		return fail_sys(e, FAULT_PERM, fd < 0 ? EBADF : errno, "look at the file");
	if (!S_ISREG(st.st_mode))
		return fail(e, FAULT_PERM, "not a regular file");
	w->mem = malloc(FILE_WINDOW);
	if (!w->mem)
		return fail(e, FAULT_TEMP, "out of memory");
	w->in = str_of(w->mem, 0);
	*ret_size = (uint64_t)st.st_size;
	return true;
}

void file_window_end(struct file_window *w)
{
	free(w->mem);
	*w = (struct file_window){ .fd = -1 };
}

uint64_t file_window_tell(const struct file_window *w)
{
	return w->at + (uint64_t)(w->in.p - w->mem);
}

void file_window_seek(struct file_window *w, uint64_t at)
{
	if (at >= w->at && at - w->at <= w->n) {
		w->in = str_of(w->mem + (at - w->at), w->n - (size_t)(at - w->at));
		return;
	}
	w->at = at;
	w->n = 0;
	w->is_last = false;
	w->in = str_of(w->mem, 0);
}

struct read_job {
	int fd;
	char *to;
	size_t room;
	uint64_t at;
	ssize_t n;
	int sys;
};

static void read_run(void *arg)
{
	struct read_job *j = arg;

	do
		j->n = pread(j->fd, j->to, j->room, (off_t)j->at);
	while (j->n < 0 && errno == EINTR);
	j->sys = errno;
}

SUSPENDS bool file_window_peek(const struct file_window *w, uint64_t at, char *to, size_t n, size_t *ret)
{
	struct read_job j = { .fd = w->fd, .to = to, .room = n, .at = at };

	if (at > INT64_MAX)
		return false;
	off_loop(read_run, &j);
	if (j.n < 0)
		return false;
	*ret = (size_t)j.n;
	return true;
}

SUSPENDS bool file_window_more(struct file_window *w, struct err *e)
{
	struct read_job j = { .fd = w->fd };

	must(w->in.n < FILE_WINDOW, "the window has room");
	w->at = file_window_tell(w);
	if (w->in.n)
		memmove(w->mem, w->in.p, w->in.n);
	w->n = w->in.n;
	j.to = w->mem + w->n;
	j.room = FILE_WINDOW - w->n;
	j.at = w->at + w->n;
	off_loop(read_run, &j);
	if (j.n < 0)
		return fail_sys(e, FAULT_TEMP, j.sys, "read the file");
	w->n += (size_t)j.n;
	w->is_last = j.n == 0;
	w->in = str_of(w->mem, w->n);
	return true;
}
