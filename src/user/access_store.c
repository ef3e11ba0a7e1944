/* access_store.c — access.db; see access_store.h. */
#include "user/access_store.h"

#include "base/rnd.h"
#include "user/database.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>

enum statement {
	ST_SECRET_MAKE,
	ST_SECRET,
	ST_BAN_ADD,
	ST_BAN_HITS,
	ST_BANS,
	ST_BAN_LAST,
	ST_BAN_FORGET,
	ST_KNOWN_PUT,
	ST_KNOWN_FORGET,
	ST_KNOWN,
	ST_APP_ADD,
	ST_APPS,
	ST_APP_REMOVE,
	ST_APP_USED,
	ST_BEGIN,
	ST_COMMIT,
	ST_ROLLBACK,
	STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
	[ST_SECRET_MAKE] = "INSERT INTO secret (id, bytes) VALUES (1, ?1) ON CONFLICT DO NOTHING",
	[ST_SECRET] = "SELECT bytes FROM secret WHERE id = 1",
	[ST_BAN_ADD] = "INSERT INTO ban (id, what, added, made_by, reason, expires, hits, last_hit, ends) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[ST_BAN_HITS] = "UPDATE ban SET hits = ?2, last_hit = ?3 WHERE id = ?1",
	[ST_BANS] = "SELECT id, what, added, made_by, reason, expires, hits, last_hit, ends FROM ban "
		"WHERE id > ?1 ORDER BY id LIMIT ?2",
	[ST_BAN_LAST] = "SELECT seq FROM sqlite_sequence WHERE name = 'ban'",
	[ST_BAN_FORGET] = "DELETE FROM ban WHERE made_by = ?2 AND expires > 0 AND expires < ?1",
	[ST_KNOWN_PUT] = "INSERT INTO known (client, last) VALUES (?1, ?2) "
		"ON CONFLICT (client) DO UPDATE SET last = max(last, excluded.last)",
	[ST_KNOWN_FORGET] = "DELETE FROM known WHERE last < ?1",
	[ST_KNOWN] = "SELECT id, client, last FROM known WHERE id > ?1 ORDER BY id LIMIT ?2",
	[ST_APP_ADD] = "INSERT INTO app_password (account, label, salt, iterations, stored_key, server_key, "
		"created, made_by, last_used) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0) ON CONFLICT DO NOTHING",
	[ST_APPS] = "SELECT id, account, label, salt, iterations, stored_key, server_key, created, made_by, "
		"last_used FROM app_password WHERE id > ?1 AND (?2 = x'' OR account = ?2) ORDER BY id LIMIT ?3",
	[ST_APP_REMOVE] = "DELETE FROM app_password WHERE account = ?1 AND (?2 = x'' OR label = ?2)",
	[ST_APP_USED] = "UPDATE app_password SET last_used = ?2 WHERE id = ?1",
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_ROLLBACK] = "ROLLBACK",
};

static const char schema[] =
	"BEGIN;"
	"CREATE TABLE secret (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
	"CREATE TABLE ban (id INTEGER PRIMARY KEY AUTOINCREMENT, what BLOB NOT NULL,"
	" added INTEGER NOT NULL, made_by BLOB NOT NULL, reason BLOB NOT NULL, expires INTEGER NOT NULL,"
	" hits INTEGER NOT NULL, last_hit INTEGER NOT NULL, ends INTEGER NOT NULL) STRICT;"
	"CREATE TABLE known (id INTEGER PRIMARY KEY, client BLOB NOT NULL UNIQUE, last INTEGER NOT NULL) STRICT;"
	"CREATE TABLE app_password (id INTEGER PRIMARY KEY AUTOINCREMENT, account BLOB NOT NULL,"
	" label BLOB NOT NULL, salt BLOB NOT NULL, iterations INTEGER NOT NULL, stored_key BLOB NOT NULL,"
	" server_key BLOB NOT NULL, created INTEGER NOT NULL, made_by BLOB NOT NULL,"
	" last_used INTEGER NOT NULL, UNIQUE (account, label)) STRICT;"
	"PRAGMA application_id = 1465401667;"
	"PRAGMA user_version = 1;"
	"COMMIT;";
static_assert(ACCESS_DB_ID == 1465401667 && ACCESS_DB_VERSION == 1, "the schema text says the same");

static const struct database_kind kind = { .name = "access.db", .what = "bans and app passwords", .id = ACCESS_DB_ID,
					   .version = ACCESS_DB_VERSION, .schema = schema };

struct access_store {
	sqlite3 *db;
	sqlite3_stmt *st[STATEMENTS];
};

void access_store_close(struct access_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(s->st[i]);
	sqlite3_close(s->db);
	free(s);
}

