/* dns_packet.h — an answer of a name server (RFC 1035 §4), as far as one question goes. */
#pragma once

#include "base/err.h"
#include "wire/dns_record.h"

enum {
	DNS_PACKET_MAX = 65535,
	DNS_ANSWER_RECORDS_MAX = 1000,   /* of the type asked for */
	DNS_CHAIN_MAX = 16,              /* CNAMEs that lead to the answer */
	DNS_TTL_MAX = 7 * 24 * 3600,     /* seconds; RFC 8767 §4 lets us cap it */
};

enum { DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4, DNS_REFUSED = 5 };

struct dns_packet {
	uint8_t rcode;
	bool is_truncated;
	bool is_authoritative;   /* whoever answers has the zone */
	uint32_t ttl;            /* the least of what led to the answer; of an absence RFC 2308 §5's */
	struct str canonical;    /* text, at the end of the CNAMEs */
	struct str *p;           /* RDATA of the type asked for at that name, names in it uncompressed */
	size_t n;
};

/* The answer to `type` of `name`.  Everything of *ret lies in *a. */
bool dns_packet_parse(struct str packet, const struct dns_name *name, uint16_t type, struct arena *a,
		      struct dns_packet *ret, struct err *e);
