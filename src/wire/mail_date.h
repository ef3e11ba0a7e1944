/* mail_date.h — the Date field (RFC 5322 §3.3, §4.3) and what stands there in its place. */
#pragma once

#include "base/str.h"

struct mail_date {
	int64_t utc;             /* seconds since 1970; years 0 … 9999 */
	int32_t zone;            /* minutes east of UTC */
	int32_t local_day;       /* days since 1970 as the writer's calendar says, for SENTON */
};

/* Reads the obsolete zones and years, missing parts, ISO 8601, comments.  False if no date can be
 * made out. */
bool mail_date_parse(struct str raw, struct mail_date *ret);
