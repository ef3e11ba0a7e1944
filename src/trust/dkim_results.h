/* dkim_results.h — what DKIM and ARC found, as Authentication-Results tells it (RFC 8601 §2.7.1, RFC 6008, RFC 8617
 * §10.1). */
#pragma once

#include "trust/arc.h"
#include "trust/dkim.h"
#include "wire/auth_results.h"

/* Each signature a method, "dkim=none" if there is none; appended to a list whose end is *tail.  Where the new end is, or
 * NULL: no memory. */
struct auth_method **dkim_results_add(struct auth_method **tail, const struct dkim *d, struct arena *a);
struct auth_method **arc_results_add(struct auth_method **tail, const struct arc *r, struct arena *a);
