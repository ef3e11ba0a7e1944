/* uidfile.h — the uidlist of one folder on disk: locked, read, appended to, replaced.
 *
 * All of it blocks and runs in a thread.  `dir` is the folder's own directory.
 *
 * States of a rewrite (dovecot-uidlist.lock is held):
 *   R0  uidlist                  nothing happened
 *   R1  uidlist +waxwing.tmp     being written or synced; the next rewrite replaces it
 *   R2  uidlist (new)            renamed; the directory is synced before anybody is told
 * Guarantee: at every moment one whole uidlist lies there under its name. */
#pragma once

#include "store/uidlist.h"

#include "base/err.h"

#include <sys/types.h>

/* Which file, and as of when. */
struct stamp {
	dev_t dev;
	ino_t ino;
	int64_t size, mtime;             /* nanoseconds */
};

bool stamp_eq(const struct stamp *a, const struct stamp *b);
/* All zero if there is none. */
struct stamp stamp_at(int dir, const char *name);
struct stamp stamp_of(int fd);

/* dovecot-uidlist.lock: as Dovecot does, a lock whose file was not touched for 2 minutes is
 * broken.  Ours is known by its mode 0400 and is also locked for the kernel: what a crash of ours left is broken
 * after a second. */
struct uidlist_lock {
	int dir;                         /* -1: not held */
	int fd;
};
#define UIDLIST_UNLOCKED ((struct uidlist_lock){ -1, -1 })
bool uidlist_lock(int dir, struct uidlist_lock *ret, struct err *e);
void uidlist_unlock(struct uidlist_lock *l);

/* For AUTO: what uidfile_read() gave. */
void text_end(char **text);
/* The whole file, malloc()ed; empty if there is none. */
bool uidfile_read(int dir, char **ret, size_t *ret_n, struct stamp *ret_stamp, struct err *e);
/* Under the lock: add whole lines and sync them; with `later` the caller syncs a directory afterwards (see
 * durable.h).  *stamp is what we know; sys = ESTALE if the file
 * is another by now (nothing was written).  Then *stamp is as after the writing. */
bool uidfile_append(int dir, struct str lines, bool later, struct stamp *stamp, struct err *e);
/* Under the lock: replace it, durably. */
bool uidfile_write(int dir, struct str text, struct stamp *ret, struct err *e);
/* The same for another small file of the folder, by way of the temporary name. */
bool file_replace(int dir, const char *name, struct str text, struct err *e);

/* A new UIDVALIDITY, more than any before (root: where Dovecot counts them) and than `known`. */
uint32_t uidvalidity_next(int root, uint32_t known);
