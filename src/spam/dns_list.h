/* dns_list.h — lists of addresses in the DNS (RFC 5782): what to ask, and what an answer means.
 *
 * A list is believed only while it behaves: it has its test point (127.0.0.2, for IPv6
 * ::FFFF:7F00:2), has not the one that nobody may be at (127.0.0.1), and answers with addresses in
 * 127.0.0.0/8.  One that lists everything, or that refuses us with 127.255.255.x as lists do with
 * those who ask through a public resolver, says nothing about anybody.  Pure: the role asks. */
#pragma once

#include "base/buf.h"
#include "conf/conf.h"
#include "wire/dns_outcome.h"

enum {
	DNS_LIST_NAME_MAX = 256, /* octets: 32 labels of a letter, and the zone */
	DNS_LIST_CODES_MAX = 16, /* of one answer; further ones are not looked at */
};

/* What an address is asked by, in *b; IPv4 stands as ::ffff:a.b.c.d.   RFC 5782 §2.1, §2.4 */
void dns_list_name(struct buf *b, struct str zone, const uint8_t addr[16]);

enum dns_list_word {
	DNS_LIST_CLEAN, /* not listed */
	DNS_LIST_LISTED,
	DNS_LIST_NO_ANSWER, /* says nothing */
	DNS_LIST_REFUSED,   /* 127.255.255.x, or its name servers say REFUSED */
	DNS_LIST_ABSURD,    /* an address that no list answers with */
};

struct dns_list_answer {
	enum dns_list_word word;
	uint32_t code[DNS_LIST_CODES_MAX]; /* if LISTED, or the one that makes it REFUSED or ABSURD
					    */
	size_t n;
};

/* addresses: of the A records, n of them, each of four octets. */
struct dns_list_answer dns_list_judge(enum dns_outcome outcome, const uint32_t *addresses,
				      size_t n);
/* Is one of its codes among those that this line of the configuration names? */
bool dns_list_counts(const struct dns_list_answer *r, const struct conf_check *c);
/* "127.0.0.2 127.0.0.4" */
void dns_list_add_codes(struct buf *b, const struct dns_list_answer *r);

/* The four test points: listed and clean, IPv4 and IPv6. */
enum dns_list_point { POINT_LISTED, POINT_CLEAN, POINT_LISTED6, POINT_CLEAN6, POINT_COUNT };
/* What it is asked by. */
void dns_list_point_name(struct buf *b, struct str zone, enum dns_list_point p);

struct dns_list_health {
	bool is_good;    /* for IPv4 */
	bool has_v6;     /* it knows IPv6 addresses, too */
	const char *why; /* unless good: a sentence */
};
struct dns_list_health dns_list_test(const struct dns_list_answer at[POINT_COUNT]);
