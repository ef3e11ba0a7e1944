/* targets.h — which servers take the mail of a domain, in which order (RFC 5321 §5.1).
 *
 * The DNS is asked through a table of functions, so that tests give it a zone of
 * their own.  Names come first; addresses are asked for preference by preference,
 * as somebody wants to connect. */
#pragma once

#include "conf/conf.h"
#include "dns/ask.h"
#include "trust/dane.h"

enum {
	TARGETS_MAX = 16,        /* servers of a domain that are looked at */
	TARGET_ADDRESSES_MAX = 8,        /* addresses of a server */
};

struct resolver {
	SUSPENDS bool (*mx)(struct str domain, struct arena *a, struct dns_hosts *ret, struct err *e);
	SUSPENDS bool (*addresses)(struct str name, int family, struct arena *a, struct dns_addresses *ret, struct err *e);
	SUSPENDS bool (*tlsa)(struct str name, struct arena *a, struct dns_tlsas *ret, struct err *e);
};
extern const struct resolver resolver_dns;       /* the dns role */

/* Which addresses we may go to.  Tests fill it in themselves. */
struct target_rules {
	struct str hostname;             /* ours */
	bool use_v6;
	const struct conf_nets *allow_private;
	bool (*is_ours)(const uint8_t addr[16], uint16_t port);          /* may be NULL */
};

struct target {
	struct str name;                 /* host name; of a literal the address without brackets */
	uint16_t preference;
	uint16_t port;
	bool is_secure;                  /* DNSSEC proves all from the domain to the addresses */
	bool is_resolved;
	bool has_no_address;             /* of either family, as the DNS says for certain */
	struct dns_address address[TARGET_ADDRESSES_MAX];        /* IPv6 first */
	size_t n;
	enum dane_kind dane;
	struct str base;                 /* the name under which the TLSA records stand */
	struct dns_tlsa *tlsa;
	size_t n_tlsa;
	char why[160];                   /* why it cannot be used; else empty */
};

enum targets_end {
	TARGETS_FOUND,
	TARGETS_LATER,                   /* nothing certain: try again */
	TARGETS_NEVER,
};

struct targets {
	struct str domain;               /* folded */
	bool is_by_mx;                   /* the DNS named them: no route, no literal */
	bool is_mx_secure;
	bool met_ourselves;
	bool is_cut;                     /* there are more than TARGETS_MAX */
	struct target target[TARGETS_MAX];
	size_t n;
	char why[200];                   /* of LATER and NEVER: "550 5.1.2 …" */
};

/* destination: a domain or "[literal]"; route: NULL, or a way out.  False: this fiber has to end. */
SUSPENDS bool targets_find(const struct resolver *r, const struct target_rules *rules, struct str destination,
			   const struct conf_route *route, struct arena *a, struct targets *ret,
			   enum targets_end *ret_end, struct err *e);
/* Addresses and TLSA records of the i-th and of all with its preference.  What leads to ourselves ends the list
 * there: t->n shrinks, perhaps to i. */
SUSPENDS bool targets_resolve(const struct resolver *r, const struct target_rules *rules, struct targets *t, size_t i,
			      struct arena *a, struct err *e);

/* They are all resolved, the DNS names them, and none has an address: that will not change by waiting (RFC 5321 §5.1). */
bool targets_have_no_address(const struct targets *t);

/* Loopback, private, link-local, documentation and multicast networks, and what else is no host out there. */
bool address_is_private(const uint8_t addr[16]);
