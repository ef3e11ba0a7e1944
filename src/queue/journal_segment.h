/* journal_segment.h — what journal.c and journal_open.c share; nobody else includes it. */
#pragma once

#include "fiber/fiber.h"
#include "queue/journal.h"

enum {
	JOURNAL_FILES_MAX = 64,          /* a start may need as many again as there are */
	JOURNAL_IOV_MAX = JOURNAL_GROUP_RECORDS * (JOURNAL_PARTS_MAX + 2),
};

struct segment {
	uint32_t number;
	int fd;
	bool in_use;
	bool is_damaged;                 /* to be kept aside once its records are copied */
	uint64_t epoch;
	uint64_t first, last;            /* sequences in it */
	uint32_t used;                   /* bytes */
	uint32_t pins;
};

/* A record on its way into a group; lives on its caller's stack. */
struct entry {
	enum journal_kind kind;
	const struct str *parts;
	size_t n_parts, n;               /* n: bytes of payload */
	struct journal_at at;
	bool is_taken, is_done, is_ok;
	struct err err;
	struct wait wait;
	struct entry *next;
};

struct journal {
	struct journal_conf conf;
	struct segment *segments[JOURNAL_FILES_MAX];
	size_t n_segments;
	struct segment *active;
	uint64_t next_sequence;
	struct entry *first, *last;      /* those that wait for a group */
	bool is_leading, is_giving, is_preparing, is_dead, no_space;
	bool is_copying;                 /* a start: groups are synced together, see journal_settle() */
	size_t unsynced;                 /* bytes of the active segment */
	struct journal_cursor *cursors;
	struct journal_status count;
	/* of the one group in flight */
	struct iovec iov[JOURNAL_IOV_MAX];
	char heads[JOURNAL_GROUP_RECORDS][JOURNAL_RECORD_HEAD];
	char block[JOURNAL_BLOCK];
};

/* A file of zeros under a free number; blocks. */
bool segment_make(struct journal *j, struct segment **ret, struct err *e);
/* Write its head and sync; blocks. */
bool segment_head_write(struct journal *j, struct segment *s, enum segment_state state);
void segment_close(struct segment *s);
struct segment *segment_add(struct journal *j, uint32_t number, int fd);
void segment_remove(struct journal *j, struct segment *s);
/* Write down as many of the waiting entries as one group takes. */
SUSPENDS void journal_lead(struct journal *j);
/* While copying, what is written is durable only after this. */
SUSPENDS bool journal_settle(struct journal *j, struct err *e);
void journal_enqueue(struct journal *j, struct entry *w);
