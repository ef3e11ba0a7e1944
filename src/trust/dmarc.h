/* dmarc.h — is the letter from whom its From says, and what does that domain want done if not?  RFC 7489.
 *
 * A letter passes if SPF or a DKIM signature passes for a domain that is aligned with the one in From: the same, or,
 * where the record is relaxed, one of the same organisation (trust/psl.h). */
#pragma once

#include "trust/spf.h"
#include "trust/trust_dns.h"
#include "wire/dmarc_record.h"

struct psl_ctx_st;

#define DMARC_WITHIN (20 * SECOND)

/* -- whom a letter is from (§6.6.1) -- */

enum dmarc_from {
	DMARC_FROM_ONE,          /* one field, whose addresses are of one domain */
	DMARC_FROM_NONE,         /* no field */
	DMARC_FROM_FIELDS,       /* several, or a line that a reader might take for one */
	DMARC_FROM_DOMAINS,      /* addresses of several domains */
	DMARC_FROM_BROKEN,       /* something in it is no address with a domain */
};

/* header: the letter, or at least its header.  *ret: the domain, folded, in the arena. */
enum dmarc_from dmarc_from_read(struct str header, struct arena *a, struct str *ret);
/* A sentence for a person. */
const char *dmarc_from_why(enum dmarc_from f);

/* -- the check -- */

enum dmarc_result {      /* §11.2 */
	DMARC_NONE,      /* no record */
	DMARC_PASS, DMARC_FAIL,
	DMARC_TEMPERROR, /* the DNS does not say: later it may pass, or there may be another policy */
	DMARC_PERMERROR, /* records that cannot be used: no policy is applied */
};

/* What became of one DKIM signature. */
struct dmarc_signature {
	struct str domain;       /* d=, folded */
	bool has_passed;
	bool is_temporary;       /* its key could not be had */
};

struct dmarc_question {
	struct str from;         /* the domain in From, folded */
	const struct spf_answer *spf;    /* of MAIL FROM, which is HELO for the null path; NULL: not checked */
	const struct dmarc_signature *signatures;
	size_t n_signatures;
	unsigned dice;           /* 0 to 99, drawn by the caller: for pct (§6.6.4) */
};

/* Texts lie in the arena. */
struct dmarc_answer {
	enum dmarc_result result;
	struct str published_at; /* the domain whose record holds: From's, or its organisation's; empty: none */
	struct dmarc_record record;
	enum dmarc_policy policy;        /* published for From: p, or sp */
	enum dmarc_policy disposition;   /* to be applied to this letter: NONE unless it fails; pct is in it */
	bool is_spf_aligned, is_dkim_aligned;    /* and passed */
	struct str aligned;      /* PASS: the domain that passed */
	struct str problem;      /* TEMPERROR and PERMERROR: a sentence; also if a broken record counts as p=none */
};

const char *dmarc_result_name(enum dmarc_result r);
/* false only if the fiber was cancelled or an outer deadline passed. */
SUSPENDS bool dmarc_check(const struct dmarc_question *q, const struct trust_dns *dns, const struct psl_ctx_st *list,
			  struct arena *a, struct dmarc_answer *ret, struct err *e);
/* Are two folded domains aligned (§3.1)? */
bool dmarc_is_aligned(struct str x, struct str y, bool is_strict, const struct psl_ctx_st *list);
