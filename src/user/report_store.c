/* report_store.c — reports.db; see report_store.h. */
#include "user/report_store.h"

#include "base/attr.h"
#include "base/time.h"
#include "user/database.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>

enum statement {
	ST_BEGIN, ST_COMMIT, ST_ROLLBACK,
	ST_FIND, ST_DROP, ST_ADD, ST_ADD_SOURCE, ST_OLD, ST_TOTALS, ST_LEAST,
	ST_UNREAD_ADD, ST_UNREAD_TRIM,
	ST_DOMAINS, ST_SOURCES, ST_UNREADS,
	STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE", [ST_COMMIT] = "COMMIT", [ST_ROLLBACK] = "ROLLBACK",
	[ST_FIND] = "SELECT id, proof FROM report WHERE org = ?1 AND number = ?2 AND domain = ?3",
	[ST_DROP] = "DELETE FROM report WHERE id = ?1",
	[ST_ADD] = "INSERT INTO report (org, number, domain, email, policy, sender, proof, begins, ends, received, letter, sources, "
		"letters) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[ST_ADD_SOURCE] = "INSERT INTO source (report, ip, count, disposition, dkim, spf, header_from, reason, dkim_domain, "
		"dkim_selector, dkim_result, spf_domain, spf_result) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[ST_OLD] = "DELETE FROM report WHERE received < ?1",
	[ST_TOTALS] = "SELECT count(*), ifnull(sum(sources), 0) FROM report",
	/* what proved nothing goes before what did, the oldest first, and not the one that just came */
	[ST_LEAST] = "SELECT id, sources FROM report WHERE id <> ?1 ORDER BY proof = 1, received, id",
	[ST_UNREAD_ADD] = "INSERT INTO unread (received, letter, sender, why) VALUES (?1, ?2, ?3, ?4)",
	[ST_UNREAD_TRIM] = "DELETE FROM unread WHERE id <= (SELECT max(id) FROM unread) - ?1",
	[ST_DOMAINS] = "SELECT domain, count(*), sum(proof = 1), sum(letters), min(begins), max(ends), "
		"(SELECT group_concat(cast(org AS TEXT), ', ') FROM (SELECT DISTINCT org FROM report AS o WHERE o.domain = r.domain "
		"AND o.ends >= ?2 ORDER BY org LIMIT ?5)), "
		"(SELECT policy FROM report AS p WHERE p.domain = r.domain ORDER BY p.ends DESC, p.id DESC LIMIT 1) "
		"FROM report AS r WHERE (?1 = x'' OR domain = ?1) AND ends >= ?2 GROUP BY domain ORDER BY domain LIMIT ?4 OFFSET ?3",
	[ST_SOURCES] = "SELECT r.domain, ip, sum(count), disposition, dkim, spf, header_from, reason, dkim_domain, dkim_selector, "
		"dkim_result, spf_domain, spf_result FROM source AS s JOIN report AS r ON s.report = r.id "
		"WHERE (?1 = x'' OR r.domain = ?1) AND r.ends >= ?2 GROUP BY r.domain, ip, disposition, dkim, spf, header_from, "
		"reason, dkim_domain, dkim_selector, dkim_result, spf_domain, spf_result "
		"ORDER BY r.domain, sum(count) DESC, ip LIMIT ?4 OFFSET ?3",
	[ST_UNREADS] = "SELECT received, letter, sender, why FROM unread WHERE received >= ?1 ORDER BY id DESC LIMIT ?2",
};

static const char schema[] =
	"BEGIN;"
	"CREATE TABLE report (id INTEGER PRIMARY KEY AUTOINCREMENT, org BLOB NOT NULL, number BLOB NOT NULL, domain BLOB NOT NULL,"
	" email BLOB NOT NULL, policy BLOB NOT NULL, sender BLOB NOT NULL, proof INTEGER NOT NULL, begins INTEGER NOT NULL,"
	" ends INTEGER NOT NULL, received INTEGER NOT NULL, letter INTEGER NOT NULL, sources INTEGER NOT NULL,"
	" letters INTEGER NOT NULL, UNIQUE (org, number, domain)) STRICT;"
	"CREATE INDEX report_domain ON report (domain, ends);"
	"CREATE TABLE source (report INTEGER NOT NULL REFERENCES report (id) ON DELETE CASCADE, ip BLOB NOT NULL,"
	" count INTEGER NOT NULL, disposition INTEGER NOT NULL, dkim INTEGER NOT NULL, spf INTEGER NOT NULL,"
	" header_from BLOB NOT NULL, reason BLOB NOT NULL, dkim_domain BLOB NOT NULL, dkim_selector BLOB NOT NULL,"
	" dkim_result BLOB NOT NULL, spf_domain BLOB NOT NULL, spf_result BLOB NOT NULL) STRICT;"
	"CREATE INDEX source_report ON source (report);"
	"CREATE TABLE unread (id INTEGER PRIMARY KEY AUTOINCREMENT, received INTEGER NOT NULL, letter INTEGER NOT NULL,"
	" sender BLOB NOT NULL, why BLOB NOT NULL) STRICT;"
	"PRAGMA application_id = 1465406032;"
	"PRAGMA user_version = 1;"
	"COMMIT;";
static_assert(REPORT_DB_ID == 1465406032 && REPORT_DB_VERSION == 1, "the schema text says the same");

static const struct database_kind kind = { .name = "reports.db", .what = "DMARC reports", .id = REPORT_DB_ID,
					   .version = REPORT_DB_VERSION, .schema = schema };

struct report_store {
	sqlite3 *db;
	sqlite3_stmt *st[STATEMENTS];
};

void report_store_close(struct report_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(s->st[i]);
	sqlite3_close(s->db);
	free(s);
}

struct report_store *report_store_open(const char *dir, struct err *e)
{
	struct report_store *s = calloc(1, sizeof(*s));

