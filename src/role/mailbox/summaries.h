/* summaries.h — what the cache keeps of each letter: a letter_summary as bytes.
 *
 * Made when first asked for, a batch of letters in a thread at a time.  A field is read without
 * reading the others. */
#pragma once

#include "store/box.h"
#include "wire/letter_summary.h"

enum {
	SUMMARY_VERSION = 1,             /* of the layout and of what is printed in it */
	SUMMARIES_AT_ONCE = 256,         /* letters asked for in one call, at most */
};

enum summary_text {
	SUMMARY_ENVELOPE, SUMMARY_BODY, SUMMARY_BODYSTRUCTURE, SUMMARY_PREVIEW, SUMMARY_SUBJECT,
	SUMMARY_BASE_SUBJECT, SUMMARY_FROM, SUMMARY_TO, SUMMARY_CC, SUMMARY_DISPLAY_FROM,
	SUMMARY_DISPLAY_TO, SUMMARY_MESSAGE_ID, SUMMARY_IN_REPLY_TO, SUMMARY_TEXTS
};

/* What is asked for most often is kept by itself, too: its rows are small. */
enum summary_kind {
	KEPT_ALL,                        /* struct letter_summary */
	KEPT_ENVELOPE,
	KEPT_BODYSTRUCTURE,
	KEPT_HEADER,                     /* as it lies on disk; KEPT_TOO_LONG if it is over KEPT_HEADER_MAX */
	SUMMARY_KINDS
};
enum { KEPT_HEADER_MAX = 16 * 1024 };
#define KEPT_TOO_LONG S("\0")

/* ret[i] for uids[i] (ascending, SUMMARIES_AT_ONCE at most), in the arena; empty: the letter is gone or
 * cannot be read. */
SUSPENDS bool summaries_get(struct box *b, const uint32_t *uids, size_t n, struct arena *a,
			    struct str *ret, struct err *e);

SUSPENDS bool summary_kind_get(struct box *b, enum summary_kind kind, const uint32_t *uids, size_t n,
			       struct arena *a, struct str *ret, struct err *e);

void summary_print(const struct letter_summary *s, struct buf *b);
/* A text of a summary; empty if the bytes are not whole. */
struct str summary_text(struct str summary, enum summary_text t);
/* All of it; slices point into `summary`, references into the arena.  False: damaged, or no memory. */
bool summary_parse(struct str summary, struct arena *a, struct letter_summary *ret);
