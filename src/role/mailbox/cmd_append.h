/* cmd_append.h — the letters of an APPEND, while they come. */
#pragma once

#include "role/mailbox/imap_session.h"

/* At IMAP_STREAM: takes one letter off the stream, or refuses the command; false: the stream broke. */
SUSPENDS bool append_take(struct imap_session *s, struct err *e);
