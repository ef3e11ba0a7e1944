/* imap_cmds.h — the handlers that imap_verbs.def names; each in its own file cmd_NAME.c. */
#pragma once

#include "role/mailbox/imap_session.h"

#define IMAP_ROW(verb, handler, updates) \
	SUSPENDS struct imap_reply handler(struct imap_session *s, struct err *e);
#include "role/mailbox/imap_verbs.def"
#undef IMAP_ROW
