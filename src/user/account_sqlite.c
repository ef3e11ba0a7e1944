/* account_sqlite.c — accounts at DIR/accounts.db.
 *
 * One table; WAL with synchronous=FULL, so that what was said to be done
 * survives a power cut.  Every value is a bound parameter; no statement is put
 * together from text.  user_version 1 is this one; a newer one is refused. */
#include "user/account_engine.h"

#include "base/hooks.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, BUSY_MS = 5000 };

enum statement {
	ST_BEGIN,
	ST_COMMIT,
	ST_ROLLBACK,
	ST_ADD,
	ST_PASSWORD,
	ST_DISABLE,
	ST_REMOVE,
	ST_FIND,
	ST_LIST,
	STATEMENTS,
};

#define COLUMNS "id, local, domain, kind, hash, scram_salt, scram_iterations, scram_stored_key, " \
		"scram_server_key, disabled, created, made_by"

static const char *const sql[STATEMENTS] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_ROLLBACK] = "ROLLBACK",
	[ST_ADD] = "INSERT INTO account (local, domain, hash, scram_salt, scram_iterations, "
		"scram_stored_key, scram_server_key, kind, disabled, created, made_by) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
	[ST_PASSWORD] = "UPDATE account SET hash = ?3, scram_salt = ?4, scram_iterations = ?5, "
		"scram_stored_key = ?6, scram_server_key = ?7 WHERE local = ?1 AND domain = ?2",
	[ST_DISABLE] = "UPDATE account SET disabled = ?3 WHERE local = ?1 AND domain = ?2",
	[ST_REMOVE] = "DELETE FROM account WHERE local = ?1 AND domain = ?2",
	[ST_FIND] = "SELECT " COLUMNS " FROM account WHERE local = ?1 AND domain = ?2",
	[ST_LIST] = "SELECT " COLUMNS " FROM account WHERE id > ?1 AND (?2 = x'' OR domain = ?2) "
		"ORDER BY id LIMIT ?3",
};

/* Names are blobs: they compare by bytes, and no encoding is assumed. */
static const char schema[] =
	"BEGIN;"
	"CREATE TABLE account ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, local BLOB NOT NULL, domain BLOB NOT NULL,"
	" kind INTEGER NOT NULL, hash BLOB NOT NULL, scram_salt BLOB NOT NULL,"
	" scram_iterations INTEGER NOT NULL, scram_stored_key BLOB NOT NULL,"
	" scram_server_key BLOB NOT NULL, disabled INTEGER NOT NULL, created INTEGER NOT NULL,"
	" made_by BLOB NOT NULL, UNIQUE (domain, local)) STRICT;"
	"PRAGMA application_id = 1465406803;"
	"PRAGMA user_version = 1;"
	"COMMIT;";
static_assert(ACCOUNT_DB_ID == 1465406803 && ACCOUNT_DB_VERSION == 1,
	      "the schema text says the same");

struct sqlite_store {
	struct account_store store;
	sqlite3 *db;
	sqlite3_stmt *st[STATEMENTS];
};

static struct sqlite_store *sqlite_of(struct account_store *s)
{
	return (struct sqlite_store *)(void *)s;
}

static bool fail_db(struct sqlite_store *q, const char *what, struct err *e)
{
	return fail(e, FAULT_TEMP, "accounts.db: %s: %s", what,
		    q->db ? sqlite3_errmsg(q->db) : "no memory");
}

static void bind_bytes(sqlite3_stmt *st, int at, const void *p, size_t n)
{
	sqlite3_bind_blob64(st, at, n ? p : "", n, SQLITE_STATIC);
}

static void bind_name(sqlite3_stmt *st, const struct account_name *name)
{
	bind_bytes(st, 1, name->local.p, name->local.n);
	bind_bytes(st, 2, name->domain.p, name->domain.n);
}

static void bind_password(sqlite3_stmt *st, const struct password_record *r)
{
	bind_bytes(st, 3, r->hash, strnlen(r->hash, PASSWORD_HASH_MAX));
	bind_bytes(st, 4, r->scram.salt, SCRAM_SALT);
	sqlite3_bind_int64(st, 5, r->scram.iterations);
	bind_bytes(st, 6, r->scram.stored_key, SCRAM_KEY);
	bind_bytes(st, 7, r->scram.server_key, SCRAM_KEY);
}

