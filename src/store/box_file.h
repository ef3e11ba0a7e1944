/* box_file.h — the inside of a box, for the files that make it up.
 *
 * A letter's file is called NAME in new/, NAME:2,FLAGS in cur/; NAME (the stem) is what the uidlist
 * has.  `disk_flags` and `disk_keywords` say which flags the name has now; flags and keywords are
 * those in force.  Where they differ the letter is dirty: its change stands in the flag
 * log and its file is renamed in the background. */
#pragma once

#include "base/buf.h"
#include "store/box.h"
#include "store/maildir_name.h"
#include "store/shelf.h"
#include "store/uidfile.h"

/* Bits of letter.state. */
enum letter_state {
	STATE_IN_NEW = 1 << 0,           /* its file is in new/, under the stem */
	STATE_ODD = 1 << 1,              /* all of the file's name is kept: the flags are not as we write them */
	STATE_BARE = 1 << 2,             /* in cur/ without ":2," */
	STATE_ABSENT = 1 << 3,           /* while loading: no file was seen yet */
};

enum { CHANGES_MAX = 4096, EXPUNGED_MAX = 20000 };

struct expunged {
	uint32_t first, last;
	uint64_t modseq;
};

/* What waits to be kept; no bytes: the letter went. */
struct put {
	uint32_t uid, kind;
	size_t at, n;                    /* in bytes */
};

struct puts {
	struct put *p;
	size_t n, cap;
	struct buf bytes;
};

struct box {
	struct shelf *shelf;
	char folder[STORE_FOLDER_MAX + 1];
	unsigned users;
	int64_t left;                    /* monotonic: when its last user left */
	bool is_loaded, is_gone;
	struct box *next_gone;
	bool cur_needs_sync;             /* names in cur/ follow flags and were not synced */
	struct folder dir;
	int top;                         /* the folder's own directory */
	int watch_new, watch_cur;        /* of inotify, or -1 */
	bool look_new, look_cur;         /* something happened there */
	struct stamp at_uidlist, at_new, at_cur;
	int64_t looked;                  /* microseconds UTC: when new/ and cur/ were read */
	int64_t look_cost;               /* what the last reading took, microseconds */

	struct letter *letters;          /* by UID */
	size_t n, cap;
	char *names;                     /* of the letters, one behind the other */
	size_t names_n, names_cap;
	uint64_t *index;                 /* by stem: 32 bits of its hash, and the UID; open addressing; 0: free */
	size_t index_cap, index_used;
	size_t n_dirty;
	size_t n_new;                    /* letters in new/ */
	size_t n_bad_lines, n_dead_lines;

	uint32_t validity, next;
	char guid[33];
	char *header_rest;               /* fields of the uidlist's header we do not know */
	uint64_t modseq;
	uint64_t epoch;                  /* of the flag log, when this state was written to the cache */
	uint32_t recent_from;            /* UIDs from here up were not yet given as \Recent */
	char *keywords[KEYWORDS_MAX];

	struct change *log;              /* a ring */
	size_t log_cap;
	uint64_t log_first, log_end;
	struct expunged *expunged;       /* by modseq */
	size_t n_expunged, cap_expunged;
	uint64_t expunged_from;          /* what went before is not known */
	struct wait changed;

	struct puts puts;
	struct puts writing;             /* a thread reads them: they stay as they are */
	uint32_t search_from;            /* below this UID letters were looked at for the search index */
	size_t search_slots;             /* of its file, as it was last looked at */
	bool search_is_damaged;          /* a search found it so, or gone */

	bool is_stale;                   /* the cache has an older state */
	int64_t saved_at;                /* monotonic: when it was last written to the cache */
};

/* ---- box_index.c: letters in memory ---- */

/* Of the letters' array, or n if there is none. */
size_t box_place(const struct box *b, uint32_t uid);
const struct letter *box_by_stem(const struct box *b, struct str stem);
struct str letter_stem(const struct box *b, const struct letter *l);
/* The file's name, NUL-terminated, and the directory it is in. */
int letter_file(const struct box *b, const struct letter *l, char to[static STORE_NAME_MAX + 1]);
/* Add one with a UID above all others; its name is copied. */
struct letter *box_add(struct box *b, uint32_t uid, struct str name, struct err *e);
bool box_names_add(struct box *b, struct str name, uint32_t *ret, struct err *e);
bool box_index_make(struct box *b, struct err *e);
void box_index_add(struct box *b, const struct letter *l);
/* What a file's name says becomes the letter's disk state; with `effective` also its flags. */
bool letter_set_file(struct box *b, struct letter *l, struct str name, bool in_new, struct err *e);

/* ---- box_kept.c: what the cache keeps of letters ---- */

void puts_end(struct puts *p);
void box_keep_nothing(struct box *b, uint32_t uid);
/* So much waits that it is to be written while more is made. */
bool box_keeps_much(const struct box *b);
/* The shelf is held.  Write what waits. */
SUSPENDS void box_keep_write(struct box *b);

