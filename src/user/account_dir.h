/* account_dir.h — the name of a directory for an account or a domain.
 *
 * ASCII letters in lower case; bytes outside [a-z0-9._+@-], and a leading dot,
 * as %XX.  Different names give different directories, none is "", "." or
 * "..", none holds a slash. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { ACCOUNT_DIR_MAX = 255 };          /* NAME_MAX */

bool account_dir_name(struct str name, struct arena *a, struct str *ret, struct err *e);
