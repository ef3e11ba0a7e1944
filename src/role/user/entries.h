/* entries.h — blocks and exceptions of the role `user`. */
#pragma once

#include "role/user/user.h"
#include "user/entry_file.h"

/* -- entries.c */

bool entries_open(struct err *e);
/* A fiber: what was counted goes to the disk now and then; and at the end. */
SUSPENDS void entries_tend(void *unused);
SUSPENDS void entries_flush(void);
/* Those who ask are told what kinds of entries there are. */
void entries_linked(struct link *l);
void entries_changed(void);

/* -- entry_files.c */

void entry_files_configured(void);
/* Takes f->file if it is one of ours. */
bool entry_files_take(struct role_file *f);
/* Walk: for (size_t i = 0; (f = entry_files_next(&i));) */
const struct entry_file *entry_files_next(size_t *i);
