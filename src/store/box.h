/* box.h — one folder, open.
 *
 * All sessions of an account live in one process and share a struct box per
 * folder: its letters in order of UID, in memory, and a log of what happened to
 * them.  A session keeps what it has told its client (view.h) and follows the
 * log.  Verbs that touch the disk wait; reading the letters does not.
 *
 * Guarantees:  a UID is on stable storage before anybody is told it;  append,
 * copy, move and expunge are durable when true comes back;  flags and keywords
 * are in force at once, survive the end of the process, and a power cut after at
 * most 5 s; file names follow.  MODSEQ only grows, also over a deleted cache.
 *
 * Words:  *by* is who acts: its name stands in the history, its address in
 * the log of changes, so that a session knows its own.  Pointers to letters hold until the next
 * wait; keep UIDs (style 33).
 *
 * To add a verb: box_disk.h shows how one works off the loop. */
#pragma once

#include "base/time.h"
#include "store/letter.h"
#include "store/store.h"

struct arena;
struct box;
struct buf;
struct wait;

struct by {
	struct str who;                  /* "imap/412 192.0.2.7" */
};

/* ---- open, look ---- */

/* Open boxes are counted and shared: each box_open() needs its box_close().  sys = ENOENT: there
 * is no such folder. */
SUSPENDS bool box_open(struct store *s, struct str folder, struct box **ret, struct err *e);
void box_close(struct box *b);
/* What other programs did since the last look becomes part of the log: one poll of inotify, or of
 * the directories' times.  `claim`: letters move from new/ to cur/ (SELECT, not EXAMINE); the UIDs
 * from *ret_recent (if not NULL) up are \Recent for that session. */
SUSPENDS bool box_sync(struct box *b, bool claim, uint32_t *ret_recent, struct err *e);

struct str box_folder(const struct box *b);
uint32_t box_uidvalidity(const struct box *b);
uint32_t box_uidnext(const struct box *b);
uint64_t box_modseq(const struct box *b);            /* HIGHESTMODSEQ */
/* MAILBOXID: 32 hex digits, stable over renames. */
struct str box_id(const struct box *b);
/* False once the folder was deleted or became another: all verbs fail with ENOENT. */
bool box_is_there(const struct box *b);

size_t box_count(const struct box *b);
const struct letter *box_letters(const struct box *b);
/* NULL: no such letter (any more). */
const struct letter *box_find(const struct box *b, uint32_t uid);
/* Index of the first letter whose UID is not below; box_count() if there is none. */
size_t box_find_from(const struct box *b, uint32_t uid);
/* EMAILID: the same for copies of a letter, wherever they lie. */
struct email_id {
	char z[26];                      /* "M" and 24 hex digits */
};
struct email_id box_email_id(const struct box *b, const struct letter *l);

struct box_status {
	uint32_t messages, recent, unseen, deleted, first_unseen_uid, uidnext, uidvalidity;
	uint64_t size, modseq;
	char id[33];
};
/* Without opening the folder for long; cheap if nothing changed since the last time. */
SUSPENDS bool box_status(struct store *s, struct str folder, struct box_status *ret, struct err *e);

/* ---- what is not in the names ---- */

/* Fill in what is missing (KNOWN_…) of these letters; a letter whose file is gone is left as it is. */
SUSPENDS bool box_learn(struct box *b, const uint32_t *uids, size_t n, unsigned known,
			struct err *e);
/* The file as it lies there (LF or CRLF), for reading; -1: sys = ENOENT if it is gone. */
SUSPENDS int box_letter_open(struct box *b, uint32_t uid, struct err *e);
/* Any thread: a letter's file in new/ or cur/, for reading; a link is not followed, and no time of access is
 * written down.  -1 with errno. */
int letter_open_at(int dir, const char *name);
/* For a thread that opens letters: new/ and cur/, which stay the caller's, and where in them one lies
 * now (false: no such letter).  The file may get another name at any time; then box_letter_open() finds it. */
struct letter_dirs {
	int new, cur;
};
#define LETTER_DIRS_NONE { -1, -1 }
struct letter_place {
	bool in_new;
	char name[STORE_NAME_MAX + 1];
};
bool box_letter_dirs(const struct box *b, struct letter_dirs *ret, struct err *e);
void letter_dirs_end(struct letter_dirs *d);
bool box_letter_place(const struct box *b, uint32_t uid, struct letter_place *ret);
/* The name its file has, or will have once it follows the flags in force. */
size_t box_letter_name(const struct box *b, const struct letter *l, char to[static STORE_NAME_MAX + 1]);
/* All of it with CRLF. */
SUSPENDS bool box_letter_read(struct box *b, uint32_t uid, struct buf *ret, struct err *e);

/* Opaque bytes per letter (envelope, body structure, …), made by the caller and kept in the cache.  What
 * is kept under a kind never changes its meaning: another layout is another kind. */
