/* network.h — addresses and networks, compared in one form.
 *
 * Every address is 16 bytes; IPv4 is ::ffff:a.b.c.d, so that 127.0.0.1 and
 * ::ffff:127.0.0.1 are the same (attack D35).  A network of IPv6 never holds
 * an IPv4 address, not even ::/0. */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct net_address {
	uint8_t b[16];
};

struct network {
	struct net_address address;
	unsigned bits;           /* 0…128; of IPv4 96 + its own */
	bool is_v4;
};

struct sockaddr;
struct buf;

/* "203.0.113.7", "2001:db8::7", "::ffff:203.0.113.7"; no zone, no brackets, no leading zeros. */
bool net_address_parse(struct str s, struct net_address *ret);
/* AF_INET or AF_INET6, else false. */
bool net_address_from(const struct sockaddr *sa, struct net_address *ret);
void net_address_print(const struct net_address *n, struct buf *out);
bool net_address_is_v4(const struct net_address *n);
bool net_address_eq(const struct net_address *x, const struct net_address *y);
/* 127.0.0.0/8 or ::1 */
bool net_address_is_loopback(const struct net_address *n);
/* What counts as one client: the whole of an IPv4 address, the /64 of an IPv6 one. */
struct net_address net_address_client(const struct net_address *n);

/* An address, or one with "/bits"; bits behind the mask must be zero. */
bool network_parse(struct str s, struct network *ret, struct err *e);
bool network_has(const struct network *w, const struct net_address *n);
bool network_list_has(const struct network *list, size_t n_list, const struct net_address *n);
