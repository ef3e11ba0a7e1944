/* trust_dns.h — the DNS as rules see it: a function that is handed in.
 *
 * A role hands in the function over its channel to `dns` (role/dns_for_trust.h), a test one over a table
 * (trust_dns_table.h).  A name is text without a final dot, its octets escaped as in wire/dns_name.h;
 * what is no domain name at all is DNS_NO_NAME.  CNAMEs are followed by whoever answers. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "wire/dns_outcome.h"
#include "wire/dns_record.h"

struct trust_answer {
	enum dns_outcome outcome;
	bool is_secure;          /* DNSSEC proves the answer, also that there is none */
	struct str *p;           /* RDATA in wire form, names in it uncompressed */
	size_t n;                /* 0 unless DNS_FOUND */
};

struct trust_dns {
	/* false only if the fiber was cancelled or its deadline passed; all else is an outcome */
	SUSPENDS bool (*ask)(void *ctx, struct str name, uint16_t type, struct arena *a, struct trust_answer *ret,
			     struct err *e);
	void *ctx;
};

/* A TXT answer as texts, each record's strings joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2); or a PTR answer as
 * names.  A record that does not parse, or no memory, makes the outcome DNS_TEMP: it says nothing of what is not
 * there. */
struct trust_texts {
	enum dns_outcome outcome;
	bool is_secure;
	struct str *p;
	size_t n;
};
SUSPENDS bool trust_ask_txt(const struct trust_dns *dns, struct str name, struct arena *a, struct trust_texts *ret,
			    struct err *e);
SUSPENDS bool trust_ask_ptr(const struct trust_dns *dns, const uint8_t addr[16], struct arena *a, struct trust_texts *ret,
			    struct err *e);

/* A question inside a rule's own WITHIN has failed as *why says: was it that deadline?  false: no, the fiber was
 * cancelled or whoever asks has no more time, and *e says so. */
bool trust_is_late(const struct err *why, struct err *e);
