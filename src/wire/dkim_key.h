/* dkim_key.h — the record under which a DKIM key is published (RFC 6376 §3.6.1, RFC 8463 §4). */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { DKIM_RECORD_MAX = 8192 };         /* octets; an RSA-4096 key takes 740 */

enum dkim_key_kind { DKIM_KEY_OTHER, DKIM_KEY_RSA, DKIM_KEY_ED25519 };

struct dkim_key {
	enum dkim_key_kind kind;         /* k= */
	struct str key;                  /* p=, decoded; empty: revoked */
	bool has_sha256;                 /* h= allows it */
	bool is_for_mail;                /* s= */
	bool is_testing;                 /* t=y */
	bool is_strict;                  /* t=s: i= is d= itself */
};

/* FAULT_PEER: it is no such record, e says where.  FAULT_TEMP: no memory. */
bool dkim_key_parse(struct str record, struct arena *a, struct dkim_key *ret, struct err *e);
