/* store.h — letters at rest.
 *
 * A store holds the letters of one account.  Two engines stand behind this
 * header: Maildir++ on disk, and memory (for tests); both hold the same
 * promises.  Verbs take batches, may wait, and answer for each item by itself.
 *
 * Words:  the *base name* (SECONDS.ID-RCPT-STEP.host) comes from the journal's
 * record and names one delivery for ever;  a *folder* is its name on disk
 * without the leading dot ("Junk", "Lists.linux"), empty for INBOX.
 *
 * Guarantee: a letter appears under its base name whole or not at all, and
 * once, however often it is delivered.  It survives a power cut once
 * store_sync() has said so; until then the journal covers it. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct buf;
struct store;

enum {
	STORE_BASE_MAX = 160,
	STORE_FOLDER_MAX = 200,
	STORE_FLAGS_MAX = 32,
	STORE_NAME_MAX = 255,
	STORE_ORPHAN_HOURS = 36, /* what lies longer in tmp/ was left by a crash */
};

/* A letter's bytes as pieces, CRLF as received.  next() gives an empty piece at
 * the end and runs in a thread of the pool; rewind() begins anew. */
struct letter_source {
	bool (*next)(struct letter_source *in, struct str *ret, struct err *e);
	void (*rewind)(struct letter_source *in);
};

/* A source over slices that stay the caller's. */
struct slices_source {
	struct letter_source in;
	const struct str *parts;
	size_t n, at;
};
struct slices_source slices_source(const struct str *parts, size_t n);

enum store_mode {
	STORE_FRESH,     /* first attempt: nobody looks whether it is there already */
	STORE_REDO,      /* after a crash: the same bytes under this base name are enough */
	STORE_REWRITE,   /* after a failed sync: what is there cannot be trusted, write anew */
};

enum letter_at {
	LETTER_UNKNOWN,
	LETTER_NOWHERE,
	LETTER_IN_NEW,
	LETTER_IN_CUR,
};

/* One delivery: what the caller says, then what it learns. */
struct store_letter {
	struct str base, folder;
	struct str flags;                /* of the info part, ascending ("FS"); empty: new/ */
	enum store_mode mode;
	struct letter_source *source;
	bool is_small;                   /* done at once, without a thread: its bytes are in memory */

	bool done;
	struct err err;                  /* why not; FAULT_PERM only for a name that cannot be */
	enum letter_at at;               /* where it lies */
	uint64_t size, vsize;            /* octets at rest (S=) and with CRLF (W=) */
	char name[STORE_NAME_MAX + 1];   /* the whole name, as found in new/ or cur/ */
};

/* One name to make durable. */
struct store_safe {
	struct str base, folder;
	struct str name;                 /* as store_deliver() gave it, or empty */
	bool tried;                      /* the engine's own mark */
	bool done;
	bool lost;                       /* its sync failed: deliver it with STORE_REWRITE */
	struct err err;
};

/* Once, in the process that forks those that open stores: what they share is made. */
void store_prepare(void);
/* The account's Maildir++ is `name` below the directory `home` (which stays the caller's,
 * and open); it is made on first delivery.  Nothing is touched yet. */
bool maildir_open(int home, struct str name, struct store **ret, struct err *e);
struct store *memory_open(void);
void store_close(struct store *s);

/* ---- what sessions need besides (box.h, folder.h) ---- */

/* Run by a fiber for the life of the process: other programs' changes are seen, flags get into the names, the
 * cache is written.  Returns when cancelled. */
SUSPENDS void store_tend(struct store *s);
/* Nothing goes on now: store_tend() closes what can be opened again. */
void store_calm(struct store *s);
/* All that waits is written: before the process ends, or a backup. */
SUSPENDS bool store_settle(struct store *s, struct err *e);
/* The process ends in this moment, after store_settle(). */
void store_rest(struct store *s);
/* Asked before a session moves, renames, copies or removes letters of a folder: true once the journal will
 * deliver none of them again.  Some of the names are those of deliveries, whoever was asked for them. */
typedef bool store_guard_fn(void *arg, struct str folder, const struct str *bases, size_t n,
			    struct err *e); /* SUSPENDS */
void store_guard(struct store *s, store_guard_fn *guard, void *arg);
/* Told what cannot be done now and waits: flags of a folder that cannot be read. */
typedef void store_warn_fn(void *arg, struct str folder, const struct err *why);
void store_warn(struct store *s, store_warn_fn *warn, void *arg);

/* Both return true if every item is done. */
SUSPENDS bool store_deliver(struct store *s, struct store_letter *letters, size_t n);
/* Files and their directories.  A name that is gone (its owner removed it) is done. */
SUSPENDS bool store_sync(struct store *s, struct store_safe *names, size_t n);

/* The letter with CRLF restored is added to *ret. */
SUSPENDS bool store_read(struct store *s, struct str folder, struct str base, struct buf *ret,
			 struct err *e);
/* Remove what crashes left in tmp/ of every folder; `now` in microseconds UTC. */
SUSPENDS bool store_sweep(struct store *s, int64_t now, size_t *ret_removed, struct err *e);
