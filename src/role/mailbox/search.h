/* search.h — which letters of an open folder a SEARCH program means (RFC 9051 §6.4.4).
 *
 * A list of letters passes from key to key and gets shorter, the cheap keys first: flags and numbers are
 * in memory, subjects and dates in facts.h, only what is left is read from files. */
#pragma once

#include "role/mailbox/imap_session.h"

/* Places in the view (sequence number - 1), ascending, on the heap: the caller frees *ret. */
SUSPENDS bool search_run(struct imap_session *s, struct search_key *root, uint32_t **ret, size_t *ret_n,
			 struct err *e);
