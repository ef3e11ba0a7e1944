/* dns_outcome.h — how a question to the DNS ended.
 *
 * Kept apart, because the mail world acts differently on each: only NO_NAME and NONE say that
 * something is not there.  TEMP and BOGUS say nothing about it: they defer and never bounce. */
#pragma once

enum dns_outcome {
	DNS_FOUND,       /* there are records */
	DNS_NONE,        /* the name is there, without records of this type */
	DNS_NO_NAME,     /* there is no such name */
	DNS_TEMP,        /* nobody answered, or not usefully: ask again later */
	DNS_BOGUS,       /* DNSSEC says that the answer is forged or broken */
	DNS_OUTCOME_COUNT
};

/* As `waxwing dns lookup` and the log call it. */
static inline const char *dns_outcome_name(enum dns_outcome o)
{
	static const char *const names[DNS_OUTCOME_COUNT] = { "found", "none", "no such name", "temporary", "bogus" };

	return (unsigned)o < DNS_OUTCOME_COUNT ? names[o] : "?";
}
