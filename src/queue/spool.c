/* spool.c — files and rows of letters that wait. */
#include "queue/spool.h"

#include "base/fd.h"
#include "base/hooks.h"
#include "base/time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	APPLICATION_ID = 0x57585155,     /* "WXQU" */
	DB_VERSION = 1,
	NAME_MAX_Z = 256,
};

#define ORPHAN_AGE (36 * HOUR)

struct spool {
	int dir;
	sqlite3 *db;
	char path[PATH_MAX];
};

static const char *const places[] = { "in", "moved" };

/* ---- files ---- */

static bool name_z(struct str name, char ret[NAME_MAX_Z])
{
	if (name.n == 0 || name.n >= NAME_MAX_Z)
		return false;
	memcpy(ret, name.p, name.n);
	ret[name.n] = '\0';
	return true;
}

bool spool_file_new(struct spool *s, const char *name, int *ret_fd, struct err *e)
{
	*ret_fd = openat(s->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *ret_fd >= 0 || fail_sys(e, FAULT_TEMP, errno, "spool/%s", name);
}

bool spool_file_write(struct spool *s, const char *name, struct str bytes, int *ret_fd, struct err *e)
{
	AUTO(fd_end) int fd = -1;

	unlinkat(s->dir, name, 0);
	if (!spool_file_new(s, name, &fd, e))
		return false;
	if (FAULT_IN(spool_write, e) || !fd_write_all(fd, bytes, e)) {
		unlinkat(s->dir, name, 0);
		return fail_in(e, "spool/%s", name);
	}
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	*ret_fd = fd_take(&fd);
	return true;
}

bool spool_file_sync(int fd, struct err *e)
{
	return (!FAULT_IN(spool_sync, e) && fd_sync(fd, e)) || fail_in(e, "a letter in the spool");
}

bool spool_file_open(struct spool *s, struct str name, int *ret_fd, struct err *e)
{
	char z[NAME_MAX_Z];

	if (!name_z(name, z))
		return fail(e, FAULT_TEMP, "a spool file without a name");
	*ret_fd = openat(s->dir, z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return *ret_fd >= 0 || fail_sys(e, FAULT_TEMP, errno, "spool/%s", z);
}

bool spool_dirs_sync(struct spool *s, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (FAULT_IN(spool_sync_dir, e) || !fd_sync_dir_at(s->dir, places[i], e))
			return fail_in(e, "spool");
	return true;
}

void spool_file_drop(struct spool *s, struct str name)
{
	char z[NAME_MAX_Z];

	if (name_z(name, z))
		unlinkat(s->dir, z, 0);
}

static void dir_end(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool sweep_place(struct spool *s, const char *place, int64_t now, int64_t spared,
			bool (*is_known)(void *arg, struct str name), void *arg,
			size_t *removed, struct err *e)
{
	int fd = openat(s->dir, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO(dir_end) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char name[NAME_MAX_Z + 16];
	struct dirent *de;
	struct stat st;

	if (!d) {
		fail_sys(e, FAULT_TEMP, errno, "spool/%s", place);
		fd_end(&fd);
		return false;
	}
	while ((de = readdir(d))) {
		snprintf(name, sizeof name, "%s/%s", place, de->d_name);
		if (is_known(arg, str_from_z(name)) || fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode) || (int64_t)st.st_mtime * SECOND > now - ORPHAN_AGE ||
		    (int64_t)st.st_mtime * SECOND <= spared)
			continue;
		if (unlinkat(fd, de->d_name, 0) == 0)
			++*removed;
	}
	return true;
}

bool spool_sweep(struct spool *s, int64_t now, int64_t spared, bool (*is_known)(void *arg, struct str name),
		 void *arg, size_t *ret_removed, struct err *e)
{
	*ret_removed = 0;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (!sweep_place(s, places[i], now, spared, is_known, arg, ret_removed, e))
			return false;
	return true;
}

/* ---- rows ---- */

static bool db_fail(struct spool *s, const char *what, struct err *e)
{
	fail(e, FAULT_TEMP, "queue.db: %s: %s", what, s->db ? sqlite3_errmsg(s->db) : "no memory");
	sqlite3_close_v2(s->db);
	s->db = NULL;
	return false;
}

static bool db_do(struct spool *s, const char *sql, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || db_fail(s, sql, e);
}

static int64_t db_number(struct spool *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t n = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static bool db_make(struct spool *s, struct err *e)
{
	char sql[512];

	snprintf(sql, sizeof sql,
		 "BEGIN IMMEDIATE;"
		 "CREATE TABLE letter (id INTEGER PRIMARY KEY, record BLOB NOT NULL,"
		 " states BLOB NOT NULL, held INTEGER NOT NULL);"
		 "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
		 APPLICATION_ID, DB_VERSION);
	return db_do(s, sql, e);
}

static bool db_open(struct spool *s, struct err *e)
{
	int64_t version;

	if (s->db)
		return true;
	if (sqlite3_open_v2(s->path, &s->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
			    NULL) != SQLITE_OK)
		return db_fail(s, s->path, e);
	sqlite3_busy_timeout(s->db, 5000);
	version = db_number(s, "PRAGMA user_version");
	if (version > DB_VERSION) {
		sqlite3_close_v2(s->db);
		s->db = NULL;
		return fail(e, FAULT_PERM, "queue.db was written by a newer version");
	}
	if (!db_do(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		      "PRAGMA temp_store = MEMORY;", e))
		return false;
	if (version == 0 && !db_make(s, e))
		return false;
	if (version != 0 && (version != DB_VERSION || db_number(s, "PRAGMA application_id") != APPLICATION_ID))
		return db_fail(s, "not a queue of ours", e);
	return db_do(s, "CREATE TABLE IF NOT EXISTS policy (domain TEXT PRIMARY KEY, id TEXT NOT NULL,"
			" text BLOB NOT NULL, until INTEGER NOT NULL)", e);
}

static bool row_write(struct spool *s, const struct spool_row *r)
{
	const char *sql = r->record.n == 0 && !r->update_only ?
		"DELETE FROM letter WHERE id = ?1" :
		r->update_only ? "UPDATE letter SET states = ?3, held = ?4 WHERE id = ?1" :
		"INSERT OR IGNORE INTO letter VALUES (?1, ?2, ?3, ?4)";
	sqlite3_stmt *st = NULL;
	bool ok;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_int64(st, 1, (sqlite3_int64)r->id);
	if (sqlite3_bind_parameter_count(st) == 4) {
		ok = sqlite3_bind_blob64(st, 3, r->states.p, r->states.n, SQLITE_STATIC) ==
			     SQLITE_OK &&
		     sqlite3_bind_int(st, 4, r->is_held) == SQLITE_OK;
		if (!r->update_only)
			ok = ok && sqlite3_bind_blob64(st, 2, r->record.p, r->record.n,
						       SQLITE_STATIC) == SQLITE_OK;
	} else {
		ok = true;
	}
	ok = ok && sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	return ok;
}

bool spool_rows_write(struct spool *s, const struct spool_row *rows, size_t n, struct err *e)
{
	if (!db_open(s, e) || !db_do(s, "BEGIN IMMEDIATE", e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!row_write(s, &rows[i]))
			return db_fail(s, "a row", e);
	return FAULT_POINT(spool_rows) ? db_fail(s, "COMMIT", e) : db_do(s, "COMMIT", e);
}

bool spool_rows_read(struct spool *s, bool (*row)(void *arg, const struct spool_row *r,
						  struct err *e), void *arg, struct err *e)
{
	sqlite3_stmt *st = NULL;
	bool ok = true;
	int rc;

	if (!db_open(s, e))
		return false;
	if (sqlite3_prepare_v2(s->db, "SELECT id, record, states, held FROM letter ORDER BY id",
			       -1, &st, NULL) != SQLITE_OK)
		return db_fail(s, "reading", e);
	while (ok && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct spool_row r = {
			.id = (uint64_t)sqlite3_column_int64(st, 0),
			.record = str_of(sqlite3_column_blob(st, 1),
					 (size_t)sqlite3_column_bytes(st, 1)),
			.states = str_of(sqlite3_column_blob(st, 2),
					 (size_t)sqlite3_column_bytes(st, 2)),
			.is_held = sqlite3_column_int(st, 3),
		};

		ok = row(arg, &r, e);
	}
	sqlite3_finalize(st);
	if (!ok)
		return false;
	return rc == SQLITE_DONE || db_fail(s, "reading", e);
}

bool spool_row_record(struct spool *s, uint64_t id, struct buf *ret, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (!db_open(s, e))
		return false;
	if (sqlite3_prepare_v2(s->db, "SELECT record FROM letter WHERE id = ?1", -1, &st, NULL) != SQLITE_OK)
		return db_fail(s, "a row", e);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		buf_add(ret, str_of(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)));
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || (rc == SQLITE_DONE ? fail(e, FAULT_TEMP, "queue.db has no such row") : db_fail(s, "a row", e));
}

/* ---- MTA-STS policies ---- */

static bool policy_statement(struct spool *s, const char *sql, struct str domain, sqlite3_stmt **ret, struct err *e)
{
	if (!db_open(s, e))
		return false;
	if (sqlite3_prepare_v2(s->db, sql, -1, ret, NULL) != SQLITE_OK ||
	    sqlite3_bind_text64(*ret, 1, domain.p, domain.n, SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK) {
		sqlite3_finalize(*ret);
		return db_fail(s, "policy", e);
	}
	return true;
}

bool spool_policy_get(struct spool *s, struct str domain, struct arena *a, struct str *ret_id, struct str *ret_text,
		      int64_t *ret_until, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (!policy_statement(s, "SELECT id, text, until FROM policy WHERE domain = ?1", domain, &st, e))
		return false;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*ret_id = arena_str(a, str_of(sqlite3_column_text(st, 0), (size_t)sqlite3_column_bytes(st, 0)));
		*ret_text = arena_str(a, str_of(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1)));
		*ret_until = sqlite3_column_int64(st, 2);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE || db_fail(s, "policy", e);
}

bool spool_policy_put(struct spool *s, struct str domain, struct str id, struct str text, int64_t until,
		      struct err *e)
{
	sqlite3_stmt *st = NULL;
	char sql[96];
	bool ok;

	if (!policy_statement(s, "INSERT OR REPLACE INTO policy VALUES (?1, ?2, ?3, ?4)", domain, &st, e))
		return false;
	ok = sqlite3_bind_text64(st, 2, id.n ? id.p : "", id.n, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK &&
	     sqlite3_bind_blob64(st, 3, text.n ? text.p : "", text.n, SQLITE_STATIC) == SQLITE_OK &&
	     sqlite3_bind_int64(st, 4, until) == SQLITE_OK && sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	if (!ok)
		return db_fail(s, "policy", e);
	snprintf(sql, sizeof sql, "DELETE FROM policy WHERE until < %lld", (long long)time_now());
	return db_do(s, sql, e);
}

static bool place_make(int dir, const char *name, struct err *e)
{
	if (mkdirat(dir, name, 0700) && errno != EEXIST)
		return fail_sys(e, FAULT_TEMP, errno, "spool/%s", name);
	return true;
}

bool spool_open(int dir, const char *db, struct spool **ret, struct err *e)
{
	struct spool *s = calloc(1, sizeof *s);

	if (!s)
		return fail(e, FAULT_TEMP, "no memory");
	s->dir = dir;
	if (snprintf(s->path, sizeof s->path, "%s", db) >= (int)sizeof s->path) {
		free(s);
		return fail(e, FAULT_PERM, "the path of queue.db is too long");
	}
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (!place_make(dir, places[i], e)) {
			free(s);
			return false;
		}
	if (!fd_sync(dir, e) || !db_open(s, e)) {
		spool_close(s);
		return false;
	}
	*ret = s;
	return true;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	sqlite3_close_v2(s->db);
	free(s);
}
