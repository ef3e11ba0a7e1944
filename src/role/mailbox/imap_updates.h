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
/* "* 3 FETCH (UID 7 FLAGS (…))", with UID and MODSEQ if the session has asked for them or `full`. */
void add_flags_answer(struct imap_session *s, struct buf *b, uint32_t seq, const struct letter *l, bool full);
/* New keywords, before a FETCH names them. */
void tell_keywords(struct imap_session *s);
/* "* 3 EXISTS", and RECENT. */
void add_exists(struct imap_session *s, struct buf *b);
/* "* FLAGS (…)" and PERMANENTFLAGS. */
void add_known_flags(struct imap_session *s, struct buf *b);

/* The end of a command: updates, the tagged reply, the count of errors.  False: the session is over. */
SUSPENDS bool command_finish(struct imap_session *s, struct str tag, struct imap_reply r,
			     enum imap_updates updates, struct err *e);
