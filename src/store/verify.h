/* verify.h — do files, uidlist and cache agree? */
#pragma once

#include "store/store.h"

struct verify {
	size_t folders, letters;
	size_t no_uid;                   /* files that were not known: they have a UID now */
	size_t no_file;                  /* lines of uidlists without a file: with `repair` dropped */
	size_t bad_lines;                /* damaged lines of uidlists: with `repair` dropped */
	size_t doubles;                  /* second files of one letter: with `repair` letters of their own */
	size_t wrong_size;               /* S= or W= is not the file's: from now on the file's counts */
	size_t indexed;                  /* letters in the search index */
	size_t bad_blocks;               /* of the search index; with `repair` they are made anew */
	size_t unreadable;               /* not a file, or no right to read it */
};

/* Every folder; a line for each finding goes to *report (may be NULL). */
SUSPENDS bool store_verify(struct store *s, bool repair, struct verify *ret, struct buf *report,
			   struct err *e);
