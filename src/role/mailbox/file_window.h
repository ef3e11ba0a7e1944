/* file_window.h — a file read forwards through a window of fixed size, off the loop. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum { FILE_WINDOW = 256 << 10 };

struct file_window {
	struct str in;                   /* what can be read now; the reader moves it on */
	bool is_last;                    /* nothing comes behind it */
	/* own */
	int fd;                          /* borrowed */
	char *mem;
	uint64_t at;                     /* offset in the file of mem[0] */
	size_t n;                        /* octets at mem */
};

/* False: no memory, or not a regular file. */
bool file_window_init(struct file_window *w, int fd, uint64_t *ret_size, struct err *e);
void file_window_end(struct file_window *w);
/* More behind what is left of w->in.  The rest must be smaller than the window. */
SUSPENDS bool file_window_more(struct file_window *w, struct err *e);
/* Up to n octets at an offset, without moving; false: they cannot be read. */
SUSPENDS bool file_window_peek(const struct file_window *w, uint64_t at, char *to, size_t n, size_t *ret);
/* Where w->in begins in the file; begin there again. */
uint64_t file_window_tell(const struct file_window *w);
void file_window_seek(struct file_window *w, uint64_t at);
