/* transfer.h — what the files of waxwing import and export share. */
#pragma once

#include "base/arena.h"
#include "base/fd.h"
#include "ctl/command.h"
#include "ipc/say.h"

#include <stdio.h>

/* ---- progress.c: a bar on standard error, if that is a terminal ---- */

struct progress {
	bool is_on;
	uint64_t done, total;
	uint64_t letters;                /* 0: not known */
	int64_t drawn;                   /* monotonic */
};

void progress_begin(struct progress *p, uint64_t total);
void progress_set(struct progress *p, uint64_t done);
/* The line is free again: before any other text, and at the end. */
void progress_clear(struct progress *p);

/* ---- the conversation ---- */

struct transfer {
	const struct ctl *c;
	const char *path;                /* as the caller named it */
	struct str folder;               /* --folder; has_folder: it was given */
	bool has_folder;
	struct link *mailbox;
	struct arena *a;                 /* of one answer: emptied between questions */
	struct progress progress;
	uint64_t folders, letters, refused, octets;
	uint64_t base;                   /* of progress: what is behind the file that is under way */
};

/* Something could not be taken: said, counted, and the rest goes on. */
PRINTF_LIKE(2, 3) void transfer_refuse(struct transfer *t, const char *fmt, ...);

/* Each false has *e. */
SUSPENDS bool import_maildir_run(struct transfer *t, struct err *e);
SUSPENDS bool import_mbox_run(struct transfer *t, struct err *e);
SUSPENDS bool export_maildir_run(struct transfer *t, struct err *e);
SUSPENDS bool export_mbox_run(struct transfer *t, struct err *e);

/* ---- tree.c: what lies below a path ---- */

struct tree_row {
	struct str path;                 /* below the root; empty: the root */
	struct str name;                 /* of the folder, as on disk */
	bool is_raw;                     /* modified UTF-7; else UTF-8 */
};

struct tree {
	struct arena a;
	struct tree_row *rows;
	size_t n, cap;
};

/* Maildirs (is_maildir) or files below `root`, by name; links are not followed. */
bool tree_read(struct tree *t, int root, bool is_maildir, struct err *e);
void tree_end(struct tree *t);
int dir_below(int root, struct str path, struct err *e);
