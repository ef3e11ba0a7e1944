/* trust_dns_table.h — a DNS that is a text: for tests, and for tools that compare.
 *
 *	example.net      TXT    "v=spf1 " "-all"
 *	example.net      MX     10 mx.example.net
 *	mx.example.net   A      192.0.2.1
 *	slow.example     TEMP
 *	forged.example   BOGUS  TXT
 *	*.wild.example   A      192.0.2.2
 *
 * A line a record: name, type (A, AAAA, MX, TXT, PTR, CNAME, SRV, TLSA, CAA), data.  TEMP and BOGUS answer that for a
 * name, for one type or for all for which there is no record.  In quotes \DDD and \" are octets.  "#" begins a comment line. */
#pragma once

#include "trust/trust_dns.h"

struct trust_dns_table {
	struct trust_dns_row *rows;
	size_t n;
	size_t asked;            /* questions so far */
};

/* Rows lie in the arena.  false with the line, if it cannot be read. */
bool trust_dns_table_read(struct str text, struct arena *a, struct trust_dns_table *ret, struct err *e);
/* It must outlive what it is given to. */
struct trust_dns trust_dns_of_table(struct trust_dns_table *t);
