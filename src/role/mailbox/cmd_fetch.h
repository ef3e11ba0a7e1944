/* cmd_fetch.h — FETCH answers that nobody asked for just now (NOTIFY). */
#pragma once

#include "role/mailbox/imap_session.h"

/* Of these letters of the open folder, UIDs ascending; nothing becomes \Seen. */
SUSPENDS bool fetch_tell(struct imap_session *s, const struct imap_fetch *f, const uint32_t *uids, size_t n,
			 struct err *e);
