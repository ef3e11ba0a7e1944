/* doctor_listeners.h — where strangers reach us: each listening address of a `listen` line. */
#pragma once

#include "role/control/doctor.h"

enum { LISTENERS_MAX = 32 };

struct reach {
	const struct conf_listen *l;
	struct str address;
};

/* Of SMTP and submission.  "*" (0.0.0.0, ::) is each address from which we send, and 127.0.0.1 if there is none; loopback
 * addresses are left out unless `with_local`. */
size_t listeners_gather(const struct patient *p, bool with_local, struct reach to[LISTENERS_MAX]);
/* The words of the probe for it; see relay_probe. */
struct relay_probe probe_of(const struct patient *p, const struct reach *r);
/* "smtp 192.0.2.1:25" */
struct str reach_text(const struct reach *r, struct arena *a);