/* A statement that gives no rows. */
static bool run(struct sqlite_store *q, enum statement which, struct err *e)
{
	sqlite3_stmt *st = q->st[which];
	int rc = sqlite3_step(st);

	if (rc != SQLITE_DONE)
		fail_db(q, sql[which], e);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc == SQLITE_DONE;
}

static bool sqlite_begin(struct account_store *s, struct err *e)
{
	return run(sqlite_of(s), ST_BEGIN, e);
}

static bool sqlite_end(struct account_store *s, bool keep, struct err *e)
{
	struct err ignored = { 0 };

	if (!(keep && FAULT_IN(user_commit, e)) && run(sqlite_of(s), keep ? ST_COMMIT : ST_ROLLBACK, e))
		return true;
	if (keep)
		run(sqlite_of(s), ST_ROLLBACK, &ignored);
	return false;
}

static const enum statement statement_of[] = {
	[CHANGE_ADD] = ST_ADD, [CHANGE_PASSWORD] = ST_PASSWORD, [CHANGE_DISABLE] = ST_DISABLE,
	[CHANGE_ENABLE] = ST_DISABLE, [CHANGE_REMOVE] = ST_REMOVE,
};

static bool sqlite_change(struct account_store *s, enum account_change what,
			  const struct account *item, enum account_result *ret, struct err *e)
{
	struct sqlite_store *q = sqlite_of(s);
	sqlite3_stmt *st = q->st[statement_of[what]];

	bind_name(st, &item->name);
	if (what == CHANGE_ADD || what == CHANGE_PASSWORD)
		bind_password(st, &item->password);
	if (what == CHANGE_DISABLE || what == CHANGE_ENABLE)
		sqlite3_bind_int(st, 3, what == CHANGE_DISABLE);
	if (what == CHANGE_ADD) {
		sqlite3_bind_int(st, 8, (int)item->kind);
		sqlite3_bind_int(st, 9, item->is_disabled);
		sqlite3_bind_int64(st, 10, item->created);
		bind_bytes(st, 11, item->by.p, item->by.n);
	}
	if (!run(q, statement_of[what], e))
		return false;
	if (sqlite3_changes(q->db) == 1)
		*ret = ACCOUNT_DONE;
	else
		*ret = what == CHANGE_ADD ? ACCOUNT_EXISTS : ACCOUNT_MISSING;
	return true;
}

static struct str column(sqlite3_stmt *st, int at)
{
	const void *p = sqlite3_column_blob(st, at);

	return str_of(p, (size_t)sqlite3_column_bytes(st, at));
}

static bool copy_exact(struct str from, void *to, size_t n)
{
	if (from.n != n)
		return false;
	memcpy(to, from.p, n);
	return true;
}

static bool read_row(sqlite3_stmt *st, struct arena *a, struct account *ret, struct err *e)
{
	struct account x = {
		.id = sqlite3_column_int64(st, 0),
		.name = {arena_str(a, column(st, 1)), arena_str(a, column(st, 2))},
		.kind = (enum account_kind)sqlite3_column_int(st, 3),
		.is_disabled = sqlite3_column_int(st, 9) != 0,
		.created = sqlite3_column_int64(st, 10),
		.by = arena_str(a, column(st, 11)),
	};
	struct str hash = column(st, 4);
	struct scram_verifier *v = &x.password.scram;

	v->iterations = (uint32_t)sqlite3_column_int64(st, 6);
	if (a->full)
		return fail(e, FAULT_TEMP, "out of memory");
	if (hash.n >= PASSWORD_HASH_MAX || !copy_exact(hash, x.password.hash, hash.n) ||
	    !copy_exact(column(st, 5), v->salt, SCRAM_SALT) ||
	    !copy_exact(column(st, 7), v->stored_key, SCRAM_KEY) ||
	    !copy_exact(column(st, 8), v->server_key, SCRAM_KEY))
		return fail(e, FAULT_TEMP, "accounts.db: row %lld is damaged", (long long)x.id);
	*ret = x;
	return true;
}

/* All rows of a statement whose parameters are bound. */
static bool read_rows(struct sqlite_store *q, enum statement which, size_t max, struct arena *a,
		      struct account *ret, size_t *ret_n, struct err *e)
{
	sqlite3_stmt *st = q->st[which];
	bool ok = true;
	size_t n = 0;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW && ok && n < max) {
		ok = read_row(st, a, &ret[n], e);
		n += ok;
	}
	if (ok && rc != SQLITE_DONE && rc != SQLITE_ROW)
		ok = fail_db(q, "reading", e);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	if (ok)
		*ret_n = n;
	return ok;
}

