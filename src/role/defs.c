/* defs.c — the roles of this binary. */
#include "role/runtime.h"

const struct role_def *role_def_of(enum role r)
{
	static const struct role_def *const all[] = { &role_control, &role_smtpd, &role_queue, &role_mailbox,
						      &role_scan, &role_user, &role_pam, &role_keys, &role_login,
						      &role_dns, &role_relay, &role_sign };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i]->role == r)
			return all[i];
	return NULL;
}
