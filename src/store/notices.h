/* notices.h — what happens in all folders of an account, for NOTIFY (RFC 5465).
 *
 * While somebody reads, every folder is watched, also those that are not open: a notice says that
 * something happened in a folder, not what; who wants to know compares box_status() with what it knew.
 * Costs a row for each folder, and nothing at all without a reader.
 *
 * Sessions add what they do to folders themselves, behind the deed and before their next wait; what
 * other programs do is found when their directories change, and has no `by`. */
#pragma once

#include "store/box.h"

enum {
	NOTICES_MAX = 1024,              /* that wait for a reader; then it is told that it lost some */
};

enum notice_kind {
	NOTICE_LETTERS,                  /* letters came, went, or have other flags */
	NOTICE_CREATED,
	NOTICE_DELETED,
	NOTICE_RENAMED,                  /* `other` is the old name */
	NOTICE_SUBSCRIPTION,             /* `other` is empty: it ended */
	NOTICE_METADATA,                 /* `other`: names of entries, LF between them */
	NOTICE_ACCOUNT_METADATA,
};

struct notice {
	enum notice_kind kind;
	const struct by *by;             /* NULL: another program */
	struct str folder, other;
};

/* One more reader; *ret_at is where it begins. */
SUSPENDS bool notices_open(struct store *s, uint64_t *ret_at, struct err *e);
void notices_close(struct store *s);
/* The notice at *at, which moves on, its texts in the arena; false at the end.  *ret_lost: the log went on
 * without the reader. */
bool notice_next(struct store *s, uint64_t *at, struct arena *a, struct notice *ret, bool *ret_lost);
bool notices_pending(struct store *s, uint64_t at);
/* Told after each notice; only while one reads. */
struct wait *notices_changed(struct store *s);
void notice_add(struct store *s, const struct notice *n);
/* Is that folder subscribed, as far as is known? */
bool notices_is_subscribed(struct store *s, struct str folder);

/* ---- for the shelf ---- */

struct shelf;
struct inotify_event;
void notices_letters(struct shelf *s, struct str folder, const struct by *by);
void notices_event(struct shelf *s, const struct inotify_event *ev);
/* Is the watch also a reader's?  Then it stays when a box is closed. */
bool notices_watch(const struct shelf *s, int watch);
/* The shelf is held: look at the folders if they changed. */
SUSPENDS bool notices_tend(struct shelf *s, struct err *e);
void notices_free(struct shelf *s);