enum { BOX_KINDS_MAX = 16 };

/* ret[i], for uids[i] (ascending), is filled in where it is empty and there is something; the bytes live in
 * *a. */
SUSPENDS bool box_kept(struct box *b, unsigned kind, const uint32_t *uids, size_t n, struct arena *a,
		       struct str *ret, struct err *e);
/* In memory until it is written in the background; never fails: it is a cache. */
void box_keep(struct box *b, unsigned kind, uint32_t uid, struct str bytes);
/* After a batch of these: if much waits to be written it is written now. */
SUSPENDS bool box_keep_settle(struct box *b, struct err *e);

/* ---- flags ---- */

enum flags_how { FLAGS_ADD, FLAGS_REMOVE, FLAGS_SET };

struct flags_change {
	enum flags_how how;
	uint8_t flags;
	uint32_t keywords;
	bool has_unchanged_since;        /* RFC 7162 §3.1.3 */
	uint64_t unchanged_since;
};

/* UIDs ascending; those that do not exist are passed over.  `failed` (may be NULL; room for n)
 * takes the UIDs that were modified since.  One MODSEQ for all. */
SUSPENDS bool box_store(struct box *b, const uint32_t *uids, size_t n,
			const struct flags_change *change, const struct by *by, uint32_t *failed,
			size_t *ret_n_failed, struct err *e);

/* Names of keywords: bit i of letter.keywords; empty where there is none. */
struct str box_keyword(const struct box *b, unsigned i);
/* -1: no such keyword.  Letter case does not matter. */
int box_keyword_find(const struct box *b, struct str name);
/* Make it if missing; durable.  sys = ENOSPC: all 26 are borne by letters. */
SUSPENDS bool box_keyword_make(struct box *b, struct str name, unsigned *ret, struct err *e);
bool box_keyword_room(const struct box *b);

/* ---- letters come and go ---- */

/* Letters on their way into a folder: open, then for each letter append_letter() and its bytes,
 * then commit: all of them, or none.  Bytes are as the client sent them (CRLF). */
struct append;

struct append_facts {
	uint8_t flags;
	struct str keywords[KEYWORDS_MAX];
	size_t n_keywords;
	int64_t date;                    /* seconds UTC; 0: now */
	struct str base;                 /* its base name; empty: one is made */
};

SUSPENDS bool append_open(struct store *s, struct str folder, const struct by *by,
			  struct append **ret, struct err *e);
SUSPENDS bool append_letter(struct append *a, const struct append_facts *f, struct err *e);
SUSPENDS bool append_bytes(struct append *a, struct str bytes, struct err *e);
/* The letters have the UIDs *ret_first, *ret_first + 1, … */
SUSPENDS bool append_commit(struct append *a, uint32_t *ret_validity, uint32_t *ret_first,
			    struct err *e);
void append_close(struct append *a);

/* The i-th of `uids` that was copied has the UID first + i. */
struct copied {
	uint32_t validity, first;
	uint32_t *uids;                  /* in the arena; those that existed, ascending */
	size_t n;
};

/* Copies are hard links and keep flags, keywords, dates.  `move`: the letters leave `from`. */
SUSPENDS bool box_copy(struct box *from, const uint32_t *uids, size_t n, struct str to, bool move,
		       const struct by *by, struct arena *a, struct copied *ret, struct err *e);
/* The files come to rest in gone/.  uids NULL: all that are \Deleted; else those of `uids` that
 * are, or with `any` all of them. */
SUSPENDS bool box_expunge(struct box *b, const uint32_t *uids, size_t n, bool any,
			  const struct by *by, struct err *e);
struct uid_range {
	uint32_t first, last;
};

/* UIDs expunged after `since`, ascending, in the arena; *ret_all: the history does not reach back so
 * far, every UID that is not there may have been one.  False: no memory in the arena. */
bool box_expunged(const struct box *b, uint64_t since, struct arena *a, struct uid_range **ret,
		  size_t *ret_n, bool *ret_all);

/* ---- changes ---- */

enum change_kind {
	CHANGE_FLAGS,                    /* letters of first…last with this modseq */
	CHANGE_NEW,                      /* letters first…last came */
	CHANGE_EXPUNGED,                 /* letters first…last went: none of them is left */
	CHANGE_KEYWORDS,                 /* the folder has other keywords */
	CHANGE_LOST,                     /* the log went on without the reader: compare everything */
	CHANGE_GONE,                     /* the folder is no more, or another */
};

struct change {
	enum change_kind kind;
	uint32_t first, last;
	uint64_t modseq;
	const struct by *by;             /* NULL: another program */
};

/* Where the log stands now. */
uint64_t box_changes_end(const struct box *b);
/* The change at *at, which moves on; false at the end. */
bool box_change_next(const struct box *b, uint64_t *at, struct change *ret);
/* Told after each change: for IDLE and NOTIFY. */
struct wait *box_changed(struct box *b);