struct access_store *access_store_open(const char *dir, struct err *e)
{
	struct access_store *s = calloc(1, sizeof(*s));

	if (!s) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	if (database_open(dir, &kind, &s->db, e) && database_prepare(s->db, kind.name, sql, STATEMENTS, s->st, e))
		return s;
	access_store_close(s);
	return NULL;
}

static bool run(struct access_store *s, enum statement which, struct err *e)
{
	return database_run(s->db, kind.name, s->st[which], e);
}

static bool next_row(struct access_store *s, enum statement which, bool *ok, struct err *e)
{
	return database_next(s->db, kind.name, s->st[which], ok, e);
}

static bool take_exact(struct str from, void *to, size_t n)
{
	if (from.n == n)
		memcpy(to, from.p, n);
	return from.n == n;
}

bool access_secret(struct access_store *s, uint8_t ret[ACCESS_SECRET], struct err *e)
{
	uint8_t fresh[ACCESS_SECRET];
	bool ok = true, found = false;

	rnd_bytes(fresh, sizeof(fresh));
	database_bind(s->st[ST_SECRET_MAKE], 1, str_of(fresh, sizeof(fresh)));
	if (!run(s, ST_SECRET_MAKE, e))
		return false;
	while (next_row(s, ST_SECRET, &ok, e))
		found = take_exact(database_column(s->st[ST_SECRET], 0), ret, ACCESS_SECRET);
	return ok && (found || fail(e, FAULT_TEMP, "%s: the secret is damaged", kind.name));
}

/* -- bans ------------------------------------------------------------------ */

static bool ban_insert(struct access_store *s, const struct ban_entry *b, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_BAN_ADD];

	sqlite3_bind_int64(st, 1, b->id);
	database_bind(st, 2, b->what);
	sqlite3_bind_int64(st, 3, b->added);
	database_bind(st, 4, b->by);
	database_bind(st, 5, b->reason);
	sqlite3_bind_int64(st, 6, b->expires);
	sqlite3_bind_int64(st, 7, (sqlite3_int64)b->hits);
	sqlite3_bind_int64(st, 8, b->last_hit);
	sqlite3_bind_int64(st, 9, b->ends);
	return run(s, ST_BAN_ADD, e);
}

static bool ban_count(struct access_store *s, const struct ban_entry *b, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_BAN_HITS];

	sqlite3_bind_int64(st, 1, b->id);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)b->hits);
	sqlite3_bind_int64(st, 3, b->last_hit);
	return run(s, ST_BAN_HITS, e);
}

/* One transaction. */
static bool for_all(struct access_store *s, const struct ban_entry *list, size_t n,
		    bool (*write)(struct access_store *, const struct ban_entry *, struct err *), struct err *e)
{
	struct err ignored;
	bool ok;

	if (!run(s, ST_BEGIN, e))
		return false;
	ok = true;
	for (size_t i = 0; ok && i < n; i++)
		ok = write(s, &list[i], e);
	if (ok && run(s, ST_COMMIT, e))
		return true;
	run(s, ST_ROLLBACK, &ignored);
	return false;
}

bool bans_add(struct access_store *s, const struct ban_entry *list, size_t n, struct err *e)
{
	return for_all(s, list, n, ban_insert, e);
}

bool bans_set_hits(struct access_store *s, const struct ban_entry *list, size_t n, struct err *e)
{
	return for_all(s, list, n, ban_count, e);
}

bool bans_last_id(struct access_store *s, int64_t *ret, struct err *e)
{
	bool ok = true;

	*ret = 0;
	while (next_row(s, ST_BAN_LAST, &ok, e))
		*ret = sqlite3_column_int64(s->st[ST_BAN_LAST], 0);
	return ok;
}

bool bans_forget(struct access_store *s, int64_t before, struct err *e)
{
	sqlite3_bind_int64(s->st[ST_BAN_FORGET], 1, before);
	database_bind(s->st[ST_BAN_FORGET], 2, BAN_BY_SERVER);
	return run(s, ST_BAN_FORGET, e);
}

bool ban_entries(struct access_store *s, int64_t after, size_t max, struct arena *a, struct ban_entry *ret,
		 size_t *ret_n, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_BANS];
	bool ok = true;
	size_t n = 0;

	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)max);
	while (next_row(s, ST_BANS, &ok, e)) {
		ret[n++] = (struct ban_entry){
			.id = sqlite3_column_int64(st, 0), .what = arena_str(a, database_column(st, 1)),
			.added = sqlite3_column_int64(st, 2), .by = arena_str(a, database_column(st, 3)),
			.reason = arena_str(a, database_column(st, 4)), .expires = sqlite3_column_int64(st, 5),
			.hits = (uint64_t)sqlite3_column_int64(st, 6), .last_hit = sqlite3_column_int64(st, 7),
			.ends = sqlite3_column_int64(st, 8),
		};
		ok = !a->full || fail(e, FAULT_TEMP, "out of memory");
	}
	*ret_n = n;
	return ok;
}

