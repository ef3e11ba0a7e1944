/* maildir_name.h — the names of letters' files: BASE,S=size,W=size:2,FLAGS. */
#pragma once

#include "store/letter.h"
#include "store/store.h"

struct buf;

/* What a file's name says. */
struct file_name {
	struct str stem;                 /* up to ':' — what the uidlist has */
	uint8_t flags;                   /* of the info part */
	uint32_t keywords;
	bool has_info;                   /* ":2," is there */
	bool is_odd;                     /* the info part is not as we would write it */
	bool has_size, has_vsize;
	uint32_t size, vsize;
};

struct file_name file_name_parse(struct str name);
/* ":2,FLAGS" in ASCII order, at most INFO_MAX octets; returns their number. */
enum { INFO_MAX = 3 + 6 + KEYWORDS_MAX };
size_t file_info_print(uint8_t flags, uint32_t keywords, char *to);

/* The part that names the letter wherever it lies: up to ',', without the "-cN" of a copy. */
struct str stem_letter(struct str stem);
/* The stem of copy number n: "-cN" before the ','. */
bool stem_copy(struct str stem, uint32_t n, struct buf *to);
