/* mail_score.h — what others will hold against a letter of ours: `waxwing doctor mail`.
 *
 * Ten points are the best; each flaw costs some.  They are a judgement, not a standard: what the big
 * receivers and SpamAssassin are known to look at.  What a letter is from, the caller finds and adds. */
#pragma once

#include "base/arena.h"

enum mail_flaw {
#define FLAW(name, id, tenths, text, remedy) FLAW_##name,
#include "spam/mail_flaws.def"
#undef FLAW
	MAIL_FLAWS
};

enum {
	MAIL_SCORE_FULL = 100,           /* tenths */
	MAIL_SCORE_DETAIL = 100,         /* octets of a detail */
	MAIL_SCORE_BIG = 20 << 20,
	MAIL_SCORE_WORDS = 100,          /* letters and digits beside an image that are hardly a word */
	MAIL_SCORE_TEXT = 4 << 20,       /* octets of one part of text that are looked at */
};

struct mail_flaw_row {
	const char *id;
	unsigned tenths;
	const char *text, *remedy;
};
const struct mail_flaw_row *mail_flaw_row(enum mail_flaw f);

struct mail_score {
	bool has[MAIL_FLAWS];
	struct str detail[MAIL_FLAWS];   /* of the first time; may be empty */
	struct str from;                 /* the address in From, "local@domain", or empty */
	struct str return_path;          /* of the field, without <>; or empty */
};

/* A whole letter; its lines end in CRLF or LF.  The arena (MIME_ARENA) holds the details; false: it is full. */
bool mail_score_read(struct str letter, int64_t now, struct arena *a, struct mail_score *ret);
void mail_score_add(struct mail_score *s, enum mail_flaw f, struct str detail);
/* Tenths of points that are left: 0 to MAIL_SCORE_FULL. */
unsigned mail_score_left(const struct mail_score *s);
