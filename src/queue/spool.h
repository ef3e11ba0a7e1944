/* spool.h — what could not be carried out at once: files and rows.
 *
 * spool/in/ID     a long letter as it arrives; named by its record
 * spool/moved/ID  the bytes of a letter that left the journal
 * db/queue.db     a row per letter that left the journal: record and step states; MTA-STS policies
 *
 *   file  row  journal        means                           at the next start
 *   in    -    -              arriving, or just finished      removed after 36 hours
 *   in    -    LETTER         accepted                        carried out
 *   moved -    LETTER         a move was cut off              written anew by the next move
 *   any   yes  LETTER         row committed, MOVED missing    the row outranks the record
 *   any   yes  MOVED or -     waits here                      carried out from here
 *   any   -    MOVED or -     finished; the file comes last   removed after 36 hours
 *
 * While a damaged journal segment is kept aside, no file is removed that is as old as it: a
 * record in it may name one.  All calls block; the caller is in a thread. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct spool;

struct spool_row {
	uint64_t id;
	struct str record, states;       /* empty record: the row goes */
	bool is_held;
	bool update_only;                /* the record stays as it is */
};

/* `dir` is spool/ (stays the caller's), `db` the path of queue.db. */
bool spool_open(int dir, const char *db, struct spool **ret, struct err *e);
void spool_close(struct spool *s);

bool spool_file_new(struct spool *s, const char *name, int *ret_fd, struct err *e);
/* The bytes under this name, on their way to the disk but not yet durable: that is for spool_file_sync().
 * What was there from a move that was cut off goes. */
bool spool_file_write(struct spool *s, const char *name, struct str bytes, int *ret_fd, struct err *e);
bool spool_file_sync(int fd, struct err *e);
bool spool_file_open(struct spool *s, struct str name, int *ret_fd, struct err *e);
/* Both directories durable. */
bool spool_dirs_sync(struct spool *s, struct err *e);
void spool_file_drop(struct spool *s, struct str name);

/* In one commit, durable.  After an error the database is opened anew by the next call. */
bool spool_rows_write(struct spool *s, const struct spool_row *rows, size_t n, struct err *e);
bool spool_rows_read(struct spool *s, bool (*row)(void *arg, const struct spool_row *r,
						  struct err *e), void *arg, struct err *e);
/* The record of one row. */
bool spool_row_record(struct spool *s, uint64_t id, struct buf *ret, struct err *e);
/* What is not known leaves all as it is. */
bool spool_policy_get(struct spool *s, struct str domain, struct arena *a, struct str *ret_id, struct str *ret_text,
		      int64_t *ret_until, struct err *e);
/* What is out of date goes. */
bool spool_policy_put(struct spool *s, struct str domain, struct str id, struct str text, int64_t until,
		      struct err *e);
/* Remove files older than 36 hours, and younger than `spared`, that is_known() does not know. */
bool spool_sweep(struct spool *s, int64_t now, int64_t spared, bool (*is_known)(void *arg, struct str name),
		 void *arg, size_t *ret_removed, struct err *e);
