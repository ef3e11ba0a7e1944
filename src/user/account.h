/* account.h — the internal accounts.
 *
 * Verbs take and give batches; each is one transaction, durable when it
 * returns true.  They may wait for the disk: in a role they run in a thread,
 * one at a time per store.  Two engines stand behind this header, SQLite at
 * DIR/accounts.db and memory, and run the same tests.
 *
 * Names are folded (domain_name.h) by the caller. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "user/password.h"

enum { ACCOUNT_BATCH_MAX = 1000, ACCOUNT_DB_VERSION = 1 };

#define ACCOUNT_DB_ID 0x57585553         /* "WXUS" */

struct account_store;

struct account_name {
	struct str local;
	struct str domain;
};

enum account_kind { ACCOUNT_FULL = 0 };  /* mailbox and login; others come later */

struct account {
	struct account_name name;
	int64_t id;              /* given by the store, never used twice; 0: no such account */
	enum account_kind kind;
	bool is_disabled;        /* no login; mail still comes in */
	int64_t created;         /* microseconds UTC */
	struct str by;           /* who made it: "root", "demo" */
	struct password_record password;
};

/* What became of one item of a batch. */
enum account_result {
	ACCOUNT_DONE,
	ACCOUNT_EXISTS,          /* add: it was there already and stays as it is */
	ACCOUNT_MISSING,
};

/* dir is the path of the directory.  NULL with a sentence: a newer version or a foreign file
 * is refused, and nothing is written then. */
struct account_store *account_store_open(const char *dir, struct err *e);
struct account_store *account_store_open_memory(struct err *e);
void account_store_close(struct account_store *s);

/* results[i] tells of item i; false only if the store itself failed, then nothing was changed. */
bool account_add(struct account_store *s, const struct account *list, size_t n,
		 enum account_result *results, struct err *e);
bool account_set_password(struct account_store *s, const struct account_name *names,
			  const struct password_record *passwords, size_t n,
			  enum account_result *results, struct err *e);
bool account_set_disabled(struct account_store *s, const struct account_name *names, size_t n,
			  bool is_disabled, enum account_result *results, struct err *e);
/* The account goes; its mail stays on the disk. */
bool account_remove(struct account_store *s, const struct account_name *names, size_t n,
		    enum account_result *results, struct err *e);

/* ret has n places; ret[i].id is 0 where there is no such account. */
bool account_find(struct account_store *s, const struct account_name *names, size_t n,
		  struct arena *a, struct account *ret, struct err *e);
/* Up to max accounts with an id above after_id, by id; of all domains if domain is empty. */
bool account_list(struct account_store *s, struct str domain, int64_t after_id, size_t max,
		  struct arena *a, struct account *ret, size_t *ret_n, struct err *e);

/* For a person: "account alice@example.org removed; its mail stays in …/Maildir". */
struct str account_result_text(const char *verb, const struct account_name *name,
			       enum account_result r, struct arena *a);
