/* view.h — what one session has told its client about a folder.
 *
 * Sequence numbers belong to the session: letters it has not announced have none,
 * and expunged ones keep theirs until an untagged EXPUNGE may be sent (RFC 9051
 * §7.5.1).  A view is a list of UIDs and a place in the box's log. */
#pragma once

#include "store/box.h"

struct view {
	struct box *box;                 /* held open by the session */
	uint32_t *uids;                  /* place + 1 is the sequence number */
	size_t n, cap;
	uint64_t at;                     /* in the log */
	uint32_t *gone;                  /* expunged, not told yet; ascending */
	size_t n_gone, cap_gone;
	uint32_t *touched;               /* other flags, not told yet; ascending */
	size_t n_touched, cap_touched, at_touched;
	uint32_t told_uid;               /* all up to here are in uids */
	bool keywords_changed;
	bool is_gone;                    /* the folder is no more */
};

/* All letters of the box now. */
bool view_init(struct view *v, struct box *b, struct err *e);
void view_end(struct view *v);

/* Sequence number of a UID, 0: not in this view. */
uint32_t view_seq(const struct view *v, uint32_t uid);
/* UID of sequence number 1 … n, 0 beyond. */
uint32_t view_uid(const struct view *v, uint32_t seq);

/* Read the log up to its end; flags changed by `silent` (may be NULL) do not count. */
bool view_follow(struct view *v, const struct by *silent, struct err *e);
/* Then take what is to be told, in this order.  The next EXPUNGE: its sequence number at the moment
 * it is told and its UID; 0: none left. */
uint32_t view_next_expunged(struct view *v, uint32_t *ret_uid);
/* Letters that came: true if EXISTS must be told (n is the number). */
bool view_take_new(struct view *v, struct err *e);
/* Next letter whose flags are to be told; 0: none left. */
uint32_t view_next_touched(struct view *v, uint32_t *ret_uid);
