/* user.h — what the files of the role `user` tell each other.
 *
 * One world (struct route_world) is in force: the configuration, the snapshots
 * of the address files, the names of the accounts.  Whoever routes does not wait
 * meanwhile and copies what it keeps, so that a world can be replaced at once. */
#pragma once

#include "role/runtime.h"
#include "user/access_store.h"
#include "user/account.h"
#include "user/login_result.h"
#include "user/route.h"
#include "user/sender.h"

/* -- world.c */

/* Build the world anew from the configuration and the snapshots; on failure the old one stays. */
bool world_build(struct err *e);
bool world_is_built(void);
const struct route_world *world_now(void);
/* Is it an account by the configuration (`user NAME@DOMAIN`)?  key is "local@domain", folded. */
bool world_has_user(struct str key);
/* Those names: NULL at the end. */
bool world_next_user(size_t *i, struct str *key);
/* What the configuration lets an account do, or a Linux user ("local@domain", folded, or a name); what it says for
 * all others if it says nothing.  false: the arena is full. */
bool world_rights(struct str account, struct arena *a, struct sender_rights *ret);
/* May it only send?  Then it has no mailbox. */
bool world_only_sends(struct str account);
/* A configured file has never been read: "no such user" may be wrong. */
bool world_is_incomplete(void);
/* Another number, never 0, after each change from which a route may follow. */
uint64_t world_epoch(void);
void world_touch(void);

/* -- files.c */

/* Takes f->file: at once before confinement, in a thread later. */
void files_take(struct role_file *f);
/* From now on threads may be used. */
void files_use_threads(void);
bool files_have_threads(void);
/* The snapshot of a configured file; NULL with *incomplete set if it was not read yet. */
const struct address_file *files_find(struct str what, struct str domain, struct str path, bool *incomplete);
/* Forget the snapshots that files_find() was not asked for since the last time. */
void files_sweep(void);

/* -- accounts.c */

bool accounts_open(struct err *e);
bool accounts_have(struct str local, struct str domain);
/* The one that was made first, folded; empty if there is none. */
struct str accounts_first(void);
/* A new configuration may name other accounts. */
void accounts_configured(void);

/* Its record, or one with id 0.  The caller ends the password. */
SUSPENDS bool accounts_find(const struct account_name *name, struct arena *a, struct account *ret, struct err *e);
/* Every account that has a password also has a SCRAM verifier. */
bool accounts_all_scram(void);

/* -- linux_accounts.c: a cache of what `pam` knows */

struct linux_home {
	uint32_t uid, gid;
	struct str home;
};
enum known linux_accounts_know(const struct route_world *w, struct str name);
/* Only after KNOWN_YES and before the next wait. */
struct linux_home linux_accounts_home(struct str name);
/* false: pam is away or cannot say. */
SUSPENDS bool linux_accounts_ask(struct str name, struct err *e);
/* A new configuration: ask again. */
void linux_accounts_forget(void);

/* -- routes.c */

bool routes_open(const uint8_t secret[ACCESS_SECRET], struct err *e);

/* Where an address leads.  *ret holds until the next wait.  Failing needs no word to anybody: it is a route to
 * later. */
SUSPENDS void routes_follow(struct str local, struct str domain, struct arena *a, struct route *ret);

/* Tell the parent who this account is: "local@domain", or a Linux name. */
SUSPENDS bool routes_tell_account(struct str account, struct err *e);

/* -- senders.c */

void rights_open(void);
/* Takes f->file. */
void senders_take_passwd(struct role_file *f);

/* -- bans.c */

bool bans_open(uint8_t ret_secret[ACCESS_SECRET], struct err *e);
/* A fiber: what was counted goes to the disk now and then. */
SUSPENDS void bans_tend(void *unused);
SUSPENDS void bans_flush(void);
/* Is this address banned?  The connection is counted; why is what it is told; is_told: the log has it already. */
bool bans_refuse(const struct net_address *from, struct str *ret_why, bool *ret_is_told, struct arena *a);
/* Why it is never banned by the server, or NULL. */
const char *bans_spare(const struct net_address *from);
/* What it did in a session that is over, per enum conduct_kind (user/conduct.h); perhaps it is banned for it. */
void bans_judge(const struct net_address *from, struct str peer, const unsigned *n);
/* Too many failures. */
void bans_punish(const struct net_address *client, struct str peer, struct str reason);
/* access.db for one fiber; its verbs run in a thread. */
SUSPENDS bool access_take(struct access_store **ret, struct err *e);
void access_give(void);

/* -- known.c */

bool known_load(struct access_store *store, struct err *e);
/* It logged in: it is known for 30 days. */
SUSPENDS void known_note(const struct net_address *client);
bool known_has(const struct net_address *client);
/* Is somebody in its network known? */
bool known_has_network(const struct net_address *from);

/* -- app_passwords.c */

bool app_passwords_open(struct err *e);
bool app_passwords_has(struct str account);
/* "Alice@Example.ORG" → "alice@example.org"; a name alone is a Linux account.  False if there is none. */
SUSPENDS bool account_key(struct str address, struct arena *a, struct account_name *name, struct str *ret,
			  struct err *e);
/* Those of an account, at most APP_PASSWORDS_MAX. */
SUSPENDS bool app_passwords_find(struct str account, struct arena *a, struct app_password **ret, size_t *ret_n,
				 struct err *e);
SUSPENDS void app_passwords_note_use(const struct app_password *p);
/* The account goes. */
SUSPENDS bool app_passwords_forget(struct str account, struct err *e);

/* -- logins.c */

bool logins_open(const uint8_t secret[ACCESS_SECRET], struct err *e);
void logins_configured(void);
void logins_linked(struct link *l);
void logins_unlinked(struct link *l);
/* Its password changed, or it may not log in any more. */
void logins_changed(struct str account);

/* -- reports.c: DMARC reports */

void reports_open(void);

/* -- login_why.c: `account` is what was named, whether there is one or not */

void why_login_accepted(const struct user_login *q, struct str account, struct str app);
void why_login_refused(const struct user_login *q, struct str account, enum login_result result, struct str why);
void why_connection_refused(struct str peer, struct str why);
void why_client_banned(struct str client, struct str peer, int64_t length, struct str why);

/* -- clients.c */

bool clients_open(struct err *e);
void clients_configured(void);
/* In friends or unlimited, or of this machine? */
bool clients_exempt(const struct net_address *from);
/* A dead smtpd holds no connections. */
void clients_unlinked(struct link *l);
