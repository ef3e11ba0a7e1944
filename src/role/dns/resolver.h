/* resolver.h — libunbound: it asks, validates and keeps; we say with what, and read its answers. */
#pragma once

#include "base/arena.h"
#include "conf/conf.h"
#include "wire/dns_outcome.h"

/* A question that nobody has answered until then is DNS_TEMP. */
#define DNS_QUESTION_WITHIN (20 * SECOND)
enum {
	QUESTIONS_MAX = 4096,            /* at once, with those that nobody waits for any more; more are DNS_TEMP */
	ROOT_FILE_MAX = 256 * 1024,      /* octets of a file of hints or keys */
	ROOT_LINES_MAX = 128,            /* addresses, or keys, in it */
};

struct resolver;

struct resolver_answer {
	enum dns_outcome outcome;
	bool is_secure, is_cached;
	uint8_t rcode;
	uint32_t ttl;
	struct str canonical, why;
	struct str *p;           /* RDATA */
	size_t n;
};

/* anchor: text of trust-anchor, empty: what is built in; hints: text of root-hints, empty: what
 * libunbound knows.  Nothing is made or asked before the first question. */
struct resolver *resolver_open(const struct conf_dns *conf, struct str anchor, struct str hints, struct err *e);
/* Questions under way are still answered; then it goes. */
void resolver_retire(struct resolver *r);
/* false only if the caller was cancelled.  `name` is text; all of *ret lies in *a. */
SUSPENDS bool resolver_ask(struct resolver *r, struct str name, uint16_t type, struct arena *a,
			   struct resolver_answer *ret, struct err *e);
