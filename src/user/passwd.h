/* passwd.h — names and numbers of the users of this machine, as passwd(5) has them. */
#pragma once

#include "base/str.h"

enum { PASSWD_FILE_MAX = 4 << 20, PASSWD_NAME_MAX = 32 };

/* The next line that is one: *text moves on; false at the end. */
bool passwd_next(struct str *text, struct str *ret_name, uint32_t *ret_uid);
