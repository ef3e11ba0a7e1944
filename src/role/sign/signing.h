/* signing.h — one letter's signatures, inside the role `sign`. */
#pragma once

#include "role/runtime.h"

/* Fields for the view that q describes, or why there are none.  FAULT_TEMP: not now. */
SUSPENDS bool signing_run(const struct sign_letter *q, struct sign_letter_answer *r, struct arena *a, struct err *e);
