/* notify.h — what a client asked for with NOTIFY (RFC 5465), and the telling of it.
 *
 * Of the open folder the view knows what is to be told, and NOTIFY only says what of it
 * (imap_updates.c).  Of all others the store has notices (store/notices.h); a folder in which letters
 * changed is compared with what this session knew of it. */
#pragma once

#include "role/mailbox/imap_session.h"

enum { NOTIFY_OF_MESSAGES = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE | NOTIFY_FLAG_CHANGE };

/* The command of s->c, which is valid, comes into force. */
SUSPENDS bool notify_begin(struct imap_session *s, struct err *e);
void notify_end(struct imap_session *s);

/* What of the open folder is told: enum notify_event.  All, as long as NOTIFY was never said. */
unsigned notify_selected(const struct imap_session *s);
/* Of new letters; NULL: nothing. */
const struct imap_fetch *notify_fetch(const struct imap_session *s);
/* May an EXPUNGE come between commands? */
bool notify_is_immediate(const struct imap_session *s);

/* What is told of that folder while it is not open. */
unsigned notify_events(const struct imap_session *s, struct str folder);
/* STATUS of a folder with these events; what is told now is known. */
SUSPENDS bool notify_status(struct imap_session *s, struct str folder, unsigned events, struct err *e);

/* Append to s->out what happened in other folders.  s->a is there. */
SUSPENDS bool notify_send(struct imap_session *s, struct err *e);
/* The same with the open folder, between commands. */
SUSPENDS bool notify_tell(struct imap_session *s, struct err *e);
/* Is somebody to be waited for, and has nothing happened yet?  NULL: no other folder is watched. */
struct wait *notify_wait(struct imap_session *s);
bool notify_has_news(const struct imap_session *s);
