/* vanished.h — which letters of a set are no more (RFC 7162 §3.2.5.2, §3.2.6). */
#pragma once

#include "role/mailbox/imap_session.h"

/* Append "* VANISHED (EARLIER) …" with those of `uids` (resolved) that were expunged after `since`. */
bool vanished_add(struct imap_session *s, const struct seqset *uids, uint64_t since, struct err *e);