/* ---- box_learn.c ---- */

/* As box_letter_open(), if the file has the name we know; does not wait. */
int box_letter_open_now(struct box *b, uint32_t uid, struct err *e);

/* ---- box_log.c: what happened ---- */

uint64_t box_modseq_next(struct box *b);
void box_log(struct box *b, const struct change *c);
/* Letters at places [from, from+n) go; they are taken out of memory. */
void box_remove(struct box *b, const uint32_t *uids, size_t n, uint64_t modseq, const struct by *by);
void box_expunged_add(struct box *b, uint32_t first, uint32_t last, uint64_t modseq);
void box_set_flags(struct box *b, struct letter *l, uint8_t flags, uint32_t keywords);
/* True if it made a difference. */
bool letter_change(struct box *b, struct letter *l, const struct flags_change *c);

/* ---- box_scan.c: new/ and cur/ as they are ---- */

/* A file that is not as the box has it: a letter's (uid), or one without a letter (uid 0). */
struct sight {
	uint32_t uid;
	uint32_t name;                   /* in scan.names */
	uint64_t arrived;                /* the number in front of the name: seconds */
	uint16_t name_n;
	bool in_new;
};

struct scan {
	struct dir_visit v;
	struct box *b;
	bool in_new, is_second;
	uint8_t *seen;                   /* per place in the box */
	struct sight *sights;
	size_t n, cap;
	struct buf names;
	size_t doubles;
	struct stamp at_new, at_cur;
	int64_t began, cost;
	struct err err;
};

/* In a thread: read what is asked for; afterwards seen[] and sights tell.  scan_end() frees. */
bool scan_run(struct scan *c, struct box *b, bool new, bool cur, struct err *e);
void scan_end(struct scan *c);
struct str sight_name(const struct scan *c, const struct sight *s);
/* In a thread: lock the uidlist and learn what others wrote into it; UIDs they gave to sights of *c
 * (may be NULL) are taken over. */
bool uids_begin(struct box *b, struct uidlist_lock *l, struct scan *c, struct err *e);
/* In a thread: give UIDs to the sights that have none, in the order of their arrival, and sort all by
 * UID.  The uidlist has them durably.  sys = ESTALE: the folder is another by now. */
bool scan_give_uids(struct scan *c, struct box *b, struct err *e);

/* ---- box_uids.c: the box and its uidlist (in a thread) ---- */

/* Letters as the uidlist has them, all STATE_ABSENT; makes one if there is none. */
bool uids_load(struct box *b, struct err *e);
/* Under the lock: `lines` for UIDs from b->next up; on success the caller moves b->next.  `later`: it
 * also syncs cur/ before anybody is told. */
bool uids_append(struct box *b, struct str lines, bool later, struct err *e);
/* Under the lock: all letters and `more`. */
bool uids_rewrite(struct box *b, struct str more, struct err *e);

/* ---- box_load.c ---- */

/* The shelf is held.  Find or make the box, loaded. */
SUSPENDS bool box_get(struct shelf *s, struct str folder, struct box **ret, struct err *e);
void box_free(struct box *b);
/* The shelf is held.  Read new/ and cur/ (only those of look_new, look_cur, unless `all`). */
SUSPENDS bool box_look(struct box *b, bool all, struct err *e);
void box_set_gone(struct box *b);

/* ---- box_flags.c: names follow flags ---- */

/* The shelf is held.  At most `most` letters of this box; `claim`: also those in new/ go to cur/. */
SUSPENDS bool names_follow(struct box *b, bool claim, size_t most, struct err *e);
/* All boxes; then the flag log is empty. */
SUSPENDS bool names_follow_all(struct shelf *s, struct err *e);

/* ---- box_move.c ---- */

/* The shelf is held.  All letters go to gone/. */
SUSPENDS bool box_remove_all(struct box *b, const struct by *by, struct err *e);

/* ---- tend.c ---- */

/* The shelf is held.  Read inotify (or the directories' times) and mark the boxes. */
void watch_poll(struct shelf *s);
/* The shelf is held.  Before another box is opened: each has four descriptors. */
enum { BOXES_OPEN_MAX = 128 };
SUSPENDS void boxes_make_room(struct shelf *s);
/* Is there anything to be read for this box? */
bool watch_pending(struct box *b);

/* ---- box_guard.c ---- */

/* The shelf is held.  Letters among these whose delivery is not yet safe in the journal become so
 * before anybody touches them; uids NULL: all of the box. */
SUSPENDS bool box_guard(struct box *b, const uint32_t *uids, size_t n, struct err *e);

/* ---- keywords ---- */

bool keywords_load(struct box *b, struct err *e);
void keywords_free(struct box *b);
/* The shelf is held; else as box_keyword_make(). */
SUSPENDS bool box_keyword_give(struct box *b, struct str name, unsigned *ret, struct err *e);
