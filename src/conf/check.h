/* check.h — what several options must agree on. */
#pragma once

#include "conf/conf.h"

/* A configuration that cannot work never starts half: errors for what cannot be,
 * warnings for what is not yet served.  Unset options may still be unresolved.
 * file is for what has no other place. */
bool conf_check(const struct conf *c, struct str file, struct conf_notes *notes);
