/* reasons.h — why nobody answered a question.
 *
 * libunbound says it once and then remembers for some seconds only that nobody did.  A table of a few
 * names; a later one takes the place of one before. */
#pragma once

#include "base/str.h"

enum { REASONS_KEPT = 256, REASON_MAX = 160 };

void reason_keep(struct str name, uint16_t type, struct str why);
/* Empty: not known.  Until the next reason_keep(). */
struct str reason_of(struct str name, uint16_t type);
