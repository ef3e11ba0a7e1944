/* tls_want.h — what is demanded of a server's TLS: DANE (RFC 7672), MTA-STS (RFC 8461), then the configuration. */
#pragma once

#include "conf/conf.h"
#include "fiber/tls_client.h"
#include "role/relay/targets.h"
#include "trust/mtasts.h"

enum tls_use {
	TLS_USE_NEVER,
	TLS_USE_IF_OFFERED,      /* and in the clear again if the handshake fails */
	TLS_USE_ALWAYS,
};

struct tls_want {
	enum tls_use use;
	enum tls_trust trust;
	bool is_wrapped;
	const char *by;          /* who demands: "DANE", "MTA-STS", "route", "tls"; "" nobody */
	struct str host;         /* SNI and the name in the certificate */
	struct str also[2];      /* other names that it may have (DANE) */
	size_t n_also;
	const struct dns_tlsa *tlsa;
	size_t n_tlsa;
};

/* What a policy that is in force says about this server; NULL policy: none. */
enum sts_verdict { STS_NOTHING, STS_TESTING_OK, STS_TESTING_BAD, STS_ENFORCE_OK, STS_ENFORCE_BAD };
enum sts_verdict sts_judge(const struct mtasts_policy *policy, struct str host);

/* False with why: this server must not be used. */
bool tls_want_of(const struct target *to, const struct targets *all, const struct conf_route *route,
		 enum conf_demand by_conf, const struct mtasts_policy *sts, struct tls_want *ret, struct err *e);
/* A word for people, the log and the pool: "opportunistic", "DANE", "encrypt (route)" … */
const char *tls_want_name(const struct tls_want *w);
