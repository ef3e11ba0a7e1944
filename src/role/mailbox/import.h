/* import.h — letters from elsewhere come into this account.
 *
 * A letter is the same as another if its octets at rest and its folder are, and it is the same one of several
 * alike: the SHA-256 of these is its key, which stands in its name (store/imported.h).  So what came once is
 * known when it comes again, wherever in the account it lies by then.  A letter that came another way is
 * the same if it lies in that folder with the same octets.
 *
 * Letters become visible and durable in batches. */
#pragma once

#include "role/mailbox/file_window.h"
#include "store/box.h"
#include "store/imported.h"

#include <openssl/evp.h>

enum { IMPORT_BATCH_LETTERS = 200, IMPORT_BATCH_BYTES = 16 << 20 };

/* A letter of the folder that was not imported, or may have been under another key. */
struct import_twin {
	uint32_t uid, size;
	bool is_taken, is_hashed;
	unsigned char digest[32];
};

struct import_totals {
	uint64_t taken, already, gone, octets;
	uint64_t keywords_left;          /* that had no room in their folder */
};

struct import {
	struct store *store;
	struct by by;
	const bool *stop;                /* nobody waits for the outcome any more */
	bool is_loaded, is_broken;
	struct imported known;
	struct map counts;               /* folder and digest → how many of these came so far */
	struct import_totals totals;
	EVP_MD_CTX *hash;
	char *out;                       /* for line ends */

	/* the folder */
	char folder[STORE_FOLDER_MAX + 1];
	struct box *box;
	struct import_twin *twins;       /* by size */
	size_t n_twins;
	char *keywords[KEYWORDS_MAX];    /* of its dovecot-keywords: a…z in names */
	struct append *append;           /* the batch, or NULL */
	size_t batch_n;
	uint64_t batch_bytes;
};

/* A letter's octets, any line ends, as often as wanted. */
struct import_source {
	SUSPENDS bool (*rewind)(struct import_source *s, struct err *e);
	/* Empty at the end. */
	SUSPENDS bool (*next)(struct import_source *s, struct str *ret, struct err *e);
};

/* All of a file, which stays the caller's. */
struct import_plain {
	struct import_source from;
	struct file_window w;
};
bool import_plain_init(struct import_plain *p, int fd, struct err *e);
void import_plain_end(struct import_plain *p);

/* What is known after the source was read once. */
struct import_facts {
	unsigned flags;                  /* LETTER_… */
	int64_t date;                    /* seconds UTC */
	struct str keywords[KEYWORDS_MAX];
	size_t n_keywords;
};
typedef void import_facts_fn(struct import_source *s, struct import_facts *ret);

enum import_outcome { IMPORT_TAKEN, IMPORT_ALREADY, IMPORT_GONE };

struct import *import_open(struct store *s, struct str who, const bool *stop, struct err *e);
/* What is not committed is forgotten. */
void import_close(struct import *im);
/* The folder that what follows goes to; a new one is subscribed.  `keywords`: a dovecot-keywords, or -1. */
SUSPENDS bool import_begin(struct import *im, struct str folder, int keywords, struct err *e);
/* FAULT_PERM: this letter cannot be taken, the next may.  Any other fault ends the import. */
SUSPENDS bool import_one(struct import *im, struct import_source *from, import_facts_fn *facts,
			    enum import_outcome *ret, struct err *e);
/* The same for a file of a Maildir, under its name; is_new: it lies in new/. */
SUSPENDS bool import_file(struct import *im, struct str name, bool is_new, int fd, enum import_outcome *ret,
			  struct err *e);
/* What is in the batch becomes durable. */
SUSPENDS bool import_commit(struct import *im, struct err *e);
/* All letters of an mbox; `progress` hears where in the file we are.  *ret_refused letters were not taken, the
 * first because of *why. */
typedef void import_progress_fn(void *arg, uint64_t at);
SUSPENDS bool import_letters(struct import *im, int fd, import_progress_fn *progress, void *arg, uint64_t *ret_refused,
			  struct err *why, struct err *e);
/* import_twin.c: the letters that lie there; is one of them this one? */
SUSPENDS bool import_twins_load(struct import *im, struct err *e);
SUSPENDS bool import_twin_take(struct import *im, uint64_t size, const unsigned char digest[32], bool *ret, struct err *e);
/* Octets at rest of a letter and their SHA-256. */
struct import_digest {
	uint64_t size, vsize;
	unsigned char sha256[32];
};
SUSPENDS bool import_digest(struct import *im, struct import_source *from, struct import_digest *ret, struct err *e);
