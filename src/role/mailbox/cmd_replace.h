/* cmd_replace.h — which letter a REPLACE replaces, before its literal comes. */
#pragma once

#include "role/mailbox/imap_session.h"

/* NONE: s->append knows it now. */
struct imap_reply replace_begin(struct imap_session *s);
