/* database.c — opens the SQLite files of the role `user`; see database.h. */
#include "user/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, BUSY_MS = 5000 };

static bool fail_db(sqlite3 *db, const char *name, const char *what, struct err *e)
{
	return fail(e, FAULT_TEMP, "%s: %s: %s", name, what, db ? sqlite3_errmsg(db) : "no memory");
}

static bool read_number(sqlite3 *db, const char *name, const char *pragma, int64_t *ret, struct err *e)
{
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(db, pragma, -1, &st, NULL) == SQLITE_OK &&
		  sqlite3_step(st) == SQLITE_ROW;

	if (ok)
		*ret = sqlite3_column_int64(st, 0);
	else
		fail_db(db, name, pragma, e);
	sqlite3_finalize(st);
	return ok;
}

/* Whose file is it?  Nothing is written before that is known. */
static bool check_version(sqlite3 *db, const struct database_kind *k, bool *ret_new, struct err *e)
{
	int64_t id, version, tables;

	if (!read_number(db, k->name, "PRAGMA application_id", &id, e) ||
	    !read_number(db, k->name, "PRAGMA user_version", &version, e) ||
	    !read_number(db, k->name, "SELECT count(*) FROM sqlite_schema", &tables, e))
		return false;
	*ret_new = id == 0 && version == 0 && tables == 0;
	if (*ret_new)
		return true;
	if (id != k->id)
		return fail(e, FAULT_PERM, "%s is not a file of %s", k->name, k->what);
	if (version > k->version)
		return fail(e, FAULT_PERM, "%s has version %lld; this release knows %lld: use the newer one",
			    k->name, (long long)version, (long long)k->version);
	return true;
}

static bool set_up(const char *path, const struct database_kind *k, sqlite3 **ret, struct err *e)
{
	bool is_new;

	if (sqlite3_open_v2(path, ret,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_NOFOLLOW,
			    NULL) != SQLITE_OK)
		return fail_db(*ret, k->name, "open", e);
	sqlite3_busy_timeout(*ret, BUSY_MS);
	sqlite3_db_config(*ret, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(*ret, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (!check_version(*ret, k, &is_new, e))
		return false;
	if (sqlite3_exec(*ret,
			 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			 "PRAGMA secure_delete = ON; PRAGMA cache_size = -512;",
			 NULL, NULL, NULL) != SQLITE_OK)
		return fail_db(*ret, k->name, "set up", e);
	if (is_new && sqlite3_exec(*ret, k->schema, NULL, NULL, NULL) != SQLITE_OK)
		return fail_db(*ret, k->name, "create", e);
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

bool database_open(const char *dir, const struct database_kind *k, sqlite3 **ret, struct err *e)
{
	char path[PATH_BYTES];
	sqlite3 *db = NULL;
	int n = snprintf(path, sizeof(path), "%s/%s", dir, k->name);

	if (n < 0 || n >= (int)sizeof(path))
		return fail(e, FAULT_PERM, "the path of the %s is too long", k->what);
	if (!make_file(path, e))
		return false;
	if (set_up(path, k, &db, e)) {
		*ret = db;
		return true;
	}
	sqlite3_close(db);
	return false;
}

bool database_prepare(sqlite3 *db, const char *name, const char *const *sql, size_t n, sqlite3_stmt **ret,
		      struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &ret[i], NULL) != SQLITE_OK)
			return fail_db(db, name, sql[i], e);
	return true;
}

bool database_run(sqlite3 *db, const char *name, sqlite3_stmt *st, struct err *e)
{
	int rc = sqlite3_step(st);

	if (rc != SQLITE_DONE)
		fail_db(db, name, sqlite3_sql(st), e);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc == SQLITE_DONE;
}

bool database_next(sqlite3 *db, const char *name, sqlite3_stmt *st, bool *ok, struct err *e)
{
	int rc = *ok ? sqlite3_step(st) : SQLITE_DONE;

	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		*ok = fail(e, FAULT_TEMP, "%s: %s", name, sqlite3_errmsg(db));
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return false;
}

void database_bind(sqlite3_stmt *st, int at, struct str s)
{
	sqlite3_bind_blob64(st, at, s.n ? s.p : "", s.n, SQLITE_STATIC);
}

struct str database_column(sqlite3_stmt *st, int at)
{
	const void *p = sqlite3_column_blob(st, at);

	return str_of(p, (size_t)sqlite3_column_bytes(st, at));
}
