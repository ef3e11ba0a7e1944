/* destination.h — where a letter to another server goes: its domain, and by which way out.
 *
 * The configuration decides: `others` of the domain itself, for those who are nobody here; then
 * the first `route` line that fits recipient and sender; else the servers the DNS names.  Letters
 * with the same key wait in one lane, and may share a transaction: those to one domain, or all
 * that leave by one server that a line names. */
#pragma once

#include "conf/conf.h"

enum { DESTINATION_MAX = 255 };

struct destination {
	uint16_t route;                  /* conf_route_at() */
	bool is_named;                   /* by the configuration: whatever the domain */
	size_t n;
	char domain[DESTINATION_MAX];    /* of the recipient, ASCII in lower case; or "[literal]" */
};

/* sender: MAIL FROM as the client gave it, may be empty; target: local@domain. */
void destination_of(const struct conf *c, struct str sender, struct str target, struct destination *ret);
static inline struct str destination_domain(const struct destination *d)
{
	return str_of(d->domain, d->n);
}
/* "0 example.org", "3" */
void destination_key(const struct destination *d, struct buf *ret);
