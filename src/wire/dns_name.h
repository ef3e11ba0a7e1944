/* dns_name.h — domain names: text and wire form (RFC 1035 §3.1, §5.1). */
#pragma once

#include "base/buf.h"

enum {
	DNS_NAME_MAX = 255,              /* octets of the wire form, with the root's 0 */
	DNS_LABEL_MAX = 63,
	DNS_NAME_TEXT_MAX = 1010,        /* each octet may print as \DDD */
};

struct dns_name {
	size_t n;                        /* 0: none; the root is one octet */
	uint8_t bytes[DNS_NAME_MAX];
};

/* name = "." / label *("." label) ["."] ; "\." and "\DDD" are octets of a label.  false: not a name (bytes
 * above 126 and below 33 are none either). */
bool dns_name_read(struct str text, struct dns_name *ret);
/* In lower case, without a final dot; the root is ".". */
void dns_name_print(const struct dns_name *name, struct buf *b);
/* Takes a name at *at of packet, pointers followed backwards only; *at moves past it.  On failure
 * neither is touched. */
bool dns_name_take(struct str packet, size_t *at, struct dns_name *ret);
/* Takes an uncompressed name off *in. */
bool dns_name_take_plain(struct str *in, struct dns_name *ret);
/* Letters compare without case (RFC 4343). */
bool dns_name_eq(const struct dns_name *x, const struct dns_name *y);
/* What may be a host: labels of letters, digits, "-" and "_", the last one not digits alone; not the root. */
bool dns_name_is_host(const struct dns_name *name);
/* IPv4 or IPv6 as text; IPv4 becomes ::ffff:a.b.c.d. */
bool dns_address_read(struct str text, uint8_t addr[16]);
/* The name under in-addr.arpa or ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5); IPv4 as ::ffff:a.b.c.d. */
void dns_name_of_address(const uint8_t addr[16], struct dns_name *ret);