static bool sqlite_find(struct account_store *s, const struct account_name *name, struct arena *a,
			struct account *ret, struct err *e)
{
	struct sqlite_store *q = sqlite_of(s);
	size_t n;

	bind_name(q->st[ST_FIND], name);
	return read_rows(q, ST_FIND, 1, a, ret, &n, e);
}

static bool sqlite_list(struct account_store *s, struct str domain, int64_t after_id, size_t max,
			struct arena *a, struct account *ret, size_t *ret_n, struct err *e)
{
	struct sqlite_store *q = sqlite_of(s);
	sqlite3_stmt *st = q->st[ST_LIST];

	sqlite3_bind_int64(st, 1, after_id);
	bind_bytes(st, 2, domain.p, domain.n);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)max);
	return read_rows(q, ST_LIST, max, a, ret, ret_n, e);
}

static void sqlite_close(struct account_store *s)
{
	struct sqlite_store *q = sqlite_of(s);

	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(q->st[i]);
	sqlite3_close(q->db);
	free(q);
}

static bool read_number(struct sqlite_store *q, const char *pragma, int64_t *ret, struct err *e)
{
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(q->db, pragma, -1, &st, NULL) == SQLITE_OK &&
		  sqlite3_step(st) == SQLITE_ROW;

	if (ok)
		*ret = sqlite3_column_int64(st, 0);
	else
		fail_db(q, pragma, e);
	sqlite3_finalize(st);
	return ok;
}

/* Whose file is it?  Nothing is written before that is known. */
static bool check_version(struct sqlite_store *q, bool *ret_new, struct err *e)
{
	int64_t id, version, tables;

	if (!read_number(q, "PRAGMA application_id", &id, e) ||
	    !read_number(q, "PRAGMA user_version", &version, e) ||
	    !read_number(q, "SELECT count(*) FROM sqlite_schema", &tables, e))
		return false;
	*ret_new = id == 0 && version == 0 && tables == 0;
	if (*ret_new)
		return true;
	if (id != ACCOUNT_DB_ID)
		return fail(e, FAULT_PERM, "accounts.db is not a file of accounts");
	if (version > ACCOUNT_DB_VERSION)
		return fail(
			e, FAULT_PERM,
			"accounts.db has version %lld; this release knows %d: use the newer one",
			(long long)version, ACCOUNT_DB_VERSION);
	return true;
}

static bool open_db(struct sqlite_store *q, const char *path, struct err *e)
{
	bool is_new;

	if (sqlite3_open_v2(path, &q->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_NOFOLLOW,
			    NULL) != SQLITE_OK)
		return fail_db(q, "open", e);
	sqlite3_busy_timeout(q->db, BUSY_MS);
	sqlite3_db_config(q->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(q->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (!check_version(q, &is_new, e))
		return false;
	if (sqlite3_exec(q->db,
			 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			 "PRAGMA secure_delete = ON; PRAGMA cache_size = -512;",
			 NULL, NULL, NULL) != SQLITE_OK)
		return fail_db(q, "set up", e);
	if (is_new && sqlite3_exec(q->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return fail_db(q, "create", e);
	for (size_t i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(q->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &q->st[i],
				       NULL) != SQLITE_OK)
			return fail_db(q, sql[i], e);
	return true;
}

/* SQLite would make it with the rights of the umask: secrets get 0600. */
static bool make_file(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "%s", path);
	close(fd);
	return true;
}

static const struct account_engine sqlite_engine = {
	.begin = sqlite_begin, .end = sqlite_end, .change = sqlite_change,
	.find = sqlite_find, .list = sqlite_list, .close = sqlite_close,
};

struct account_store *account_store_open(const char *dir, struct err *e)
{
	char path[PATH_BYTES];
	struct sqlite_store *q;
	int n = snprintf(path, sizeof(path), "%s/accounts.db", dir);

	if (n < 0 || n >= (int)sizeof(path)) {
		fail(e, FAULT_PERM, "the path of the accounts is too long");
		return NULL;
	}
	if (!make_file(path, e))
		return NULL;
	q = calloc(1, sizeof(*q));
	if (!q) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	q->store.engine = &sqlite_engine;
	if (!open_db(q, path, e)) {
		sqlite_close(&q->store);
		return NULL;
	}
	return &q->store;
}
