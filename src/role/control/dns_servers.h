/* dns_servers.h — a record as those have it who have the zone, each of them, and as a cache has it.
 *
 * Servers that did not answer once are not asked again by the same survey. */
#pragma once

#include "trust/publish.h"

enum {
	DNS_SERVERS_MAX = 13,            /* of a zone */
	DNS_ZONES_MAX = 32,
};

struct dns_server {
	struct str name;
	struct str addresses[4];         /* as text, IPv4 first */
	size_t n;
	struct str why;          /* it does not answer; empty: it did, or was not asked */
};

struct dns_zone {
	struct str name;
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t n;
};

/* Zero is good; the arena outlives it. */
struct dns_survey {
	struct arena *a;
	struct dns_zone *zones[DNS_ZONES_MAX];
	size_t n;
};

/* What became of a wish. */
struct dns_finding {
	struct publish_verdict verdict;  /* the worst of the servers'; without any that answers the cache's */
	struct str server;       /* whose it is; empty: all that answer agree */
	bool is_only_cache;      /* no name server could be asked */
	bool is_old_cached;      /* it is published, and a cache still has what was before … */
	uint32_t seconds;        /* … for up to so long */
};

/* false only if the fiber was cancelled or its deadline passed. */
SUSPENDS bool dns_survey_find(struct dns_survey *s, const struct publish_facts *f, const struct publish_record *wish,
			      struct dns_finding *ret, struct err *e);
