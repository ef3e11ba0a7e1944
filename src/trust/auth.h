/* auth.h — who a letter is from: every check of src/trust over one letter, and what they say together. */
#pragma once

#include "trust/arc_voucher.h"
#include "trust/dkim.h"
#include "trust/dmarc.h"
#include "trust/iprev.h"
#include "wire/letter.h"

enum { AUTH_ARENA = DKIM_ARENA + (4 << 20) };

#define AUTH_WITHIN (40 * SECOND)        /* of asking the DNS, all in all; what is not known then is a temporary error */

/* How the letter came; without a client only what stands in the letter is checked. */
struct auth_client {
	bool is_known;
	uint8_t ip[16];          /* IPv4 as ::ffff:a.b.c.d */
	struct str helo;
	struct str local, domain;        /* of MAIL FROM; both empty: <> */
	bool is_handed_on;       /* by somebody who may not be in any domain's list: without a policy, too */
};

struct auth {
	struct iprev iprev;      /* these three with a client only */
	struct spf_answer helo, mail_from;
	enum dmarc_from from_is;
	struct str from;         /* the author's domain, if from_is says that there is one */
	struct dkim_letter letter;
	struct dkim dkim;
	struct arc arc;
	struct dmarc_answer dmarc;       /* only with an author's domain */
	struct str vouched_by;   /* whoever of trust-arc saw it pass: then the disposition is none; or empty */
};

/* What is asked with. */
struct auth_means {
	const struct trust_dns *dns;
	const struct psl_ctx_st *suffixes;
	struct str receiver;     /* our host name */
	int64_t now;
	unsigned dice;           /* for DMARC's pct, 0 to 99 */
	const struct conf_names *vouchers;       /* domains whose seals are believed; may be NULL */
	struct dkim_keyring *ring;       /* may be NULL */
};

/* head: all of the letter's header, its lines end in CRLF as all of src's do.  What *ret points to lies in head and the
 * arena (DKIM_ARENA and what the DNS says, AUTH_ARENA); auth_end() is due in any case.  false: cancelled, or the letter
 * cannot be read. */
SUSPENDS bool auth_check(const struct auth_means *m, const struct auth_client *c, struct str head,
			 const struct letter_src *src, struct arena *a, struct auth *ret, struct err *e);
void auth_end(struct auth *x);

/* The field Received-SPF about MAIL FROM (RFC 7208 §9.1) with its line end, as SpamAssassin and users of Exim know it;
 * nothing without a client. */
void auth_add_received_spf(struct buf *b, const struct auth_client *c, const struct auth *x, struct str server);

struct auth_results;
/* As Authentication-Results tells it (wire/auth_results.h); false: no memory. */
bool auth_tell(const struct auth_client *c, const struct auth *x, struct str server, struct arena *a,
	       struct auth_results *ret);
