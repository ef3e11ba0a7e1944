/* dmarc_report.h — a received aggregate report (RFC 7489 appendix C; RFC 9990 fits as well): who sent as us.
 *
 *	struct dmarc_reader *r = dmarc_reader_open(&arena);
 *	while (more) dmarc_reader_feed(r, chunk, &e);
 *	dmarc_reader_finish(r, &report, &e);
 *
 * The XML is read as it comes, in constant memory but for the rows.  There are no entities but XML's
 * own five: a DOCTYPE ends the reading.  Elements that nobody needs are stepped over, name spaces too;
 * older drafts and the habits of the big reporters are understood.  Nothing of it is believed: it is
 * what somebody says. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum {
	DMARC_REPORT_ROWS_MAX = 4000,
	DMARC_REPORT_DEPTH_MAX = 32,     /* elements in elements */
	DMARC_REPORT_TEXT_MAX = 255,     /* octets of a value that are kept; a name has no more */
	DMARC_REPORT_TOKEN_MAX = 64 << 10,       /* octets of one piece of markup */
	DMARC_REPORT_COUNT_MAX = 1000000000,     /* letters of one row */
	DMARC_REPORT_ARENA = 3 << 20,    /* a fitting limit of the arena */
};

enum dmarc_disposition { DMARC_DONE_NONE, DMARC_DONE_QUARANTINE, DMARC_DONE_REJECT, DMARC_DISPOSITIONS };

/* A source of letters, and what became of them.  The texts are lower case where they are names or words. */
struct dmarc_report_row {
	uint8_t ip[16];                  /* IPv4 as ::ffff:a.b.c.d */
	uint32_t count;
	enum dmarc_disposition disposition;
	bool is_dkim_aligned, is_spf_aligned;    /* passed, and of From's domain */
	struct str header_from;
	struct str reason;               /* "forwarded", "mailing_list" …: why the policy was not applied; or empty */
	/* of several signatures that of From's domain, else one that passed, else the first */
	struct str dkim_domain, dkim_selector, dkim_result;
	struct str spf_domain, spf_result;
};

struct dmarc_report {
	struct str org, email, id;
	struct str domain;               /* that it is about, lower case */
	struct str policy;               /* "none", "quarantine", "reject", or empty */
	int64_t begin, end;              /* seconds since 1970, UTC */
	struct dmarc_report_row *rows;
	size_t n_rows;
};

const char *dmarc_disposition_name(enum dmarc_disposition d);

struct dmarc_reader;
/* NULL: no memory.  Texts and rows will lie in the arena. */
struct dmarc_reader *dmarc_reader_open(struct arena *a);
/* false, with a sentence for a person: it is no report, or not one that can be read. */
bool dmarc_reader_feed(struct dmarc_reader *r, struct str chunk, struct err *e);
bool dmarc_reader_finish(struct dmarc_reader *r, struct dmarc_report *ret, struct err *e);
void dmarc_reader_close(struct dmarc_reader *r);
