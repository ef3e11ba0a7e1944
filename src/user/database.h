/* database.h — opens the SQLite files of the role `user`.
 *
 * WAL with synchronous=FULL, so that what was said to be done survives a power cut;
 * secure_delete, since they hold secrets; mode 0600. */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct sqlite3;
struct sqlite3_stmt;

struct database_kind {
	const char *name;        /* "accounts.db" */
	const char *what;        /* "accounts", for sentences */
	int64_t id;              /* PRAGMA application_id */
	int64_t version;         /* the newest that this release knows */
	const char *schema;      /* sets both */
};

/* Below dir.  A newer version or a foreign file is refused with a sentence, and nothing is
 * written then. */
bool database_open(const char *dir, const struct database_kind *k, struct sqlite3 **ret, struct err *e);
bool database_prepare(struct sqlite3 *db, const char *name, const char *const *sql, size_t n,
		      struct sqlite3_stmt **ret, struct err *e);
/* A statement that gives no rows; it is reset and its parameters are cleared. */
bool database_run(struct sqlite3 *db, const char *name, struct sqlite3_stmt *st, struct err *e);
/* The next row of a statement that gives some; behind the last one (false) it is reset and its parameters are
 * cleared.  *ok turns false if reading failed. */
bool database_next(struct sqlite3 *db, const char *name, struct sqlite3_stmt *st, bool *ok, struct err *e);
/* Borrowed until the statement is run. */
void database_bind(struct sqlite3_stmt *st, int at, struct str s);
/* Until the next step. */
struct str database_column(struct sqlite3_stmt *st, int at);
