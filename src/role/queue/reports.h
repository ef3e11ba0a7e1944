/* reports.h — letters to the address of DMARC reports. */
#pragma once

#include "role/queue/queue_role.h"

/* What is in the letter is read and kept, or it is kept why not: on the disk when this returns true.  Twice does no
 * harm. */
SUSPENDS bool reports_take(const struct queue_claim *c, struct arena *a, struct err *e);
