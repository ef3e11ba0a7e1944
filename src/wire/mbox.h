/* mbox.h — many letters in one file (RFC 4155 and the mboxrd form of mbox(5)).
 *
 * A letter begins with a line "From SENDER DATE" and ends before the empty line in front of the next one.
 * A line that could be taken for one bears a '>' in front; one '>' is taken off again from every
 * ">…>From ".  A line "From …" without a date is text.  Fields in which mail programs keep flags and
 * keywords (Status, X-Status, X-Keywords, X-Mozilla-…) become facts; those and what such programs write for
 * themselves (X-UID, X-IMAPbase, Content-Length) are no part of the letter.
 *
 * Reading and writing go over windows of the file: memory does not grow with it. */
#pragma once

#include "base/buf.h"

enum {
	MBOX_WINDOW = 64 << 10,          /* a longer line comes in pieces */
	MBOX_FROM_MAX = 1000,            /* octets of a line that may begin a letter */
	MBOX_KEYWORDS_MAX = 1000,        /* octets of keywords; more are left out */
};

enum mbox_event {
	MBOX_MORE,                       /* more is needed behind what is left of *in */
	MBOX_FROM,                       /* a letter begins: the facts of the one before are gone */
	MBOX_BODY,                       /* a header is over that says how long the body is: `length` */
	MBOX_TEXT,                       /* octets of the letter */
	MBOX_DONE,                       /* that was all of it: its facts are complete */
	MBOX_END,
	MBOX_BAD,                        /* the file does not begin with a letter: it is no mbox */
};

struct mbox {
	/* of the letter */
	int64_t date;                    /* of its "From " line, seconds UTC */
	unsigned flags;                  /* enum flag */
	char keywords[MBOX_KEYWORDS_MAX];        /* words with spaces between them */
	size_t keywords_n;
	bool is_internal;                /* made by c-client for itself, no letter */
	/* Programs that believe Content-Length (mutt, Dovecot) do not quote.  At MBOX_BODY the owner looks so far behind the
	 * header; where mbox_may_end() is true it sets `verbatim`, and so many octets come as they are. */
	uint64_t length, verbatim;

	/* mbox.c's own */
	bool has_begun, is_done, in_header, in_line, is_dropping, is_list;
	bool has_uid_field, has_warning, tells_length;
	struct str held;                 /* an empty line that may be the last */
};

/* The next event of *in, which moves on; `is_last`: nothing comes behind *in.  *ret is the text. */
enum mbox_event mbox_next(struct mbox *m, struct str *in, bool is_last, struct str *ret);
/* Can a letter end in front of these octets?  MBOX_AFTER of them are enough; fewer: the file ends there. */
enum { MBOX_AFTER = MBOX_FROM_MAX + 4 };
bool mbox_may_end(struct str after);
/* "From alice@example.org Thu Jan  1 00:00:00 1970", without its line end; UTC unless it names a zone. */
bool mbox_from_parse(struct str line, int64_t *ret_date);

/* ---- the other way ---- */

struct mbox_facts {
	struct str sender;               /* empty: MAILER-DAEMON */
	int64_t date;                    /* seconds UTC */
	unsigned flags;
	struct str keywords;             /* with spaces between them */
	uint32_t uid;                    /* X-UID, for Dovecot; 0: none */
	/* X-IMAPbase of the first letter, "UIDVALIDITY LASTUID KEYWORD…": Dovecot knows no other keywords */
	struct str base;
};

struct mbox_out {
	bool in_header, in_line, is_dropping, has_newline;
};

/* Begins a letter: its "From " line and the fields of its flags. */
void mbox_begin(struct mbox_out *o, const struct mbox_facts *f, struct buf *to);
/* Takes octets off *in and adds them, quoted; what is left needs more behind it, unless `is_last`.  Adds at
 * most MBOX_ROOM of what was given. */
#define MBOX_ROOM(n) (2 * (n) + 2)
void mbox_add(struct mbox_out *o, struct str *in, bool is_last, struct buf *to);
