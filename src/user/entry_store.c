/* entry_store.c — entries.db; see entry_store.h. */
#include "user/entry_store.h"

#include "user/database.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>

enum statement { ST_BEGIN, ST_COMMIT, ST_ROLLBACK, ST_ADD, ST_ROWS, ST_COUNT, ST_COUNTS, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_ROLLBACK] = "ROLLBACK",
	[ST_ADD] = "INSERT INTO entry (ends, kind, what, added, made_by, reason, expires) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[ST_ROWS] = "SELECT id, ends, kind, what, added, made_by, reason, expires FROM entry "
		"WHERE id > ?1 ORDER BY id LIMIT ?2",
	[ST_COUNT] = "INSERT INTO hit (key, hits, last) VALUES (?1, ?2, ?3) "
		"ON CONFLICT (key) DO UPDATE SET hits = excluded.hits, last = excluded.last",
	[ST_COUNTS] = "SELECT key, hits, last FROM hit WHERE key > ?1 ORDER BY key LIMIT ?2",
};

static const char schema[] =
	"BEGIN;"
	"CREATE TABLE entry (id INTEGER PRIMARY KEY AUTOINCREMENT, ends INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" what BLOB NOT NULL, added INTEGER NOT NULL, made_by BLOB NOT NULL, reason BLOB NOT NULL,"
	" expires INTEGER NOT NULL) STRICT;"
	"CREATE TABLE hit (key BLOB PRIMARY KEY, hits INTEGER NOT NULL, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"PRAGMA application_id = 1465402702;"
	"PRAGMA user_version = 1;"
	"COMMIT;";
static_assert(ENTRY_DB_ID == 1465402702 && ENTRY_DB_VERSION == 1, "the schema text says the same");

static const struct database_kind kind = { .name = "entries.db", .what = "blocks and exceptions", .id = ENTRY_DB_ID,
					   .version = ENTRY_DB_VERSION, .schema = schema };

struct entry_store {
	sqlite3 *db;
	sqlite3_stmt *st[STATEMENTS];
};

void entry_store_close(struct entry_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(s->st[i]);
	sqlite3_close(s->db);
	free(s);
}

struct entry_store *entry_store_open(const char *dir, struct err *e)
{
	struct entry_store *s = calloc(1, sizeof(*s));

	if (!s) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	if (database_open(dir, &kind, &s->db, e) && database_prepare(s->db, kind.name, sql, STATEMENTS, s->st, e))
		return s;
	entry_store_close(s);
	return NULL;
}

static bool run(struct entry_store *s, enum statement which, struct err *e)
{
	return database_run(s->db, kind.name, s->st[which], e);
}

static bool next_row(struct entry_store *s, enum statement which, bool *ok, struct err *e)
{
	return database_next(s->db, kind.name, s->st[which], ok, e);
}

bool entry_store_add(struct entry_store *s, const struct entry_row *r, int64_t *ret_id, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_ADD];

	sqlite3_bind_int64(st, 1, r->ends);
	sqlite3_bind_int64(st, 2, r->kind);
	database_bind(st, 3, r->what);
	sqlite3_bind_int64(st, 4, r->added);
	database_bind(st, 5, r->by);
	database_bind(st, 6, r->reason);
	sqlite3_bind_int64(st, 7, r->expires);
	if (!run(s, ST_ADD, e))
		return false;
	*ret_id = sqlite3_last_insert_rowid(s->db);
	return true;
}

bool entry_store_rows(struct entry_store *s, int64_t after, size_t max, struct arena *a, struct entry_row *ret,
		      size_t *ret_n, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_ROWS];
	bool ok = true;
	size_t n = 0;

	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)max);
	while (next_row(s, ST_ROWS, &ok, e)) {
		ret[n++] = (struct entry_row){
			.id = sqlite3_column_int64(st, 0), .ends = sqlite3_column_int64(st, 1),
			.kind = sqlite3_column_int64(st, 2), .what = arena_str(a, database_column(st, 3)),
			.added = sqlite3_column_int64(st, 4), .by = arena_str(a, database_column(st, 5)),
			.reason = arena_str(a, database_column(st, 6)), .expires = sqlite3_column_int64(st, 7),
		};
		ok = !a->full || fail(e, FAULT_TEMP, "out of memory");
	}
	*ret_n = n;
	return ok;
}

bool entry_store_count(struct entry_store *s, const struct entry_count *list, size_t n, struct err *e)
{
	struct err ignored;

	if (!run(s, ST_BEGIN, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		sqlite3_stmt *st = s->st[ST_COUNT];

		database_bind(st, 1, list[i].key);
		sqlite3_bind_int64(st, 2, (sqlite3_int64)list[i].hits);
		sqlite3_bind_int64(st, 3, list[i].last);
		if (run(s, ST_COUNT, e))
			continue;
		run(s, ST_ROLLBACK, &ignored);
		return false;
	}
	if (run(s, ST_COMMIT, e))
		return true;
	run(s, ST_ROLLBACK, &ignored);
	return false;
}

bool entry_store_counts(struct entry_store *s, struct str after, size_t max, struct arena *a, struct entry_count *ret,
			size_t *ret_n, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_COUNTS];
	bool ok = true;
	size_t n = 0;

	database_bind(st, 1, after);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)max);
	while (next_row(s, ST_COUNTS, &ok, e)) {
		ret[n++] = (struct entry_count){ .key = arena_str(a, database_column(st, 0)),
						 .hits = (uint64_t)sqlite3_column_int64(st, 1),
						 .last = sqlite3_column_int64(st, 2) };
		ok = !a->full || fail(e, FAULT_TEMP, "out of memory");
	}
	*ret_n = n;
	return ok;
}
