/* dmarc_record.h — what a domain wants done with letters that forge it (RFC 7489 §6.3, §6.4).
 *
 *	record = "v" "=" "DMARC1" *( ";" tag "=" value ) [";"]      white space around each of them
 *
 * Unknown tags, and values that are malformed where there is a default, count as not said. */
#pragma once

#include "base/str.h"

enum {
	DMARC_RECORD_MAX = 8192,         /* octets; what is behind is not read */
	DMARC_TAGS_MAX = 64,
};

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };

struct dmarc_record {
	bool is_usable;          /* p, and sp if there is one, are valid; or what takes their place (§6.6.3) */
	bool has_sp;
	enum dmarc_policy p, sp; /* without an sp, sp is p */
	bool is_dkim_strict, is_spf_strict;      /* adkim=s, aspf=s */
	unsigned pct;            /* 0 to 100 */
	struct str rua, ruf;     /* lists of addresses as they were written */
	const char *problem;     /* if it is not usable, or only as p=none: why; else NULL */
};

/* Does it begin as a record must?  "v" is the first tag, and "DMARC1" has this case. */
bool dmarc_record_is(struct str text);
/* Of a text that is one. */
void dmarc_record_read(struct str text, struct dmarc_record *ret);
/* Takes the next address of rua or ruf that is an URI (§6.4), off *in; without its "!10m". */
bool dmarc_uri_next(struct str *in, struct str *ret);
const char *dmarc_policy_name(enum dmarc_policy p);
