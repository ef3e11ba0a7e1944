/* scanner.h — the letter of a stranger is shown to the outside scanner (`scanner spamd …`).
 *
 * `scan` has left the X-Spam fields and what follows from the scores to us (scan_letter.is_shown).
 * It fails open: a scanner that is away, late or talks nonsense stops no letter; the log, the letter's
 * why-record and `waxwing status` say so. */
#pragma once

#include "role/queue/queue_role.h"
#include "spam/spam_fields.h"

enum scanner_outcome {
	SCANNER_NOT_ASKED,       /* there is none, or the letter is none for it */
	SCANNER_ANSWERED,
	SCANNER_TOO_LARGE,
	SCANNER_EXEMPT,          /* an exception matches what stands in the letter's header */
	SCANNER_FAILED,
};

struct scanner_said {
	enum scanner_outcome outcome;
	struct str address, why;
	struct spam_scanned by;
	uint32_t ms;
};

/* Is this letter one for the scanner, as far as its session goes?  Asked once: a reload may come between. */
bool scanner_wants(const struct queue_commit *q);
/* How much longer a letter may take for it. */
int64_t scanner_patience(void);
/* Asks, and puts score, fields and verdict into *scan.  letter: -1 if the bytes stand in q.  false: we end. */
SUSPENDS bool scanner_show(const struct queue_commit *q, int letter, bool is_exempt, struct scan_letter_answer *scan,
			   struct scanner_said *ret, struct arena *a, struct err *e);

union scanner_why {
	struct why head;
	struct why_letter_scanned scanned;
	struct why_letter_unscanned unscanned;
	struct why_letter_not_shown not_shown;
};
/* What became of it; false: nothing that anybody would ask about. */
bool scanner_explain(const struct scanner_said *s, const struct queue_commit *q, struct why head, union scanner_why *ret,
		     struct arena *a);
/* ",spamd=3.7" */
void scanner_add_score(const struct scanner_said *s, struct buf *checks);
