/* dane.h — which certificate a mail server must show, by its TLSA records (RFC 7672).
 *
 * Only records that DNSSEC proves count, and of those only DANE-TA(2) and
 * DANE-EE(3) (§3.1).  Records that are there but of no use still demand TLS (§2.2). */
#pragma once

#include "base/err.h"
#include "wire/dns_record.h"

struct ssl_st;

enum {
	DANE_RECORDS_MAX = 64,   /* more are not looked at */
	DANE_TERMS = 32,         /* octets */
};

enum dane_kind {
	DANE_NONE,       /* nothing is demanded */
	DANE_ENCRYPT,    /* TLS with whatever certificate: there are records, none of them usable */
	DANE_VERIFY,     /* TLS with a certificate that fits a record */
	DANE_DEFER,      /* the records cannot be had, or are forged: not this server, not now */
};

/* What follows from the answer to the question for TLSA records, which may be that there are none.  is_certain: false if
 * the DNS did not answer, or the answer was bogus. */
enum dane_kind dane_judge(bool is_certain, bool is_secure, const struct dns_tlsa *p, size_t n);
bool dane_is_usable(const struct dns_tlsa *r);
const char *dane_kind_name(enum dane_kind kind);

/* Make this session, of a context with SSL_CTX_dane_enable(), verify by the usable records.  base: the name under
 * which they stand; also: other names the certificate may carry (the recipients' domain, §3.2.2). */
bool dane_demand(struct ssl_st *ssl, struct str base, const struct str *also, size_t n_also, const struct dns_tlsa *p,
		 size_t n, struct err *e);
/* What dane_demand() demands, in short: the same for the same records in whatever order, and, where names are looked at
 * (DANE-TA), for the same other names.  Who was believed on other terms has to show a certificate anew. */
void dane_terms(const struct str *also, size_t n_also, const struct dns_tlsa *p, size_t n, unsigned char ret[DANE_TERMS]);
