/* cmd_list.h — one folder as LIST tells it. */
#pragma once

#include "role/mailbox/imap_session.h"

/* Append "* LIST (…) "." name" of a folder with all its attributes, and OLDNAME if that is not empty
 * (RFC 9051 §6.3.9.7). */
SUSPENDS bool list_folder(struct imap_session *s, struct str folder, struct str old_name, struct err *e);