	if (!s) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	if (database_open(dir, &kind, &s->db, e) && database_prepare(s->db, kind.name, sql, STATEMENTS, s->st, e)) {
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
		return s;
	}
	report_store_close(s);
	return NULL;
}

static bool run(struct report_store *s, enum statement which, struct err *e)
{
	return database_run(s->db, kind.name, s->st[which], e);
}

static bool next_row(struct report_store *s, enum statement which, bool *ok, struct err *e)
{
	return database_next(s->db, kind.name, s->st[which], ok, e);
}

/* -- adding ---------------------------------------------------------------- */

static bool drop(struct report_store *s, int64_t id, struct err *e)
{
	sqlite3_bind_int64(s->st[ST_DROP], 1, id);
	return run(s, ST_DROP, e);
}

/* *ret_is_known: there is one, and it stays. */
static bool make_way(struct report_store *s, const struct report_head *h, bool *ret_is_known, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_FIND];
	int64_t id = 0, proof = 0;
	bool ok = true;

	database_bind(st, 1, h->org);
	database_bind(st, 2, h->id);
	database_bind(st, 3, h->domain);
	while (next_row(s, ST_FIND, &ok, e)) {
		id = sqlite3_column_int64(st, 0);
		proof = sqlite3_column_int64(st, 1);
	}
	*ret_is_known = id && (proof == REPORT_PROOF_PASS || h->proof != REPORT_PROOF_PASS);
	return ok && (!id || *ret_is_known || drop(s, id, e));
}

