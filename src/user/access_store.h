/* access_store.h — who may come in, beside the accounts: bans, clients that have logged in, app
 * passwords, and one secret of the house.
 *
 * SQLite at DIR/access.db; each verb is durable when it returns true.  They may wait for the
 * disk: in a role they run in a thread, one at a time. */
#pragma once

#include "base/arena.h"
#include "user/network.h"
#include "user/password.h"

enum { ACCESS_DB_VERSION = 1, ACCESS_SECRET = 32, APP_LABEL_MAX = 64, APP_PASSWORDS_MAX = 50 };

#define ACCESS_DB_ID 0x57584143          /* "WXAC" */

#define BAN_BY_SERVER S("server")

struct access_store;

struct access_store *access_store_open(const char *dir, struct err *e);
void access_store_close(struct access_store *s);

/* Made once, for ever. */
bool access_secret(struct access_store *s, uint8_t ret[ACCESS_SECRET], struct err *e);

/* An entry ends an earlier one (`ends` is its id) or is a ban.  Nothing is deleted, but the server's own when they are
 * long over: strangers decide how many those are. */
struct ban_entry {
	int64_t id;              /* greater than all before */
	struct str what;         /* an address or network */
	int64_t added;
	struct str by;           /* "server", or who said so */
	struct str reason;
	int64_t expires;         /* microseconds UTC; 0: never */
	uint64_t hits;           /* connections refused */
	int64_t last_hit;
	int64_t ends;            /* 0: it is a ban */
};
/* All of them or none. */
bool bans_add(struct access_store *s, const struct ban_entry *list, size_t n, struct err *e);
/* Of each id its hits. */
bool bans_set_hits(struct access_store *s, const struct ban_entry *list, size_t n, struct err *e);
/* The greatest id that was ever given. */
bool bans_last_id(struct access_store *s, int64_t *ret, struct err *e);
/* The server's own that were over before. */
bool bans_forget(struct access_store *s, int64_t before, struct err *e);
/* Entries with an id above `after`, by id. */
bool ban_entries(struct access_store *s, int64_t after, size_t max, struct arena *a, struct ban_entry *ret,
		 size_t *ret_n, struct err *e);

/* A client (net_address_client) that logged in. */
struct known_client {
	int64_t row;
	struct net_address client;
	int64_t last;            /* microseconds UTC */
};
bool known_put(struct access_store *s, const struct known_client *k, struct err *e);
bool known_forget(struct access_store *s, int64_t before, struct err *e);
bool known_clients(struct access_store *s, int64_t after, size_t max, struct known_client *ret, size_t *ret_n,
		   struct err *e);

/* Only the verifier is kept: the password is long and random, so that one fast hash is enough. */
struct app_password {
	int64_t id;
	struct str account;      /* "local@domain", or a Linux name */
	struct str label;
	struct scram_verifier verifier;
	int64_t created;
	struct str by;
	int64_t last_used;       /* 0: never */
};
/* *ret_exists: there is one of that label, and nothing was done. */
bool app_password_add(struct access_store *s, const struct app_password *p, bool *ret_exists, struct err *e);
/* At most APP_PASSWORDS_MAX; of all accounts above id `after` if account is empty. */
bool app_passwords(struct access_store *s, struct str account, int64_t after, struct arena *a,
		   struct app_password *ret, size_t *ret_n, struct err *e);
/* With an empty label: all of the account. */
bool app_password_remove(struct access_store *s, struct str account, struct str label, uint32_t *ret_n,
			 struct err *e);
bool app_password_used(struct access_store *s, int64_t id, int64_t when, struct err *e);
