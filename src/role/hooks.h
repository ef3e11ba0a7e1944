/* hooks.h — the page of base/hooks.h on its way from the parent to every role.
 *
 * A new process gets it before anything else; after each change all are told, so
 * that they look at their timers again. */
#pragma once

#ifdef WAXWING_HOOKS

#include "ipc/say.h"

/* The parent. */
bool hooks_open(struct err *e);
void hooks_hand(struct link *l);
/* A role; who: its enum role. */
void hooks_hear(enum role who);

#else

#define hooks_open(e) true
#define hooks_hand(l) ((void)0)
#define hooks_hear(who) ((void)0)

#endif
