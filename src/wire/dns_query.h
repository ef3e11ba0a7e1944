/* dns_query.h — a question to one name server, and whether a packet answers it (RFC 1035 §4, RFC 6891).
 *
 * Nobody who does not see the question can answer it: id and letter case of the name (0x20) are dice. */
#pragma once

#include "base/buf.h"
#include "wire/dns_name.h"

enum {
	DNS_QUERY_MAX = 12 + DNS_NAME_MAX + 4 + 11,
	DNS_UDP_MAX = 1232,              /* octets of an answer by UDP that we ask for */
};

/* Without recursion, for one who has authority.  dice: of 80 bits, the id and a bit for each letter, repeated. */
void dns_query_print(const struct dns_name *name, uint16_t type, uint16_t id, uint64_t dice, struct buf *b);
/* An answer with the same id and the same question, octet by octet. */
bool dns_query_is_answered(struct str query, struct str packet);
