/* relay_say.h — the words of the dialogues with `relay`. */
#pragma once

#include "base/str.h"

enum {
	RELAY_WEB = 1000,        /* the instance that fetches by HTTPS and knows no routes; the others carry letters */
	RELAY_SCANNER = 1001,    /* … that shows letters to the outside scanner, and connects to nothing else */
	RELAY_INLINE_MAX = 32 * 1024,    /* octets of a letter that stand in relay_job itself */
	RELAY_TEXT_MAX = 1000,   /* octets of a reply in an outcome */
};

/* What became of a recipient. */
enum relay_outcome {
	RELAY_SENT,
	RELAY_LATER,             /* try again */
	RELAY_NEVER,
	RELAY_NEEDS_7BIT,        /* the server takes no 8-bit letters: one in 7 bit may go there */
	RELAY_OUTCOME_COUNT
};

/* About the destination as a whole. */
enum relay_hint {
	RELAY_FINE,
	RELAY_BUSY,              /* it wants fewer letters at once, or later */
	RELAY_DOWN,              /* no server of it can be reached: it rests for `wait` seconds */
	RELAY_STALE,             /* nothing: the job is of another generation of the configuration, and was not begun */
	RELAY_HINT_COUNT
};

enum relay_policy_outcome {
	RELAY_POLICY_NONE,       /* the domain has no MTA-STS record */
	RELAY_POLICY_SAME,       /* its id is the one that is known */
	RELAY_POLICY_NEW,
	RELAY_POLICY_FAILED,     /* there may be one: what is known stays in force */
	RELAY_POLICY_OUTCOME_COUNT
};

/* relay_test.tls: which TLS `waxwing test smtp` is to use. */
enum relay_test_tls {
	RELAY_TEST_STARTTLS,     /* if it is offered */
	RELAY_TEST_WRAPPED,      /* smtps */
	RELAY_TEST_CLEAR,
	RELAY_TEST_VERIFY,       /* a right certificate, or no success */
	RELAY_TEST_TLS_COUNT,
	RELAY_PROBE_DANE = RELAY_TEST_TLS_COUNT,         /* of relay_probe alone: a certificate that its TLSA records demand */
};

/* How far relay_probe came. */
enum relay_probe_stage {
	RELAY_PROBE_NOTHING,     /* no connection */
	RELAY_PROBE_CONNECTED,   /* and no greeting, or another one than 220 */
	RELAY_PROBE_GREETED,     /* TLS, or what was demanded of it, failed */
	RELAY_PROBE_DONE,
	RELAY_PROBE_STAGES
};

enum relay_scan_outcome {
	RELAY_SCANNED,
	RELAY_SCAN_FAILED,
	RELAY_SCAN_COUNT
};

static inline bool relay_is_web(uint32_t instance)
{
	return instance == RELAY_WEB;
}
static inline bool relay_is_scanner(uint32_t instance)
{
	return instance == RELAY_SCANNER;
}
static inline bool relay_carries(uint32_t instance)
{
	return !relay_is_web(instance) && !relay_is_scanner(instance);
}
