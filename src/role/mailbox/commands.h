/* commands.h — what the administrator asks of a mailbox (waxwing mailbox …). */
#pragma once

#include "base/attr.h"

struct store;

/* `s` stays the caller's. */
void commands_serve(struct store *s);
