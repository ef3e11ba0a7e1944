/* flag_log.h — flags that are in force but not yet in the names of files.
 *
 * Maildir/waxwing/flags, one line per change:
 *   CRC32C HOW FLAGS KEYWORDS UIDVALIDITY UIDS FOLDER        (hexadecimal; UIDs as 1:4,7)
 * It is written at once and synced a moment later.  When all names have followed and
 * their directories are synced, it is emptied.  Doing a line again over names that have followed
 * already changes nothing, for of each bit the last line that touched it decides.
 *
 * The second line is `open EPOCH`, synced before anything is told, and `rest EPOCH` once a process has ended
 * with everything written.  Where `open` is found, more MODSEQs may have been told than the cache has: a new
 * epoch begins, and each folder whose state in the cache is of another epoch goes on above them.
 *
 * States:  FR rest, no lines   F0 open, no lines   F1 lines, not synced (a power cut takes them: at most 5 s)
 *          F2 synced           F3 some names follow   F4 all follow and are synced: emptied, F0
 * A crash in F1 to F3: the lines that are whole take effect once more.  In F4 too: they change nothing. */
#pragma once

#include "store/box.h"

struct shelf;
struct flag_log;

/* In a thread.  What a crash left is read. */
bool flag_log_open(struct shelf *s, struct flag_log **ret, struct err *e);
void flag_log_close(struct flag_log *f);
/* Adds a line; one write, no sync.  UIDs ascending.  A file that was deleted is made anew. */
bool flag_log_add(struct flag_log *f, struct box *b, const struct flags_change *c,
		  const uint32_t *uids, size_t n, struct err *e);
bool flag_log_needs_sync(const struct flag_log *f);
/* Also while others write and rename. */
SUSPENDS bool flag_log_sync(struct flag_log *f, struct err *e);
/* Bytes that are not needed any more once all names follow. */
bool flag_log_is_empty(const struct flag_log *f);
bool flag_log_clear(struct flag_log *f, struct err *e);
/* Other than that of a state in the cache: MODSEQs were told that this state does not have. */
uint64_t flag_log_epoch(const struct flag_log *f);
/* The process ends now, and all is written. */
void flag_log_rest(struct flag_log *f);

/* The folders named in what a crash left, one after another from *at = 0; false: no more. */
bool flag_log_left(const struct flag_log *f, size_t *at, struct str *ret_folder);
/* A box is being loaded: its lines take effect in memory. */
void flag_log_apply(struct flag_log *f, struct box *b);
/* All have been applied. */
void flag_log_forget(struct flag_log *f);
