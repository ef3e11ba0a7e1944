/* verdict.h — from what the checks found to what follows for a letter.
 *
 * Each line `check …` of the configuration gives one finding.  A pass of a white list sets the
 * other checks aside; else the first that rejects decides, then the first that defers; scores are
 * summed. */
#pragma once

#include "conf/conf.h"

enum finding_state {
	FINDING_NONE,  /* not asked, or cannot be said: counts for nothing */
	FINDING_PASS,  /* looked at, and nothing was found */
	FINDING_FOUND, /* `fail` or `hit` */
	FINDING_TEMP,  /* not known now */
	FINDING_OTHER, /* what `when` says */
};

struct finding {
	const struct conf_check *check;
	enum finding_state state;
	enum conf_when when; /* with FINDING_OTHER */
	struct str value; /* what was looked at: a name, codes of a list */
	struct str why;   /* a sentence for the log, unless it passed */
	uint16_t reply;   /* enum reply_id, if it is refused for this */
};

/* What follows from one finding, or NULL. */
const struct conf_outcome *finding_outcome(const struct finding *f);

struct spam_verdict {
	const struct finding *refusal; /* NULL: none */
	const struct finding *pass;    /* the white list that sets the others aside, or NULL */
	int64_t score;                 /* hundredths */
};
struct spam_verdict spam_verdict_of(const struct finding *f, size_t n);

enum { CHECK_SYMBOL_MAX = 256 };

/* The owner's label, else "DNSBL_ZEN_SPAMHAUS_ORG", as in the fields that filters look at. */
void finding_add_symbol(struct buf *b, const struct conf_check *c);
