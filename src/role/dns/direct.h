/* direct.h — one question to one name server, without resolver and cache. */
#pragma once

#include "role/dns/resolver.h"

/* server: an address as text; private ones only with may_be_private.  false only if the caller was cancelled or out of
 * time: all else is an outcome, also that the server has no authority for the zone (DNS_TEMP). */
SUSPENDS bool direct_ask(struct str server, bool may_be_private, struct str name, uint16_t type, struct arena *a,
			 struct resolver_answer *ret, struct err *e);
