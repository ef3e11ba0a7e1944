/* ask.h — questions to the DNS, for fibers of a role that has a channel to `dns`.
 *
 * Each gives a struct whose `said` tells how it ended; records and texts lie in *a.  A name is text
 * without a final dot ("mx.example.net"), A-labels for what is not ASCII; bytes that are no letters,
 * digits, "-" or "_" stand as \DDD.  Names in answers are in lower case.
 *
 * false only if this fiber was cancelled or its own deadline passed: all that goes wrong with the DNS,
 * also that the role is away, is an outcome (DNS_TEMP).  What is no domain name at all is DNS_NO_NAME. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "wire/dns_outcome.h"
#include "wire/dns_record.h"

#include <netinet/in.h>

/* What every answer says. */
struct dns_said {
	enum dns_outcome outcome;
	bool is_secure;          /* DNSSEC proves the answer, also that there is none */
	bool is_cached;          /* nobody had to be asked */
	uint8_t rcode;           /* of the packet (RFC 1035 §4.1.1); REFUSED if all its name servers refuse */
	uint32_t ttl;            /* seconds this answer may be kept; 0 with TEMP and BOGUS */
	struct str canonical;    /* the name at the end of the CNAMEs; without any the one asked for */
	struct str why;          /* TEMP and BOGUS: a sentence for a person; else empty */
};

struct dns_address {
	uint8_t addr[16];        /* IPv4 as ::ffff:a.b.c.d */
	bool is_v4;
};

struct dns_addresses {
	struct dns_said said;
	struct dns_address *p;
	size_t n;
};

struct dns_hosts {
	struct dns_said said;
	bool is_null;            /* a null MX (RFC 7505): takes no mail; then n is 0 */
	struct dns_mx *p;        /* lowest preference first; equals in the order of the answer */
	size_t n;
};

struct dns_names {
	struct dns_said said;
	struct str *p;
	size_t n;
};

struct dns_texts {
	struct dns_said said;
	struct str *p;           /* each record's strings joined (RFC 7208 §3.3) */
	size_t n;
};

struct dns_tlsas {
	struct dns_said said;
	struct dns_tlsa *p;
	size_t n;
};

struct dns_records {
	struct dns_said said;
	struct str *p;           /* RDATA in wire form, names in it uncompressed */
	size_t n;
};

/* family: AF_INET (A) or AF_INET6 (AAAA). */
SUSPENDS bool dns_addresses(struct str name, int family, struct arena *a, struct dns_addresses *ret, struct err *e);
/* Also records whose host no host can have (is_host): they are no reason to do without MX (RFC 5321 §5.1). */
SUSPENDS bool dns_mx(struct str domain, struct arena *a, struct dns_hosts *ret, struct err *e);
SUSPENDS bool dns_txt(struct str name, struct arena *a, struct dns_texts *ret, struct err *e);
/* address: IPv4 or IPv6 as text. */
SUSPENDS bool dns_ptr(struct str address, struct arena *a, struct dns_names *ret, struct err *e);
/* The name with its port and protocol: "_25._tcp.mx.example.net". */
SUSPENDS bool dns_tlsa(struct str name, struct arena *a, struct dns_tlsas *ret, struct err *e);
SUSPENDS bool dns_raw(struct str name, uint16_t type, struct arena *a, struct dns_records *ret, struct err *e);

/* What this name server itself says, which must have the zone (RFC 1035 §6); server: its address as text.  Nothing is
 * proven by DNSSEC, no CNAME out of the zone is followed: said.canonical tells where it leads. */
SUSPENDS bool dns_raw_at(struct str server, struct str name, uint16_t type, struct arena *a, struct dns_records *ret,
			 struct err *e);
