/* limits.h — this account's quota, as it is configured (waxwing.conf: quota, quota-warn). */
#pragma once

#include "base/attr.h"

#include <stdbool.h>

struct store;

/* `s` stays the caller's. */
void limits_of(struct store *s);
void limits_configured(void);
/* Now and then: the log says once that it is nearly full. */
SUSPENDS void limits_look(void);
/* May nothing more be delivered? */
SUSPENDS bool limits_are_reached(void);
