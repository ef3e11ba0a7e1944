/* report_store.h — what others said of letters in our name: received DMARC aggregate reports.
 *
 * SQLite at DIR/reports.db; each verb is durable when it returns true.  They may wait for the disk: in a role they run
 * in a thread, one at a time.  What is here came from strangers: it is kept for REPORT_KEPT_DAYS and within the limits,
 * and what is nobody's for sure makes room first. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "ipc/report_say.h"

enum {
	REPORT_DB_VERSION = 1,
	REPORT_KEPT_DAYS = 400,          /* thirteen months */
	REPORT_SOURCES_KEPT = 200000,    /* rows of all reports: some 40 MiB */
	REPORTS_KEPT = 20000,
	REPORT_UNREAD_KEPT = 200,
	REPORT_ORGS_TOLD = 8,            /* names of reporters in one line */
};

#define REPORT_DB_ID 0x57585250          /* "WXRP" */

struct report_head {
	struct str org, id, domain;      /* these three name a report */
	struct str email, policy;
	struct str sender;               /* the domain its letter says it is from */
	enum report_proof proof;         /* did that letter pass DMARC? */
	int64_t begin, end;              /* seconds since 1970 */
	int64_t received;                /* microseconds UTC */
	uint64_t letter;                 /* the id it had here */
};

/* Letters from one address that fared alike. */
struct report_source {
	struct str domain;               /* of the report; told, not given */
	struct str ip;
	uint64_t count;
	uint8_t disposition;             /* 0 none, 1 quarantine, 2 reject */
	bool is_dkim_aligned, is_spf_aligned;
	struct str header_from, reason, dkim_domain, dkim_selector, dkim_result, spf_domain, spf_result;
};

/* What is known about a domain. */
struct report_domain {
	struct str domain;
	struct str orgs;                 /* "google.com, Yahoo", at most REPORT_ORGS_TOLD */
	struct str policy;               /* as the latest saw it */
	uint64_t reports, proven;
	uint64_t letters;
	int64_t begin, end;              /* seconds */
};

/* A letter to that address that was no report, or not one that can be read. */
struct report_unread {
	int64_t received;
	uint64_t letter;
	struct str sender, why;
};

struct report_store;

struct report_store *report_store_open(const char *dir, struct err *e);
void report_store_close(struct report_store *s);

/* *ret_is_new: it was not known, or only from a letter that proved nothing while this one does. */
bool report_add(struct report_store *s, const struct report_head *h, const struct report_source *p, size_t n, int64_t now,
		bool *ret_is_new, struct err *e);
bool report_unread_add(struct report_store *s, const struct report_unread *u, struct err *e);

/* Of reports that end at `since` (seconds) or later; of one domain, or of all if it is empty.  At most `max`, behind
 * the first `skip`; the sources with most letters first. */
bool report_domains(struct report_store *s, struct str domain, int64_t since, size_t skip, size_t max, struct arena *a,
		    struct report_domain *ret, size_t *ret_n, struct err *e);
bool report_sources(struct report_store *s, struct str domain, int64_t since, size_t skip, size_t max, struct arena *a,
		    struct report_source *ret, size_t *ret_n, struct err *e);
/* The latest first; since in microseconds. */
bool report_unreads(struct report_store *s, int64_t since, size_t max, struct arena *a, struct report_unread *ret,
		    size_t *ret_n, struct err *e);
