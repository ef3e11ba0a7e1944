/* helo.h — does a client call itself as it may (RFC 5321 §4.1.4)?
 *
 * What a stranger says is compared with what it cannot be: our own name, our addresses, or no name
 * of a host in the internet at all.  Pure. */
#pragma once

#include "base/str.h"

struct conf;

struct helo_facts {
	struct str helo;              /* as the client said it */
	struct str extra;             /* characters that count as letters (helo-chars) */
	const uint8_t *client, *ours; /* addresses of the connection; IPv4 as ::ffff:a.b.c.d */
};

/* NULL: a full name, or the literal of its own address.  Else a sentence for the log. */
const char *helo_wrong_syntax(const struct helo_facts *f);
/* NULL: it does not say that it is us.  c: its host name and domains. */
const char *helo_is_ours(const struct helo_facts *f, const struct conf *c);
