/* journal.h — what was promised, on disk before it is said.
 *
 * Records are appended to preallocated segments of 32 MiB and made durable in
 * groups: what arrives while one group is being synced shares the next.  At
 * most one sync is in flight.  A segment is given back when no record in it is
 * pinned and every registered cursor has passed it.
 *
 * On-disk states of a segment file journal/NN, and what a start does with it:
 *
 *   state                     means                        at the next start
 *   no file                   -                            -
 *   NN.new                    zeros being written          removed
 *   head zero or bad, no      made, never used             free
 *     record magic behind it
 *   head FREE                 given back, synced           free (old records are not read:
 *                                                          their epoch is not the head's)
 *   head IN_USE, epoch E      records of epoch E           read to the first bad record
 *     … and behind a bad      damaged in the middle        what is readable is used; the file is
 *       one a good one of E                                renamed NN.TIME.aside and kept
 *   head bad, records behind  the head is damaged          as above (epoch of its first record)
 *   head of a newer version   a newer program's            the start is refused, nothing written
 *   NN.TIME.aside             kept for a person            not read; removed after 30 days
 *
 * After reading, the records that still matter are copied to fresh segments
 * and synced, up to 4 MiB at once, before anything is carried out: what the
 * page cache shows after a failed sync need not be on the disk.  Only then are
 * the old segments freed.
 * A crash in between leaves two copies with one letter id; the reader takes
 * them for one.
 *
 * Guarantee: a record for which journal_append() said true is given by the
 * next journal_open(), until its segment is given back.  A group begins on a
 * 4 KiB boundary, so no later write touches its blocks. */
#pragma once

#include "queue/journal_format.h"
#include "base/attr.h"
#include "base/err.h"

#include <sys/types.h>
#include <sys/uio.h>

enum {
	JOURNAL_SEGMENTS_MAX = 16,
	JOURNAL_PARTS_MAX = 4,           /* of one record */
	JOURNAL_ASIDE_DAYS = 30,
	JOURNAL_GROUP_RECORDS = 128,
	JOURNAL_GROUP_BYTES = 4 * 1024 * 1024,
};

/* The system calls the journal stands on; tests give others that fail. */
struct journal_ops {
	ssize_t (*write)(int fd, const struct iovec *iov, int n, off_t at); /* not yet durable */
	int (*sync)(int fd);
};
extern const struct journal_ops journal_ops_real;

struct journal_conf {
	int dir;                         /* journal/, stays the caller's */
	uint32_t segment_size;           /* 0: JOURNAL_SEGMENT; tests take smaller ones */
	unsigned segments_max;           /* 0: JOURNAL_SEGMENTS_MAX */
	const struct journal_ops *ops;   /* NULL: the real ones */
};

/* Where a record lies. */
struct journal_at {
	uint32_t segment;                /* number of the file */
	uint32_t offset;                 /* of its payload */
	uint32_t length;
	uint64_t sequence;               /* 0: nowhere */
};

struct journal_cursor {
	const char *name;
	uint64_t passed;                 /* needs nothing up to this sequence */
	struct journal_cursor *next;
};

struct journal;

/* Gets each readable record in order of sequence, before the first append.  keep() is asked
 * again for each of them after all were seen; those it keeps are copied and given to moved(). */
struct journal_reader {
	/* False: not understood; its segment is kept aside. */
	bool (*seen)(void *arg, enum journal_kind kind, struct str payload,
		     const struct journal_at *at);
	bool (*keep)(void *arg, enum journal_kind kind, struct str payload,
		     const struct journal_at *at);
	void (*moved)(void *arg, struct journal *j, const struct journal_at *from,
		      const struct journal_at *to);
	/* All was copied; called before anything old is freed. */
	SUSPENDS bool (*settled)(void *arg, struct err *e);
	void *arg;
};

struct journal_status {
	unsigned in_use, full, spare, aside, total;
	int64_t aside_until;             /* when the last of those was put aside; 0: none is */
	uint64_t records, syncs, bytes;
	uint64_t sequence;               /* of the last record */
};

SUSPENDS bool journal_open(const struct journal_conf *conf, const struct journal_reader *reader,
			   int64_t now, struct journal **ret, struct err *e);
/* Frees the memory; nothing is written. */
void journal_close(struct journal *j);

/* Durable when it returns true.  The record is pinned.  Not cancellable: what is in a group cannot
 * be called back.  Parts must not change until it returns. */
SUSPENDS bool journal_append(struct journal *j, enum journal_kind kind, const struct str *parts,
			     size_t n_parts, struct journal_at *ret, struct err *e);
bool journal_has_room(const struct journal *j);
/* A write or sync failed: the process must end. */
bool journal_is_dead(const struct journal *j);
/* The payload of a pinned record, checked again; length bytes at `to`. */
SUSPENDS bool journal_read(struct journal *j, const struct journal_at *at, void *to,
			   struct err *e);

void journal_pin(struct journal *j, const struct journal_at *at);
void journal_unpin(struct journal *j, const struct journal_at *at);
void journal_cursor_add(struct journal *j, struct journal_cursor *c);
/* Mark what nobody needs as free, oldest first. */
SUSPENDS bool journal_give_back(struct journal *j, struct err *e);
/* Begin a new segment with the next record, so that the present one can be given back. */
void journal_turn(struct journal *j);
/* Make the spare segment if there is none. */
SUSPENDS bool journal_prepare(struct journal *j, struct err *e);
void journal_status(const struct journal *j, struct journal_status *ret);