/* -- clients that logged in ------------------------------------------------ */

bool known_put(struct access_store *s, const struct known_client *k, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_KNOWN_PUT];

	database_bind(st, 1, str_of(k->client.b, sizeof(k->client.b)));
	sqlite3_bind_int64(st, 2, k->last);
	return run(s, ST_KNOWN_PUT, e);
}

bool known_forget(struct access_store *s, int64_t before, struct err *e)
{
	sqlite3_bind_int64(s->st[ST_KNOWN_FORGET], 1, before);
	return run(s, ST_KNOWN_FORGET, e);
}

bool known_clients(struct access_store *s, int64_t after, size_t max, struct known_client *ret, size_t *ret_n,
		   struct err *e)
{
	sqlite3_stmt *st = s->st[ST_KNOWN];
	bool ok = true;
	size_t n = 0;

	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)max);
	while (next_row(s, ST_KNOWN, &ok, e)) {
		struct known_client k = { .row = sqlite3_column_int64(st, 0), .last = sqlite3_column_int64(st, 2) };

		ok = take_exact(database_column(st, 1), k.client.b, sizeof(k.client.b)) ||
		     fail(e, FAULT_TEMP, "%s: a client is damaged", kind.name);
		ret[n] = k;
		n += ok;
	}
	*ret_n = n;
	return ok;
}

/* -- app passwords --------------------------------------------------------- */

bool app_password_add(struct access_store *s, const struct app_password *p, bool *ret_exists, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_APP_ADD];
	const struct scram_verifier *v = &p->verifier;

	database_bind(st, 1, p->account);
	database_bind(st, 2, p->label);
	database_bind(st, 3, str_of(v->salt, sizeof(v->salt)));
	sqlite3_bind_int64(st, 4, v->iterations);
	database_bind(st, 5, str_of(v->stored_key, sizeof(v->stored_key)));
	database_bind(st, 6, str_of(v->server_key, sizeof(v->server_key)));
	sqlite3_bind_int64(st, 7, p->created);
	database_bind(st, 8, p->by);
	if (!run(s, ST_APP_ADD, e))
		return false;
	*ret_exists = sqlite3_changes(s->db) == 0;
	return true;
}

static bool read_app_password(sqlite3_stmt *st, struct arena *a, struct app_password *ret, struct err *e)
{
	struct app_password p = {
		.id = sqlite3_column_int64(st, 0), .account = arena_str(a, database_column(st, 1)),
		.label = arena_str(a, database_column(st, 2)), .created = sqlite3_column_int64(st, 7),
		.by = arena_str(a, database_column(st, 8)), .last_used = sqlite3_column_int64(st, 9),
	};
	struct scram_verifier *v = &p.verifier;

	v->iterations = (uint32_t)sqlite3_column_int64(st, 4);
	if (!take_exact(database_column(st, 3), v->salt, sizeof(v->salt)) ||
	    !take_exact(database_column(st, 5), v->stored_key, sizeof(v->stored_key)) ||
	    !take_exact(database_column(st, 6), v->server_key, sizeof(v->server_key)))
		return fail(e, FAULT_TEMP, "%s: an app password is damaged", kind.name);
	*ret = p;
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

bool app_passwords(struct access_store *s, struct str account, int64_t after, struct arena *a,
		   struct app_password *ret, size_t *ret_n, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_APPS];
	bool ok = true;
	size_t n = 0;

	sqlite3_bind_int64(st, 1, after);
	database_bind(st, 2, account);
	sqlite3_bind_int64(st, 3, APP_PASSWORDS_MAX);
	while (next_row(s, ST_APPS, &ok, e)) {
		ok = read_app_password(st, a, &ret[n], e);
		n += ok;
	}
	*ret_n = n;
	return ok;
}

bool app_password_remove(struct access_store *s, struct str account, struct str label, uint32_t *ret_n,
			 struct err *e)
{
	database_bind(s->st[ST_APP_REMOVE], 1, account);
	database_bind(s->st[ST_APP_REMOVE], 2, label);
	if (!run(s, ST_APP_REMOVE, e))
		return false;
	*ret_n = (uint32_t)sqlite3_changes(s->db);
	return true;
}

bool app_password_used(struct access_store *s, int64_t id, int64_t when, struct err *e)
{
	sqlite3_bind_int64(s->st[ST_APP_USED], 1, id);
	sqlite3_bind_int64(s->st[ST_APP_USED], 2, when);
	return run(s, ST_APP_USED, e);
}
