/* conduct.h — how a client behaves, over all its sessions: when is it to be banned?
 *
 * A client is an IPv4 address or an IPv6 /64.  Of each kind of misbehaviour there is a level: it
 * rises by one each time and sinks by `n` within `per`; a client whose level is above `n` - 1 is to
 * be banned, and begins anew.  Time is a parameter (monotonic microseconds).  Memory is bounded: past
 * `entries_max` clients the one that misbehaved longest ago is forgotten first, so that a crowd
 * that errs once each does not hide one that goes on. */
#pragma once

#include "user/network.h"

struct conduct;

enum conduct_kind {
	CONDUCT_NO_HOST_NAME,
	CONDUCT_UNKNOWN_RECIPIENTS,
	CONDUCT_ERRORS,
	CONDUCT_KINDS,
};

enum { CONDUCT_ENTRIES_MAX = 131072, CONDUCT_ONCE_MAX = 1000 };

struct conduct_rule {
	unsigned n;              /* 0: nobody is banned for this */
	int64_t per;
};

/* What is to be said of a client that is banned. */
struct conduct_evidence {
	enum conduct_kind kind;
	unsigned n;              /* how often, since the level was zero */
	int64_t within;
};

struct conduct *conduct_open(size_t entries_max);
void conduct_close(struct conduct *c);
/* It did so n[kind] times (at most CONDUCT_ONCE_MAX count) since it was last noted.  True: it is to be banned. */
bool conduct_note(struct conduct *c, const struct net_address *client, const struct conduct_rule rules[CONDUCT_KINDS],
		  const unsigned n[CONDUCT_KINDS], int64_t now, struct conduct_evidence *ret);
size_t conduct_entries(const struct conduct *c);

/* "12 letters without a host name within 3m" */
void conduct_print(const struct conduct_evidence *x, struct buf *b);
