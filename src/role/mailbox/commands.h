/* commands.h — what the administrator asks of a mailbox (waxwing mailbox …). */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct store;

/* `s` stays the caller's. */
void commands_serve(struct store *s);
/* A folder's name as a person types it (UTF-8), as it stands on disk. */
bool folder_meant(struct str name, struct arena *a, struct str *ret, struct err *e);
