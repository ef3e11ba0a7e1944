/* notice_rows.h — the inside of the notices: a log, and a row for each folder.
 *
 * Rows change only while the shelf is held or by a session without a wait; a thread of the pool gets copies. */
#pragma once

#include "store/box_file.h"
#include "store/notices.h"

enum {
	WATCH_MISSING = -1,
	WATCH_NONE = -2,                 /* cannot be had */
};

struct notice_row {
	char name[STORE_FOLDER_MAX + 1];
	int watch_new, watch_cur;        /* of inotify, or WATCH_… */
	bool exists, is_subscribed;
	bool is_listed;                  /* in the present look */
	uint64_t last;                   /* index of its latest NOTICE_LETTERS, plus one */
};

struct kept {
	enum notice_kind kind;
	const struct by *by;
	char *folder, *other;
};

struct notices {
	unsigned readers;
	struct map rows;                 /* folder → struct notice_row */
	struct map watches;              /* of inotify → struct notice_row */
	int watch_root;
	bool needs_look;
	struct wait changed;
	struct kept *ring;
	uint64_t first, end;
	uint64_t read;                   /* what stands before was read by somebody */
};

/* A kept notice frees its texts. */
void kept_end(struct kept *k);
void notice_log(struct notices *n, const struct notice *x);

static inline struct str watch_key(const int *watch)
{
	return str_of(watch, sizeof(*watch));
}
/* The row of that name, made if there is none. */
struct notice_row *notice_row_add(struct notices *n, struct str name);
void notice_row_unwatch(struct shelf *s, struct notice_row *r);
void notice_row_remove(struct shelf *s, struct notice_row *r);

/* notices_look.c; the shelf is held.  All folders as they are now; `tells`: what is new goes to the log. */
SUSPENDS bool notices_look(struct shelf *s, bool tells, struct err *e);
/* Nobody reads any more. */
void notices_forget(struct shelf *s);
