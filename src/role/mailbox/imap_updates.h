/* imap_updates.h — tells a client what happened in its open folder. */
#pragma once

#include "role/mailbox/imap_session.h"

enum imap_updates {
	UPDATES_NONE,
	UPDATES_NO_EXPUNGE,      /* sequence numbers stay */
	UPDATES_ALL,
};

/* Append to s->out what the log has: EXPUNGE or VANISHED, EXISTS, FLAGS, FETCH.  False: no memory, or the
 * stream broke. */
SUSPENDS bool updates_send(struct imap_session *s, enum imap_updates what, struct err *e);
/* "(\Seen $Junk)" of a letter as this session sees it. */
void add_flags(struct imap_session *s, struct buf *b, const struct letter *l);
/* "* FLAGS (…)" and PERMANENTFLAGS. */
void add_known_flags(struct imap_session *s, struct buf *b);
