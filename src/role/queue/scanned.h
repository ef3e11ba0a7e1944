/* scanned.h — what `scan` says of a letter, and who is blocked or excepted by what it found. */
#pragma once

#include "role/runtime.h"

struct why;

/* Who asks. */
struct scanned_question {
	const struct queue_commit *q;
	uint8_t sender;          /* enum sender_kind, as it was found out */
	int letter;              /* descriptor of the bytes, or -1: they are q->bytes */
	bool is_exempt;          /* no check refuses it */
	bool is_shown;           /* an outside scanner is asked next */
};

/* *ret_is_deadly turns true if a scan died meanwhile. */
SUSPENDS bool scanned_ask(const struct scanned_question *s, struct scan_letter_answer *ret, bool *ret_is_deadly,
			  struct arena *a, struct err *e);
/* A stranger's letter: is somebody blocked who says in its header that he wrote it, or whose signature it has?  Then
 * *ret_why says so.  Does an exception match such a signature, then what a check refuses or takes for junk is let in:
 * *ret_is_exempt. */
SUSPENDS bool scanned_judge(const struct queue_commit *q, struct scan_letter_answer *scan, struct str *ret_why,
			    bool *ret_is_exempt, struct arena *a, struct err *e);

/* Has one of the letter's signatures been to as many recipients as one may?  Then *ret_why says so; else it is noted that it
 * comes to these. */
bool scanned_is_replayed(const struct queue_commit *q, const struct scan_letter_answer *scan, struct str *ret_why,
			 struct arena *a);

/* What was found out about who it is from; false: nothing was looked for. */
struct why_letter_authenticated;
bool scanned_why_authenticated(const struct queue_commit *q, const struct scan_letter_answer *scan, const struct why *head,
			       struct why_letter_authenticated *ret);
