/* user.c — the role that knows whose address it is.
 *
 * It holds the accounts (SQLite at db/user), the operator's address files, and
 * how much each client may ask, who is banned, and who may log in.  It sees no letter
 * and no socket: `smtpd` asks at connect and RCPT, `login` at connect and for each
 * password, `queue` after DATA, `control` for the operator. */
#include "role/user/entries.h"

#include "base/log.h"

SUSPENDS static bool prepare(struct err *e)
{
	uint8_t secret[ACCESS_SECRET];
	bool ok = world_build(e) && accounts_open(e) && clients_open(e) && bans_open(secret, e) && entries_open(e) && routes_open(secret, e) &&
		  app_passwords_open(e) && logins_open(secret, e);

	rights_open();
	reports_open();
	explicit_bzero(secret, sizeof(secret));
	return ok;
}

SUSPENDS static bool run(struct err *e)
{
	(void)e;
	files_use_threads();
	fiber_start(&self.fibers, "bans", bans_tend, NULL);
	fiber_start(&self.fibers, "entries", entries_tend, NULL);
	role_wait_stop();
	entries_flush();
	bans_flush();
	return true;
}

static void configured(void)
{
	struct err e = { 0 };

	linux_accounts_forget();
	entry_files_configured();
	clients_configured();
	logins_configured();
	accounts_configured();
	if (!world_build(&e))
		log_error("config", "why=%s next=\"the old addresses stay in force\"", LOGQ(str_from_z(e.text)));
}

static void take_file(struct role_file *f)
{
	if (str_eq(f->what, S("passwd")))
		senders_take_passwd(f);
	else if (!entry_files_take(f))
		files_take(f);
}

static void linked(struct link *l)
{
	logins_linked(l);
	entries_linked(l);
}

static void unlinked(struct link *l)
{
	clients_unlinked(l);
	logins_unlinked(l);
}

const struct role_def role_user = { .role = ROLE_USER, .prepare = prepare, .run = run, .configured = configured,
				    .file = take_file, .linked = linked, .unlinked = unlinked };
