/* spf.h — may this client send in the name of that domain?  SPF, RFC 7208.
 *
 * Pure but for the DNS that is handed in.  Whatever a domain publishes, one check asks no more than the
 * limits below allow and lasts no longer than SPF_WITHIN. */
#pragma once

#include "base/time.h"
#include "trust/trust_dns.h"

enum {
	SPF_TERMS_MAX = 10,              /* that ask the DNS, in one check (§4.6.4) */
	SPF_VOIDS_MAX = 2,               /* questions that find nothing (§4.6.4) */
	SPF_HOSTS_MAX = 10,              /* MX or PTR names whose addresses are asked for (§4.6.4) */
	SPF_QUESTIONS_MAX = 1 + SPF_TERMS_MAX * (1 + SPF_HOSTS_MAX),     /* in all */
	SPF_EXPANDED_MAX = 8192,         /* octets of a domain-spec, before it is cut to what a name may have */
	SPF_EXPLANATION_MAX = 480,       /* octets that may stand in a reply */
	SPF_BYTES_MAX = 1 << 20,         /* memory for answers */
};
#define SPF_WITHIN (20 * SECOND)         /* then it is a temporary error (§4.6.4) */

enum spf_result {        /* §2.6 */
	SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR
};

enum spf_identity { SPF_MAIL_FROM, SPF_HELO };

struct spf_question {
	uint8_t ip[16];          /* the client; IPv4 as ::ffff:a.b.c.d */
	struct str helo;         /* as the client said it */
	struct str local, domain;        /* of MAIL FROM, unquoted; both empty: the null path, then postmaster@HELO (§2.4) */
	struct str receiver;     /* our host name, for %{r} */
	int64_t now;             /* for %{t} */
};

/* Texts lie in the arena of the caller. */
struct spf_answer {
	enum spf_result result;
	enum spf_identity identity;      /* which of the two was judged */
	struct str domain;       /* whose record was asked for */
	struct str matched;      /* the mechanism that decided, as published; empty: none did */
	struct str matched_in;   /* the domain in whose record it stands */
	struct str explanation;  /* of the domain, with FAIL: printable ASCII; empty: it gives none */
	struct str problem;      /* TEMPERROR and PERMERROR: a sentence with the place; NONE: why */
	unsigned terms, voids;   /* how much was asked */
};

/* "pass", "softfail" … as in Authentication-Results (RFC 8601 §2.7.2). */
const char *spf_result_name(enum spf_result r);
/* false only if the fiber was cancelled or an outer deadline passed. */
SUSPENDS bool spf_check_mail_from(const struct spf_question *q, const struct trust_dns *dns, struct arena *a,
				  struct spf_answer *ret, struct err *e);
SUSPENDS bool spf_check_helo(const struct spf_question *q, const struct trust_dns *dns, struct arena *a,
			     struct spf_answer *ret, struct err *e);
