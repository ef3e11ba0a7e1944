/* cmd_status.h — STATUS, also as LIST returns it (RFC 5819). */
#pragma once

#include "role/mailbox/imap_session.h"

/* Append "* STATUS name (…)" of a folder.  `items`: enum status_item. */
SUSPENDS bool add_status(struct imap_session *s, struct str folder, unsigned items, struct err *e);
