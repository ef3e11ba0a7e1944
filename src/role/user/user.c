/* user.c — the role that knows whose address it is.
 *
 * It holds the accounts (SQLite at db/user), the operator's address files, and
 * how much each client may ask.  It sees no letter and no socket: `smtpd` asks
 * at connect and RCPT, `queue` after DATA, `control` for the operator. */
#include "role/user/user.h"

#include "base/log.h"

SUSPENDS static bool prepare(struct err *e)
{
	return world_build(e) && accounts_open(e) && routes_open(e) && clients_open(e);
}

SUSPENDS static bool run(struct err *e)
{
	(void)e;
	files_use_threads();
	role_wait_stop();
	return true;
}

static void configured(void)
{
	struct err e = { 0 };

	linux_accounts_forget();
	clients_configured();
	accounts_configured();
	if (!world_build(&e))
		log_error("config", "why=%s next=\"the old addresses stay in force\"", LOGQ(str_from_z(e.text)));
}

const struct role_def role_user = { .role = ROLE_USER, .prepare = prepare, .run = run, .configured = configured,
				    .file = files_take, .unlinked = clients_unlinked };
