/* dns_record.h — what stands in resource records: RDATA in wire form to structs, and to text.
 *
 * Names inside are uncompressed (wire/dns_packet.h sees to it).  Slices of results point into the
 * record, names as text lie in the caller's arena. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "wire/dns_name.h"

/* X(name, number, layout).  What a record holds, a letter a field: N a name, 1 2 4 numbers of so many
 * octets, A and 6 addresses, C a character-string, T character-strings to the end, Q text, X and B octets to the
 * end, in hexadecimal or base64.  What has no layout prints as RFC 3597 \# says. */
#define DNS_TYPES(X) \
	X(A, 1, "A") X(NS, 2, "N") X(CNAME, 5, "N") X(SOA, 6, "NN44444") X(PTR, 12, "N") X(MX, 15, "2N") \
	X(TXT, 16, "T") X(AAAA, 28, "6") X(SRV, 33, "222N") X(DNAME, 39, "N") X(DS, 43, "211X") \
	X(DNSKEY, 48, "211B") X(TLSA, 52, "111X") X(SPF, 99, "T") X(CAA, 257, "1CQ")

enum dns_type {
#define X(name, number, layout) DNS_##name = number,
	DNS_TYPES(X)
#undef X
};

struct dns_mx {
	uint16_t preference;
	bool is_host;                    /* false: no host can have this name */
	struct str host;                 /* text in lower case; "." alone: a null MX */
};

struct dns_tlsa {
	uint8_t usage, selector, matching;       /* RFC 6698 §2.1 */
	struct str data;
};

/* The layout, or NULL. */
const char *dns_type_layout(uint16_t type);

bool dns_mx_parse(struct str rdata, struct arena *a, struct dns_mx *ret);
/* Appends the strings of a TXT record, joined. */
bool dns_txt_parse(struct str rdata, struct buf *to);
/* PTR, CNAME, NS: the name as text. */
bool dns_target_parse(struct str rdata, struct arena *a, struct str *ret);
bool dns_tlsa_parse(struct str rdata, struct dns_tlsa *ret);

/* "MX", "TYPE64" (RFC 3597 §5), any case; 0: no such type. */
uint16_t dns_type_read(struct str text);
void dns_type_print(uint16_t type, struct buf *b);
/* RDATA as a zone file has it; what is malformed or unknown as \# N HEX. */
void dns_record_print(uint16_t type, struct str rdata, struct buf *b);
/* "NOERROR", "NXDOMAIN" …, or the number. */
void dns_rcode_print(uint8_t rcode, struct buf *b);
