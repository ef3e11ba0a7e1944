/* subscription.h — the file `subscriptions` of a Maildir. In a thread. */
#pragma once

#include "base/err.h"

/* malloc()ed; empty if there is none. */
bool subscriptions_read(int root, char **ret, size_t *ret_n, struct err *e);
/* Add or remove a folder's name; durable.  The file keeps its version. */
bool subscriptions_change(int root, struct str name, bool on, struct err *e);
