/* history.h — the line of the history that tells of a letter that went. */
#pragma once

#include "base/buf.h"

/* TIME TAB WHAT TAB WHO TAB FOLDER TAB UID TAB NAME */
void history_line(struct buf *to, const char *what, struct str who, struct str folder, uint32_t uid,
		  struct str name);
