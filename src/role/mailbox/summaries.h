/* summaries.h — what the cache keeps of each letter, so that its file need not be read again.
 *
 * Made when first asked for, some letters at a time in threads.  Each kind is kept by itself: an
 * answer reads no more than it says. */
#pragma once

#include "store/box.h"
#include "wire/letter_summary.h"

enum {
	SUMMARIES_AT_ONCE = 512,         /* letters asked for in one call, at most */
	KEPT_HEADER_MAX = 16 * 1024,
};

/* These numbers stand in caches: what changes its meaning or layout gets another one. */
enum summary_kind {
	KEPT_FACTS = 1,                  /* what SORT and THREAD compare: summary_parse() */
	KEPT_ENVELOPE = 2,               /* as IMAP prints it, like those that follow */
	KEPT_BODYSTRUCTURE = 3,
	KEPT_HEADER = 4,                 /* at rest, but for fields that kept_header_lacks();
					  * KEPT_TOO_LONG if it is over KEPT_HEADER_MAX */
	KEPT_BODY = 5,                   /* this and the next only once they were asked for */
	KEPT_PREVIEW = 6,
	SUMMARY_KINDS
};
#define KEPT_TOO_LONG S("\0")
#define KEPT(kind) (1u << KEPT_##kind)

struct summaries {
	struct str *kept[SUMMARY_KINDS]; /* of each letter; NULL if not asked for; empty: the letter is gone
					  * or cannot be read */
};

/* What is asked for (KEPT(…) | …) of these letters (ascending, SUMMARIES_AT_ONCE at most), in the arena. */
SUSPENDS bool summaries_get(struct box *b, unsigned kinds, const uint32_t *uids, size_t n, struct arena *a,
			    struct summaries *ret, struct err *e);

/* Fields of this name are not in KEPT_HEADER: long, and only machines read them. */
bool kept_header_lacks(struct str field);
void kept_header_print(struct str header, struct buf *b);

/* The facts in it as bytes, and back: slices point into `facts`, references into the arena.  False:
 * damaged, or no memory. */
void summary_print(const struct letter_summary *s, struct buf *b);
bool summary_parse(struct str facts, struct arena *a, struct letter_summary *ret);
