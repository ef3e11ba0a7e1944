/* dkim_watch.h — who sees to it that DKIM keys are changed: a new pair signs once every name server has it, the old
 * one's removal is asked for when its week is over, and is noticed. */
#pragma once

#include "base/buf.h"

struct arena;
struct json;

/* A fiber, for as long as the role runs. */
SUSPENDS void dkim_watch_run(void *unused);
/* Something may have changed: look now. */
void dkim_watch_wake(void);
/* For `waxwing status`: what waits for a person, a line each; or as members of an array. */
SUSPENDS void dkim_watch_status(struct arena *a, struct buf *b, struct json *j);
