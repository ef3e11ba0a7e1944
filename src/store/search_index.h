/* search_index.h — which letters of a folder cannot hold a text: its file `waxwing-search`.
 *
 * The file (search_block.h) is written in the background (search_build.h) and read anew for each search.  It only
 * leaves letters out: what it does not have, or has damaged, is a letter that may hold anything.
 * Anybody may delete it at any time. */
#pragma once

#include "store/box.h"

struct search_block;

/* Of these UIDs, ascending, those stay whose letters may hold the text, folded as fold.h does. */
SUSPENDS bool search_index_narrow(struct box *b, struct str folded, uint32_t *uids, size_t *n, struct err *e);

/* What the file has of a box.  A slot is the place of a block; it is spare if there is none, or a damaged one, or one
 * of which half of the letters are gone. */
struct search_survey {
	uint8_t *covered;                /* for each letter of the box at this moment: it is there */
	size_t n_covered;
	uint32_t *spare;                 /* ascending */
	size_t n_spare, slots;
	size_t bad;                      /* damaged blocks */
};

/* The shelf is held.  `thorough`: the pages of each block are read too. */
SUSPENDS bool search_index_survey(struct box *b, bool thorough, struct search_survey *ret, struct err *e);
void search_survey_end(struct search_survey *s);

/* In a thread.  False: the disk is full, or nearly. */
bool search_index_write(int top, size_t slot, const struct search_block *block, const char *table, struct err *e);
/* In a thread: only so many slots stay. */
void search_index_cut(int top, size_t slots);
/* How a block knows that a letter is the one it means. */
uint32_t search_name_sum(struct str stem);
