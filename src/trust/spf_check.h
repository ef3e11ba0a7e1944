/* spf_check.h — what the files of SPF share: one check under way. */
#pragma once

#include "trust/spf.h"
#include "wire/spf_macro.h"

/* A name that the client's address points to (§5.5). */
struct spf_ptr_name {
	struct str name;
	enum { PTR_UNKNOWN, PTR_VALID, PTR_INVALID } state;
};

/* How a mechanism ended.  STOP: cancelled, *e says why. */
enum spf_match { SPF_MATCH_NO, SPF_MATCH_YES, SPF_MATCH_TEMP, SPF_MATCH_PERM, SPF_MATCH_STOP };

struct spf_check {
	const struct spf_question *q;
	const struct trust_dns *q_dns;   /* the one handed in … */
	struct trust_dns counted;        /* … asked through this, at most SPF_QUESTIONS_MAX times */
	unsigned questions;
	struct str local, sender_domain;         /* of the identity that is judged */
	struct arena *keep;      /* the caller's: what stays */
	struct arena tmp;        /* answers of the DNS, while one term is looked at */
	unsigned terms, voids;
	bool has_ptr_names;
	struct spf_ptr_name ptr_names[SPF_HOSTS_MAX];
	size_t n_ptr_names;
	struct str problem;
	struct str matched, matched_in;
	struct err *e;
};

bool spf_client_is_v4(const struct spf_check *c);
PRINTF_LIKE(3, 4) enum spf_match spf_problem(struct spf_check *c, enum spf_match how, const char *fmt, ...);

/* -- spf_expand.c -- */
/* A domain-spec as the octets of a name; without one, the domain itself.  YES, NO (no name comes of it: nothing can
 * match), PERM or STOP.  *ret lies in c->tmp. */
SUSPENDS enum spf_match spf_target(struct spf_check *c, struct str spec, struct str domain, struct str *ret);
/* Macros of an explanation (§6.2).  YES, NO (malformed) or STOP. */
SUSPENDS enum spf_match spf_explain(struct spf_check *c, struct str text, struct str domain, struct buf *to);
/* The octets of a name as the text to ask for; empty: they are no name. */
struct str spf_name_text(struct str octets, struct arena *a);

/* -- spf_ask.c -- */
/* Asks: TEMP with a problem, STOP, YES (found) or NO. */
SUSPENDS enum spf_match spf_ask(struct spf_check *c, struct str name, uint16_t type, struct trust_answer *ret);
/* A question that found nothing: NO, or PERM if that was one too many. */
enum spf_match spf_count_void(struct spf_check *c, struct str name);
SUSPENDS enum spf_match spf_match_hosts(struct spf_check *c, struct str name, unsigned bits4, unsigned bits6);
SUSPENDS enum spf_match spf_match_mx(struct spf_check *c, struct str name, unsigned bits4, unsigned bits6);
/* §5.5: a validated name of the client that is the domain or below it. */
SUSPENDS enum spf_match spf_match_ptr(struct spf_check *c, struct str domain);
/* For %{p}: such a name, else any validated one, else "unknown". */
SUSPENDS enum spf_match spf_ptr_name(struct spf_check *c, struct str domain, struct str *ret);
bool spf_is_in_network(const uint8_t ip[16], const uint8_t addr[16], unsigned bits);
