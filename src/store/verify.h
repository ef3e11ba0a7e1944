/* verify.h — do files, uidlist and cache agree? */
#pragma once

#include "store/store.h"

struct buf;

struct verify {
	size_t folders, letters;
	size_t no_uid;                   /* files the uidlist does not know: they get one */
	size_t no_file;                  /* lines of the uidlist without a file: dropped */
	size_t bad_lines;                /* of uidlist and keywords */
	size_t doubles;                  /* two files with one base name: one is renamed */
	size_t wrong_size;               /* S= or W= is not the file's; renamed */
	size_t cache_wrong;              /* the cache said something else: dropped */
};

/* A line for each finding goes to *report; with `repair` it is put right. */
SUSPENDS bool store_verify(struct store *s, bool repair, struct verify *ret, struct buf *report,
			   struct err *e);
