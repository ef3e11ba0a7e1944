/* flag_log.h — flags that are in force but not yet in the names of files.
 *
 * Maildir/waxwing/flags, one line per change:
 *   CRC32C HOW FLAGS KEYWORDS UIDVALIDITY UIDS FOLDER        (hexadecimal; UIDs as 1:4,7)
 * It is written at once and synced a moment later.  When all names have followed and
 * their directories are synced, it is emptied.  Doing lines again over names that have followed them
 * already changes nothing, for of each bit the last line that touched it decides.  That holds as long as the
 * line a name has followed is among them: no name follows a line that is not synced.
 *
 * The second line is `open EPOCH`, synced before anything is told, and `rest EPOCH` once a process has ended
 * with everything written.  Where `open` is found, more MODSEQs may have been told than the cache has: a new
 * epoch begins, and each folder whose state in the cache is of another epoch goes on above them.
 *
 * States:  FR rest, no lines   F0 open, no lines   F1 lines, not synced (a power cut takes them: at most 5 s)
 *          F2 synced           F3 some names follow   F4 all follow and are synced: emptied, F0
 * A crash in F1 to F3: the lines that are whole take effect once more.  In F4 too: they change nothing.
 * Lines of a folder that cannot be read then stay, and take effect as soon as it can. */
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
/* If there is something to sync; also while others write and rename. */
SUSPENDS bool flag_log_sync(struct flag_log *f, struct err *e);
/* Nothing but lines that wait for their folder. */
bool flag_log_is_empty(const struct flag_log *f);
/* All names have followed and are synced, and nobody adds a line meanwhile. */
SUSPENDS bool flag_log_clear(struct flag_log *f, struct err *e);
/* The process before us did not say `rest`: what it has done may not be synced. */
bool flag_log_is_after_crash(const struct flag_log *f);
/* Other than that of a state in the cache: MODSEQs were told that this state does not have. */
uint64_t flag_log_epoch(const struct flag_log *f);
/* The process ends now, and all is written. */
void flag_log_rest(struct flag_log *f);

/* The folders named in what a crash left, one after another from *at = 0, without those that have taken effect
 * or were passed; false: no more. */
bool flag_log_left(const struct flag_log *f, size_t *at, struct str *ret_folder);
/* A folder that is gone took its letters along; what belongs to one that cannot be read is kept for it. */
void flag_log_pass(struct flag_log *f, struct str folder, bool is_gone);
/* A box is being loaded: its lines take effect in memory. */
void flag_log_apply(struct flag_log *f, struct box *b);
