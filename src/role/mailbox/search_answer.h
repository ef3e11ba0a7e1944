/* search_answer.h — how the result of SEARCH and SORT is told: SEARCH, SORT or ESEARCH (RFC 9051 §7.3.4,
 * RFC 4731, 5267, 5182, 7162 §3.1.5, 9394). */
#pragma once

#include "role/mailbox/imap_session.h"

/* Places in the view, in the order in which they are told: ascending for SEARCH. */
struct found {
	const uint32_t *places;
	size_t n;
	bool is_sorted;                  /* SORT: not ascending */
};

/* Check charset and "$", note that CONDSTORE is wanted: what SEARCH, SORT and THREAD begin with. */
bool search_begin(struct imap_session *s, struct imap_reply *ret_why);
/* "$" becomes nothing: a SEARCH that was to save failed (RFC 5182 §2.1). */
void search_forget(struct imap_session *s);
/* Append the answer, and keep what is to be saved.  False: the stream broke. */
SUSPENDS bool search_answer(struct imap_session *s, const struct found *f, struct err *e);
