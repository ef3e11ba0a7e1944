/* mtasts.h — what a domain says about the servers that take its mail (MTA-STS, RFC 8461).
 *
 * A TXT record says that there is a policy and which; the policy itself comes by
 * HTTPS and is kept as text.  Pure: who asks and fetches is the role. */
#pragma once

#include "base/str.h"

enum {
	MTASTS_POLICY_MAX = 64 * 1024,   /* octets (RFC 8461 §3.3) */
	MTASTS_ID_MAX = 32,
	MTASTS_MX_MAX = 256,
	MTASTS_AGE_MAX = 31557600,       /* seconds, a year */
};

enum mtasts_mode { MTASTS_NONE, MTASTS_TESTING, MTASTS_ENFORCE };

struct mtasts_policy {
	enum mtasts_mode mode;
	uint32_t max_age;        /* seconds */
	struct str mx[MTASTS_MX_MAX];    /* point into the text: "mx.example.net", "*.example.net" */
	size_t n_mx;
};

enum mtasts_record {
	MTASTS_RECORD_NONE,      /* no policy: no record, or not exactly one that begins as it must (§3.1) */
	MTASTS_RECORD_FOUND,
};

/* The id out of all TXT records of _mta-sts.DOMAIN. */
enum mtasts_record mtasts_record_parse(const struct str *texts, size_t n, struct str *ret_id);
/* False: it is no policy (§3.2). */
bool mtasts_policy_parse(struct str text, struct mtasts_policy *ret);
/* May a server of this name take the domain's mail (§4.1)?  "*" stands for exactly one label. */
bool mtasts_policy_has(const struct mtasts_policy *p, struct str host);
const char *mtasts_mode_name(enum mtasts_mode mode);
