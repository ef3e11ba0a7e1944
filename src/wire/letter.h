/* letter.h — what one recipient gets of a letter.
 *
 * The bytes of a letter never change after they came in.  A recipient gets a
 * view of them: a prefix, then the bytes without some ranges.  One reader gives
 * it to everybody: delivery, relaying, bounces. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum {
	LETTER_BLOCK = 64 << 10,         /* octets per read */
	LETTER_CUTS_MAX = 2000,
};

/* Where the bytes are.  Nothing is owned. */
struct letter_src {
	struct str bytes;        /* in memory, if fd is -1 */
	int fd;                  /* read with pread(); its offset does not matter */
	int64_t at;              /* where in fd the letter begins */
	uint64_t size;           /* octets of the letter */
};

struct letter_src letter_in_memory(struct str bytes);
struct letter_src letter_in_file(int fd, int64_t at, uint64_t size);

/* A range of the letter that is left out. */
struct cut {
	uint64_t at;
	uint64_t n;
};

struct view {
	struct str prefix;       /* whole lines in CRLF, may be empty */
	struct cut *cuts;
	size_t n_cuts;
};

/* Are the cuts sorted, apart from each other, not empty and inside a letter of that size? */
bool view_is_valid(const struct view *v, uint64_t size);
/* Octets of the view in CRLF form. */
uint64_t view_size(const struct view *v, uint64_t size);

struct letter_reader {
	/* set by letter_reader_init() */
	struct letter_src src;
	const struct view *view; /* NULL: the bytes as they are */
	char *block;             /* LETTER_BLOCK octets of the owner's; unused for bytes in memory */

	/* letter.c's own */
	bool prefix_done;
	size_t cut;              /* the next one */
	uint64_t at;             /* how far we are */
};

/* False if the cuts do not fit the letter. */
bool letter_reader_init(struct letter_reader *r, const struct letter_src *src, const struct view *v, char *block,
			struct err *e);
/* The next piece; empty at the end.  It holds until the next call. */
bool letter_reader_next(struct letter_reader *r, struct str *ret, struct err *e);
