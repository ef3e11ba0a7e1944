/* spamc.h — a question to SpamAssassin's spamd, and its answer (SPAMC protocol 1.5).
 *
 *	HEADERS SPAMC/1.5            SPAMD/1.1 0 EX_OK
 *	Content-length: 2201         Content-length: 500
 *	User: debian-spamd           Spam: False ; 3.7 / 5.0
 *
 *	the letter                   the letter's header, as it would be marked
 *
 * HEADERS alone gives score, verdict and the fields that the scanner's owner has configured without
 * sending the letter back.  The head is strict; in the header stands what a stranger wrote, too: of it
 * only well-formed X-Spam fields are read, and nothing else matters. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum {
	SPAMC_HEAD_MAX = 4096,           /* octets up to the empty line */
	SPAMC_SCORE_MAX = 100 * 100000,  /* hundredths */
	SPAMC_USER_MAX = 64,
	SPAMC_FIELDS_MAX = 32,
	SPAMC_NAME_MAX = 64,             /* octets of a field's name */
	SPAMC_VALUE_MAX = 8 * 1024,      /* … of its value, folded */
	SPAMC_VALUES_MAX = 12 * 1024,    /* … of all values: they stand in front of the letter */
};

/* The question's head; `user` may be empty. */
void spamc_question_add(struct buf *b, uint64_t length, struct str user);
/* Is it a name for that head? */
bool spamc_user_is_good(struct str user);

enum spamc_state { SPAMC_MORE, SPAMC_DONE, SPAMC_MALFORMED };

struct spamc_answer {
	unsigned code;           /* 0: EX_OK; else nothing but it and `reason` is known */
	struct str reason;
	bool is_spam;
	int64_t score, required; /* hundredths */
	struct str header;
};

/* in: all that came so far; is_end: nothing follows.  MALFORMED: *ret_why is a sentence. */
enum spamc_state spamc_answer_parse(struct str in, bool is_end, struct spamc_answer *ret, const char **ret_why);

struct spamc_field {
	struct str name;         /* "X-Spam-…", letters, digits and hyphens */
	struct str value;        /* folded as it came */
};
/* The first of each name; what is over a limit is left out.  In the arena, its slices point into
 * header.  false: the arena is full. */
bool spamc_fields_read(struct str header, struct arena *a, struct spamc_field **ret, size_t *ret_n);
