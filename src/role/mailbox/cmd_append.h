/* cmd_append.h — the letters of an APPEND or REPLACE, while they come. */
#pragma once

#include "role/mailbox/imap_session.h"

/* At IMAP_STREAM: takes one literal off the stream, or refuses the command; false: the stream broke. */
SUSPENDS bool append_take(struct imap_session *s, struct err *e);
/* Nothing of it stays; fine if there is none. */
void append_forget(struct imap_session *s);
