/* shelf.h — what the open folders of one account share.
 *
 * A fiber that works on the disk holds the shelf; the work itself runs in a thread of the pool and
 * sees the boxes' letters, which only the holder adds or removes.  What a fiber without
 * the shelf may change in a letter is flags, keywords, modseq and known facts; a thread reads none
 * of these. */
#pragma once

#include "base/fd.h"
#include "base/map.h"
#include "fiber/fiber.h"
#include "store/maildir.h"

struct box;
struct cache;

struct shelf {
	struct maildir *m;
	bool is_started;                 /* what a crash left was looked for */
	bool is_ahead;                   /* MODSEQs were told that the cache could not be given */
	struct map boxes;                /* folder → struct box, also those without users for a while */
	struct box *gone;                /* freed when nobody uses them */
	bool is_held;
	bool flags_wait;                 /* for who holds it: folders get other names, or the log is written anew */
	struct wait free;
	struct wait work;                /* told when store_tend() has something to do */
	bool has_work;
	int64_t used;                    /* monotonic: when a session or a delivery last had work here */
	bool is_indexing;                /* search_build() is under way */
	bool is_calm;                    /* nothing goes on: what is open only to be quick is closed */
	bool has_news;                   /* letters came: sessions that wait are told at once */
	uint64_t key[2];                 /* of the boxes' indexes */
	int inotify;                     /* -1: none, directories' times are looked at */
	int ours;                        /* Maildir/waxwing, or -1 */
	int history;                     /* appended to, or -1 */
	struct flag_log *flag_log;
	struct cache *cache;
	struct quota_state *quota;
	struct notices *notices;         /* NULL: nobody ever asked */
	struct append *commits;          /* that wait for the shelf */
	uint32_t validity;               /* the highest UIDVALIDITY that was seen or made */
	uint64_t names_made;             /* part of base names made here */
	char host[65];
	store_guard_fn *guard;           /* see store_guard() */
	void *guard_arg;
	store_warn_fn *warn;             /* see store_warn() */
	void *warn_arg;
};

/* The shelf of a Maildir; NULL with *e for another engine. */
struct shelf *shelf_of(struct store *s, struct err *e);
/* The shelf is held.  Once: flags that a crash left in the log go into the names. */
SUSPENDS bool shelf_start(struct shelf *s, struct err *e);
void shelf_close(struct shelf *s);

/* SHELF_HOLD(h, shelf): if (!shelf_hold(&h, s, e)) return false; it is let go when h ends. */
struct shelf_held {
	struct shelf *s;
};
SUSPENDS bool shelf_hold(struct shelf_held *h, struct shelf *s, struct err *e);
void shelf_let_go(struct shelf_held *h);

/* Maildir/waxwing as a descriptor that stays the shelf's; made (and synced) if missing. */
bool shelf_ours(struct shelf *s, int *ret, struct err *e);
/* In a thread: append lines to the history and sync it. */
bool history_append(struct shelf *s, struct str lines, struct err *e);
void shelf_wake(struct shelf *s);
/* A delivery is done: its folder is looked at if it is open. */
void shelf_delivered(struct shelf *s, struct str folder);
