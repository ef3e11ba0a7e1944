/* imap_sort.h — the order of letters, and their threads (RFC 5256).
 *
 * Pure: who calls knows the facts of each letter (letter_summary.h has them) and passes those that
 * were found, in order of sequence number.  Results are places in that list. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "wire/imap_search.h"

enum sort_text {
	SORT_TEXT_SUBJECT,
	SORT_TEXT_FROM,
	SORT_TEXT_TO,
	SORT_TEXT_CC,
	SORT_TEXT_DISPLAY_FROM,  /* RFC 5957; whoever sorts by them fills them in */
	SORT_TEXT_DISPLAY_TO,
	SORT_TEXTS
};

struct sort_letter {
	int64_t arrival;                 /* INTERNALDATE, seconds UTC */
	int64_t sent;                    /* the Date field; arrival if there is none (§2.2) */
	uint32_t size;
	bool is_reply;                   /* something was taken off the subject (§2.1) */
	uint32_t n_references;
	const uint64_t *references;      /* hashes of ids, oldest first */
	uint64_t id;                     /* 0: none */
	struct str texts[SORT_TEXTS];    /* folded (fold.h): base subject, mailboxes of the first addresses */
};

/* places[0 … n-1] become the order of `letters`.  False if the arena is full. */
bool imap_sort(const struct sort_letter *const *letters, size_t n, const struct sort_key *keys,
	       size_t n_keys, struct arena *a, uint32_t *places);

#define THREAD_NO_NODE UINT32_MAX

struct thread_node {
	uint32_t parent, child, next;    /* nodes, or THREAD_NO_NODE */
	uint32_t place;                  /* of the letter; THREAD_NO_NODE: it is not here, only its answers */
};

struct thread_forest {
	struct thread_node *nodes;
	uint32_t first;                  /* root; the others are its `next` */
};

/* REFERENCES, ORDEREDSUBJECT, or REFS (draft-ietf-morg-inthread §4: REFERENCES without its step 5, threads in
 * order of their latest arrival).  All of it lies in the arena; false if that is full: some 40 octets per
 * letter and per reference are enough. */
bool imap_thread(enum thread_by by, const struct sort_letter *const *letters, size_t n,
		 struct arena *a, struct thread_forest *ret);
/* "(2)(3 6 (4 23)(44 7 96))"; numbers[place] is what is said of a letter. */
void imap_thread_add(struct buf *b, const struct thread_forest *t, const uint32_t *numbers);
