/* imap_list.h — does a mailbox name fit a pattern of LIST (RFC 9051 §6.3.9)? */
#pragma once

#include "base/str.h"

/* "*" stands for any octets, "%" for any but `separator`.  However long the pattern, it takes at most 2 name² steps. */
enum { LIST_NAME_MAX = 1024 };           /* octets of a name; a longer one fits nothing */
bool imap_list_fits(struct str pattern, struct str name, char separator, bool nocase);