static bool add_head(struct report_store *s, const struct report_head *h, const struct report_source *p, size_t n, struct err *e)
{
	const struct str texts[] = { h->org, h->id, h->domain, h->email, h->policy, h->sender };
	sqlite3_stmt *st = s->st[ST_ADD];
	int64_t letters = 0;

	for (size_t i = 0; i < n; i++)
		letters += (int64_t)p[i].count;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		database_bind(st, (int)i + 1, texts[i]);
	sqlite3_bind_int64(st, 7, h->proof);
	sqlite3_bind_int64(st, 8, h->begin);
	sqlite3_bind_int64(st, 9, h->end);
	sqlite3_bind_int64(st, 10, h->received);
	sqlite3_bind_int64(st, 11, (sqlite3_int64)h->letter);
	sqlite3_bind_int64(st, 12, (sqlite3_int64)n);
	sqlite3_bind_int64(st, 13, letters);
	return run(s, ST_ADD, e);
}

static bool add_source(struct report_store *s, int64_t report, const struct report_source *p, struct err *e)
{
	const struct str texts[] = { p->header_from, p->reason, p->dkim_domain, p->dkim_selector, p->dkim_result, p->spf_domain,
				     p->spf_result };
	sqlite3_stmt *st = s->st[ST_ADD_SOURCE];

	sqlite3_bind_int64(st, 1, report);
	database_bind(st, 2, p->ip);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)p->count);
	sqlite3_bind_int64(st, 4, p->disposition);
	sqlite3_bind_int64(st, 5, p->is_dkim_aligned);
	sqlite3_bind_int64(st, 6, p->is_spf_aligned);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		database_bind(st, (int)i + 7, texts[i]);
	return run(s, ST_ADD_SOURCE, e);
}

static bool totals(struct report_store *s, int64_t *ret_reports, int64_t *ret_sources, struct err *e)
{
	bool ok = true;

	while (next_row(s, ST_TOTALS, &ok, e)) {
		*ret_reports = sqlite3_column_int64(s->st[ST_TOTALS], 0);
		*ret_sources = sqlite3_column_int64(s->st[ST_TOTALS], 1);
	}
	return ok;
}

/* The limits hold again. */
static bool trim(struct report_store *s, int64_t added, int64_t now, struct err *e)
{
	int64_t reports = 0, sources = 0;

	sqlite3_bind_int64(s->st[ST_OLD], 1, now - REPORT_KEPT_DAYS * DAY);
	if (!run(s, ST_OLD, e) || !totals(s, &reports, &sources, e))
		return false;
	while (reports > REPORTS_KEPT || sources > REPORT_SOURCES_KEPT) {
		int64_t id = 0;
		bool ok = true;

		sqlite3_bind_int64(s->st[ST_LEAST], 1, added);
		if (next_row(s, ST_LEAST, &ok, e)) {
			id = sqlite3_column_int64(s->st[ST_LEAST], 0);
			sources -= sqlite3_column_int64(s->st[ST_LEAST], 1);
		}
		sqlite3_reset(s->st[ST_LEAST]);
		sqlite3_clear_bindings(s->st[ST_LEAST]);
		if (!ok || !id || !drop(s, id, e))
			return ok && !id;
		reports--;
	}
	return true;
}

static bool add_all(struct report_store *s, const struct report_head *h, const struct report_source *p, size_t n, int64_t now,
		    bool *ret_is_new, struct err *e)
{
	bool is_known = false;
	int64_t id;

	if (!make_way(s, h, &is_known, e))
		return false;
	*ret_is_new = !is_known;
	if (is_known)
		return true;
	if (!add_head(s, h, p, n, e))
		return false;
	id = sqlite3_last_insert_rowid(s->db);
	for (size_t i = 0; i < n; i++)
		if (!add_source(s, id, &p[i], e))
			return false;
	return trim(s, id, now, e);
}

bool report_add(struct report_store *s, const struct report_head *h, const struct report_source *p, size_t n, int64_t now,
		bool *ret_is_new, struct err *e)
{
	struct err ignored;

	if (!run(s, ST_BEGIN, e))
		return false;
	if (add_all(s, h, p, n, now, ret_is_new, e) && run(s, ST_COMMIT, e))
		return true;
	run(s, ST_ROLLBACK, &ignored);
	return false;
}

