/* letter.h — one letter of an open folder, as box.c keeps it: 64 bytes and its name.
 *
 * Everybody may read it, only box.c's own files write it. */
#pragma once

#include "base/str.h"

/* System flags, and the bits of letter.flags that are ours. */
enum letter_flags {
	LETTER_SEEN = 1 << 0,
	LETTER_ANSWERED = 1 << 1,
	LETTER_FLAGGED = 1 << 2,
	LETTER_DELETED = 1 << 3,
	LETTER_DRAFT = 1 << 4,
	LETTER_PASSED = 1 << 5,          /* 'P' of the Maildir: kept, not shown */
	LETTER_SYSTEM = (1 << 6) - 1,
};

/* What is known about it: bits of letter.known. */
enum letter_known {
	KNOWN_DATE = 1 << 0,             /* date */
	KNOWN_SIZE = 1 << 1,             /* size */
	KNOWN_VSIZE = 1 << 2,            /* vsize */
	KNOWN_SAVED = 1 << 3,            /* saved */
	KNOWN_ALL = (1 << 4) - 1,
};

enum {
	KEYWORDS_MAX = 26,               /* a…z of the file name; Dovecot's limit on disk */
	KEYWORD_MAX = 255,               /* octets of a keyword */
};

struct letter {
	uint32_t uid;
	uint32_t keywords;               /* bit i: keyword i of the folder */
	uint64_t modseq;
	int64_t date;                    /* INTERNALDATE, seconds UTC: mtime of the file */
	int64_t saved;                   /* RFC 8514, seconds UTC */
	uint32_t size, vsize;            /* octets at rest, and with CRLF (RFC822.SIZE) */
	uint32_t disk_keywords;          /* as the file name has them */
	uint32_t name;                   /* where its name begins in the box's names */
	uint16_t name_n;
	uint8_t flags, disk_flags;       /* LETTER_SEEN … LETTER_PASSED */
	uint8_t known;
	uint8_t state;                   /* box.c's own, see box_file.h */
	uint8_t is_dirty;                /* flags or keywords differ from the file's name */
	uint8_t unused;
};
