/* memory.h — whether the machine refused memory.
 *
 * What a buffer or an arena leaves out by its limit is part of a result: a long name is cut.  What it
 * leaves out because the machine has no memory just now is not, and must never be kept as if it were
 * the whole.  Whoever keeps what a chain of pure functions made compares before and after. */
#pragma once

/* How often that happened to this thread. */
unsigned memory_denials(void);
/* For those who ask the machine on behalf of others. */
void memory_denied(void);