bool report_unread_add(struct report_store *s, const struct report_unread *u, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_UNREAD_ADD];

	sqlite3_bind_int64(st, 1, u->received);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)u->letter);
	database_bind(st, 3, u->sender);
	database_bind(st, 4, u->why);
	sqlite3_bind_int64(s->st[ST_UNREAD_TRIM], 1, REPORT_UNREAD_KEPT);
	return run(s, ST_UNREAD_ADD, e) && run(s, ST_UNREAD_TRIM, e);
}

/* -- telling --------------------------------------------------------------- */

static void bind_page(sqlite3_stmt *st, struct str domain, int64_t since, size_t skip, size_t max)
{
	database_bind(st, 1, domain);
	sqlite3_bind_int64(st, 2, since);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)skip);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)max);
}

static struct str text_at(sqlite3_stmt *st, int at, struct arena *a)
{
	return arena_str(a, database_column(st, at));
}

bool report_domains(struct report_store *s, struct str domain, int64_t since, size_t skip, size_t max, struct arena *a,
		    struct report_domain *ret, size_t *ret_n, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_DOMAINS];
	bool ok = true;

	*ret_n = 0;
	bind_page(st, domain, since, skip, max);
	sqlite3_bind_int64(st, 5, REPORT_ORGS_TOLD);
	while (next_row(s, ST_DOMAINS, &ok, e)) {
		ret[(*ret_n)++] = (struct report_domain){
			.domain = text_at(st, 0, a), .reports = (uint64_t)sqlite3_column_int64(st, 1),
			.proven = (uint64_t)sqlite3_column_int64(st, 2), .letters = (uint64_t)sqlite3_column_int64(st, 3),
			.begin = sqlite3_column_int64(st, 4), .end = sqlite3_column_int64(st, 5), .orgs = text_at(st, 6, a),
			.policy = text_at(st, 7, a) };
		ok = !a->full || fail(e, FAULT_TEMP, "out of memory");
	}
	return ok;
}

bool report_sources(struct report_store *s, struct str domain, int64_t since, size_t skip, size_t max, struct arena *a,
		    struct report_source *ret, size_t *ret_n, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_SOURCES];
	bool ok = true;

	*ret_n = 0;
	bind_page(st, domain, since, skip, max);
	while (next_row(s, ST_SOURCES, &ok, e)) {
		ret[(*ret_n)++] = (struct report_source){
			.domain = text_at(st, 0, a), .ip = text_at(st, 1, a), .count = (uint64_t)sqlite3_column_int64(st, 2),
			.disposition = (uint8_t)sqlite3_column_int64(st, 3), .is_dkim_aligned = sqlite3_column_int64(st, 4) != 0,
			.is_spf_aligned = sqlite3_column_int64(st, 5) != 0, .header_from = text_at(st, 6, a),
			.reason = text_at(st, 7, a), .dkim_domain = text_at(st, 8, a), .dkim_selector = text_at(st, 9, a),
			.dkim_result = text_at(st, 10, a), .spf_domain = text_at(st, 11, a), .spf_result = text_at(st, 12, a) };
		ok = !a->full || fail(e, FAULT_TEMP, "out of memory");
	}
	return ok;
}

bool report_unreads(struct report_store *s, int64_t since, size_t max, struct arena *a, struct report_unread *ret,
		    size_t *ret_n, struct err *e)
{
	sqlite3_stmt *st = s->st[ST_UNREADS];
	bool ok = true;

	*ret_n = 0;
	sqlite3_bind_int64(st, 1, since);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)max);
	while (next_row(s, ST_UNREADS, &ok, e)) {
		ret[(*ret_n)++] = (struct report_unread){
			.received = sqlite3_column_int64(st, 0), .letter = (uint64_t)sqlite3_column_int64(st, 1),
			.sender = text_at(st, 2, a), .why = text_at(st, 3, a) };
		ok = !a->full || fail(e, FAULT_TEMP, "out of memory");
	}
	return ok;
}
